/**
 * What readers see of the log: an immutable list of closed segments and the active one.
 *
 * The writer builds the next state and swaps it in one assignment; a reader that holds an older state goes on with
 * it until it meets a file that has been released.
 */
import type { ClosedSegment, SegmentInfo } from "../segment/segment-info.ts";
import type { SegmentExtent, SegmentWriter } from "../segment/segment-writer.ts";

export interface LogState {
  /** Ascending; each begins where the one before ended. */
  readonly closed: readonly ClosedSegment[];
  /** The segment that is being written; none until something is appended. */
  readonly active: SegmentWriter | undefined;
  /** First LSN that is still part of the log. */
  readonly firstLsn: number;
}

/** Which bytes a segment's file holds: names and numbers come again, salts do not. */
export type SegmentKey = Pick<SegmentInfo, "segmentId" | "saltSeed">;

export function isSameSegment(one: SegmentKey, other: SegmentKey): boolean {
  return one.segmentId === other.segmentId && one.saltSeed === other.saltSeed;
}

/** The closed segment with this key, as the log has it now. */
export function closedSegment({ closed }: LogState, key: SegmentKey): ClosedSegment | undefined {
  const segment = firstClosed(closed, ({ segmentId }) => segmentId >= key.segmentId);
  return segment !== undefined && isSameSegment(segment, key) ? segment : undefined;
}

/** False once a segment has left the log, whether or not its file is still there. */
export function holdsSegment(state: LogState, key: SegmentKey): boolean {
  const { active } = state;
  if (active !== undefined && isSameSegment(active.info, key)) return true;
  return closedSegment(state, key) !== undefined;
}

/** The first segment for which `holds` is true, given that it is then true for all later ones. */
export function firstClosed(
  closed: readonly ClosedSegment[],
  holds: (segment: ClosedSegment) => boolean,
): ClosedSegment | undefined {
  let low = 0;
  let high = closed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const segment = closed[middle];
    if (segment !== undefined && holds(segment)) high = middle;
    else low = middle + 1;
  }
  return closed[low];
}

/** LSN that the next record gets, as far as files know. */
export function nextLsnOf(state: LogState): number {
  if (state.active !== undefined) return state.active.written.lastLsn + 1;
  const last = state.closed.at(-1);
  return last === undefined ? state.firstLsn : last.lastLsn + 1;
}

/** The closed segments that end at or before `lsn` and can go. */
export function segmentsUpTo(state: LogState, lsn: number): readonly ClosedSegment[] {
  let count = 0;
  for (const segment of state.closed) {
    // The last closed segment stays while there is no active one: its successor's header must name it.
    const isLastOfAll = state.active === undefined && count === state.closed.length - 1;
    if (segment.lastLsn > lsn || isLastOfAll) break;
    count++;
  }
  return state.closed.slice(0, count);
}

/** The state without its first `count` closed segments. */
export function withoutFirst(state: LogState, count: number): LogState {
  const closed = state.closed.slice(count);
  const begin = closed[0]?.firstLsn ?? state.active?.info.firstLsn ?? state.firstLsn;
  return { ...state, closed, firstLsn: Math.max(state.firstLsn, begin) };
}

/** The state with another last closed segment, and without those behind position `index`. */
export function withLastClosed(state: LogState, index: number, last: ClosedSegment): LogState {
  return { ...state, closed: [...state.closed.slice(0, index), last] };
}

/** What a backup of the log consists of: everything that is durable now. */
export interface BackupSource {
  readonly segments: readonly {
    readonly segmentId: number;
    readonly path: string;
    readonly endOffset: number;
    readonly isImmutable: boolean;
  }[];
  readonly firstLsn: number;
  readonly lastLsn: number;
}

/** A log between two groups: what it was when the group that is now being written began. */
export interface BetweenGroups {
  readonly state: LogState;
  /** How far the active segment was written, and durable. */
  readonly written: SegmentExtent | undefined;
  readonly durable: SegmentExtent | undefined;
  readonly nextLsn: number;
}

export function betweenGroups(state: LogState): BetweenGroups {
  const { active } = state;
  return { state, written: active?.written, durable: active?.durable, nextLsn: nextLsnOf(state) };
}

/**
 * What a backup now consists of.
 *
 * @param before - while a group is being written: nothing of that group may be in a backup, because it may yet be taken back, and the
 * files with it
 */
export function backupSource(now: LogState, before: BetweenGroups | undefined): BackupSource {
  const { state, durable } = before ?? betweenGroups(now);
  const { active } = state;
  const firstSegmentId = now.closed[0]?.segmentId ?? now.active?.info.segmentId ?? 0;
  const segments = state.closed
    // Others have been released since.
    .filter(({ segmentId }) => segmentId >= firstSegmentId)
    .map(({ segmentId, path, endOffset }, index, all) => ({
      segmentId,
      path,
      endOffset,
      // The last closed segment without a successor gets its mark only when there is one.
      isImmutable: active !== undefined || index < all.length - 1,
    }));
  const { firstLsn } = now;
  if (active === undefined || durable === undefined) {
    return { segments, firstLsn, lastLsn: nextLsnOf(state) - 1 };
  }
  const { segmentId, path } = active.info;
  // The group began with a rotation, and what was active before it has been released as well.
  if (segmentId < firstSegmentId) return { segments, firstLsn, lastLsn: durable.lastLsn };
  const last = { segmentId, path, endOffset: durable.offset, isImmutable: false };
  return { segments: [...segments, last], firstLsn, lastLsn: durable.lastLsn };
}
