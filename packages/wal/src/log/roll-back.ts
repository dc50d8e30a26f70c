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

/** What a roll-back does, decided before anything is touched. */
export interface RollBack {
  /** The log without the group. Nothing is active, because nothing more is written to a file that ran out of space. */
  readonly state: LogState;
  /** Segments that go, the newest first, each with the one before it, whose seal names it. */
  readonly removed: readonly { readonly path: string; readonly predecessor: ClosedSegment }[];
  /** The segment that is cut to where it was. */
  readonly cut: ClosedSegment | undefined;
}

/** Decides what brings the files back to the mark. Pure. `active` of the state has been closed as a file. */
export function planRollBack(mark: GroupMark, now: LogState): RollBack {
  const segments =
    now.active === undefined ? now.closed : [...now.closed, now.active.closedSegment()];
  const markId = mark.active?.writer.info.segmentId ?? mark.lastClosedId;
  // The segment of the mark may have been released meanwhile: then the first one that the group began stays, empty, because the
  // checkpoint names it. So it is in a newborn log.
  const baseId = Math.max(markId ?? 0, segments[0]?.segmentId ?? 0);
  const kept = segments.filter((segment) => segment.segmentId <= baseId);
  const removed = segments.flatMap((segment, index) => {
    const predecessor = segments[index - 1];
    const goes = index >= kept.length && predecessor !== undefined;
    return goes ? [{ path: segment.path, predecessor }] : [];
  });
  const base = kept.at(-1);
  const isMark = base?.segmentId === markId;
  if (base === undefined || (isMark && mark.active === undefined)) {
    const closed = base === undefined ? now.closed : kept;
    return {
      state: { ...now, closed, active: undefined },
      removed: removed.toReversed(),
      cut: undefined,
    };
  }
  const empty = firstPosition(base.firstLsn, base.headerDigest);
  const cut = closedAt(base, isMark && mark.active !== undefined ? mark.active.end : empty);
  const closed = [...kept.slice(0, -1), cut];
  return { state: { ...now, closed, active: undefined }, removed: removed.toReversed(), cut };
}

/**
 * Brings the files back to the mark. Steps, and what a crash right after each leaves behind:
 * 1. for each segment begun since, newest first: off with its predecessor's seal, then with the segment itself, then the directory
 *    synced: the log with a part of the group (CRASH: roll-back-1)
 * 2. the segment of the mark cut to where it was: the log without the group (CRASH: roll-back-2)
 */
export async function rollBack(
  storage: Storage,
  directory: string,
  { removed, cut }: RollBack,
): Promise<void> {
  for (const { path, predecessor } of removed) {
    await cutFile(storage, predecessor);
    await storage.remove(path);
    await storage.syncDirectory(directory);
  }
  if (cut !== undefined) await cutFile(storage, cut);
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
