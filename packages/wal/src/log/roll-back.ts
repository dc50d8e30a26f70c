/**
 * Takes a group back that ran out of space after a part of it was written.
 *
 * Its appends are about to be rejected, so none of its records may ever be read again; and there is no space for a new segment
 * that would say where the log ends now. So the files are cut: back to front, each step leaving a log that recovery reads, with more
 * or less of the group in it. Until the rejection has been told, both are right.
 */
import { closedAt, firstPosition, type ClosedSegment } from "../segment/segment-info.ts";
import type { ScanPosition } from "../segment/frame-scanner.ts";
import type { SegmentWriter } from "../segment/segment-writer.ts";
import type { Storage } from "../storage/storage.ts";
import type { LogState } from "./log-state.ts";

/** Where the log stood before a group was written. */
export interface GroupMark {
  readonly lastClosedId: number | undefined;
  readonly active: { readonly writer: SegmentWriter; readonly end: ScanPosition } | undefined;
}

export function markGroup(state: LogState): GroupMark {
  const { active, closed } = state;
  return {
    lastClosedId: closed.at(-1)?.segmentId,
    active: active === undefined ? undefined : { writer: active, end: active.position },
  };
}

/**
 * Brings the files back to the mark. Steps, and what a crash right after each leaves behind:
 * 1. for each segment begun since, newest first: off with its predecessor's seal, then with the segment itself, then the directory
 *    synced: the log with a part of the group (CRASH: roll-back-1)
 * 2. the segment of the mark cut to where it was: the log without the group (CRASH: roll-back-2)
 *
 * @returns the state of the log: nothing is active, because nothing more is written to a file that ran out of space
 */
export async function rollBack(
  storage: Storage,
  directory: string,
  mark: GroupMark,
  now: LogState,
): Promise<LogState> {
  await now.active?.close();
  const segments =
    now.active === undefined ? now.closed : [...now.closed, now.active.closedSegment()];
  const markId = mark.active?.writer.info.segmentId ?? mark.lastClosedId;
  // The segment of the mark may have been released meanwhile: then the first one that the group began stays, empty, because the
  // checkpoint names it. So it is in a newborn log.
  const baseId = Math.max(markId ?? 0, segments[0]?.segmentId ?? 0);
  const kept = segments.filter((segment) => segment.segmentId <= baseId);
  for (let index = segments.length - 1; index >= kept.length; index--) {
    const segment = segments[index];
    const predecessor = segments[index - 1];
    if (segment === undefined || predecessor === undefined) break;
    await cutFile(storage, predecessor);
    await storage.remove(segment.path);
    await storage.syncDirectory(directory);
  }
  const base = kept.at(-1);
  if (base === undefined) return { ...now, active: undefined };
  const isMark = base.segmentId === markId;
  if (isMark && mark.active === undefined) return { ...now, closed: kept, active: undefined };
  const empty = firstPosition(base.firstLsn, base.headerDigest);
  const cut = closedAt(base, isMark && mark.active !== undefined ? mark.active.end : empty);
  await cutFile(storage, cut);
  return { ...now, closed: [...kept.slice(0, -1), cut], active: undefined };
}

async function cutFile(storage: Storage, segment: ClosedSegment): Promise<void> {
  const file = await storage.openFile(segment.path, "write");
  try {
    await file.truncate(segment.endOffset);
    await file.syncAll();
  } finally {
    await file.close();
  }
}
