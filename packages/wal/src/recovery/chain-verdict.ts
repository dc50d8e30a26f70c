/**
 * Decides which segment files are the log: follows the headers from the last segment back to the first one needed.
 *
 * Pure; see docs/recovery.md, "Which segments are the log".
 */
import type { Checkpoint } from "../format/checkpoint-file.ts";
import type { SegmentHeader, SegmentHeaderResult } from "../format/segment-header.ts";

/** One segment file as it was found. */
export interface SegmentFileFacts {
  readonly segmentId: number;
  readonly path: string;
  readonly fileBytes: number;
  readonly header: SegmentHeaderResult;
}

/** A segment file whose header is valid. */
export interface ReadableSegment {
  readonly segmentId: number;
  readonly path: string;
  readonly fileBytes: number;
  readonly header: SegmentHeader;
}

export type ChainVerdict =
  | { readonly kind: "empty" }
  | {
      readonly kind: "chain";
      /** Ascending, without gaps in LSNs; the last one may have a torn tail. */
      readonly segments: readonly ReadableSegment[];
      /** Files that a finished release or truncation has left behind. */
      readonly leftovers: readonly SegmentFileFacts[];
    }
  | { readonly kind: "newer"; readonly path: string; readonly version: number }
  | {
      readonly kind: "damage";
      readonly path: string;
      readonly reason: string;
      readonly offset: number;
      readonly firstLsn: number | undefined;
      readonly lastLsn: number | undefined;
    };

/**
 * @param files - every file with a segment's name, in any order
 * @param checkpoint - `undefined` when there is none: the log is new or died while being born
 */
export function chainVerdict(
  directory: string,
  files: readonly SegmentFileFacts[],
  checkpoint: Checkpoint | undefined,
): ChainVerdict {
  const firstId = checkpoint?.firstSegmentId ?? 0;
  const byId = new Map<number, SegmentFileFacts>();
  for (const file of files) if (file.segmentId >= firstId) byId.set(file.segmentId, file);
  const lastId = Math.max(0, ...byId.keys());
  if (byId.size === 0) {
    if (checkpoint === undefined) return { kind: "empty" };
    return damage(directory, `segment ${firstId} and all later ones are missing`, {
      firstLsn: checkpoint.firstLsn,
    });
  }

  const segments: ReadableSegment[] = [];
  let id = lastId;
  for (;;) {
    const file = byId.get(id);
    const successor = segments[0];
    if (file === undefined) return missing(directory, id, successor, checkpoint);
    if (file.header.kind === "unsupported-version") {
      return { kind: "newer", path: file.path, version: file.header.version };
    }
    if (file.header.kind === "invalid") {
      return damage(file.path, `the segment header is damaged (${file.header.reason})`, {
        lastLsn: lsnBefore(successor),
      });
    }
    const { header } = file.header;
    const problem = headerProblem(file, header, successor);
    if (problem !== undefined) {
      return damage(file.path, problem, {
        firstLsn: header.firstLsn,
        lastLsn: lsnBefore(successor),
      });
    }
    segments.unshift({
      segmentId: id,
      path: file.path,
      fileBytes: file.fileBytes,
      header,
    });
    if (id === firstId || header.previousSegmentId === 0) break;
    id = header.previousSegmentId;
  }
  const first = segments[0];
  if (checkpoint !== undefined && first !== undefined && first.segmentId !== firstId) {
    return missing(directory, firstId, first, checkpoint);
  }
  const inChain = new Set(segments.map((segment) => segment.segmentId));
  const leftovers = files.filter((file) => !inChain.has(file.segmentId));
  return { kind: "chain", segments, leftovers };
}

function headerProblem(
  file: SegmentFileFacts,
  header: SegmentHeader,
  successor: ReadableSegment | undefined,
): string | undefined {
  if (header.segmentId !== file.segmentId) {
    return `the file holds segment ${header.segmentId}: it was renamed or swapped`;
  }
  if (header.previousSegmentId >= header.segmentId) {
    return `the header names segment ${header.previousSegmentId} as the one before`;
  }
  if (successor === undefined) return undefined;
  const { previousEndOffset, firstLsn } = successor.header;
  if (previousEndOffset > file.fileBytes) {
    return `the file has ${file.fileBytes} bytes, and segment ${successor.segmentId} says that ${previousEndOffset} are part of the log`;
  }
  if (firstLsn < header.firstLsn) {
    return `segment ${successor.segmentId} begins with LSN ${firstLsn}, before this one (${header.firstLsn})`;
  }
  return undefined;
}

function missing(
  directory: string,
  segmentId: number,
  successor: ReadableSegment | undefined,
  checkpoint: Checkpoint | undefined,
): ChainVerdict {
  const firstLsn = checkpoint?.firstSegmentId === segmentId ? checkpoint.firstLsn : undefined;
  return damage(directory, `segment ${segmentId} is missing`, {
    firstLsn,
    lastLsn: lsnBefore(successor),
  });
}

function lsnBefore(successor: ReadableSegment | undefined): number | undefined {
  return successor === undefined ? undefined : successor.header.firstLsn - 1;
}

function damage(
  path: string,
  reason: string,
  range: { readonly firstLsn?: number | undefined; readonly lastLsn?: number | undefined },
): ChainVerdict {
  return {
    kind: "damage",
    path,
    reason,
    offset: 0,
    firstLsn: range.firstLsn,
    lastLsn: range.lastLsn,
  };
}
