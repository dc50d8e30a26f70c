/**
 * Names of the files of a log: which segment a file is, and which files are ours at all.
 *
 * Specification: docs/format.md, "The directory". Pure.
 */

export const SEGMENT_SUFFIX = ".wal";
export const CHECKPOINT_NAME = "CHECKPOINT";
export const LOCK_NAME = "LOCK";
export const PREWRITE_NAME = "next.prewrite";
export const CURSOR_DIRECTORY = "cursors";
export const CURSOR_SUFFIX = ".cursor";
/** Behind the name of a released segment that is kept. */
export const ARCHIVE_SUFFIX = ".recovered";
export const TEMPORARY_SUFFIX = ".tmp";

const ID_DIGITS = 12;
const SEGMENT_PATTERN = /^(\d{12})\.wal$/;

/** File name of a segment: its id in 12 digits, so that names sort as ids do. */
export function formatSegmentName(segmentId: number): string {
  return String(segmentId).padStart(ID_DIGITS, "0") + SEGMENT_SUFFIX;
}

/** The segment id in a file name, or `undefined` when the file is no segment. */
export function parseSegmentName(name: string): number | undefined {
  const digits = SEGMENT_PATTERN.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
