/**
 * Reads entries of a group: the newest from its cache, those before them from wherever the log is kept.
 */
import type { EntryCache } from "../entry-cache.ts";
import type { GroupState } from "../group-state.ts";
import type { Entry } from "../raft-types.ts";

/** See `RaftLog.entries`. */
export interface EntryRange {
  readonly lo: number;
  readonly hi: number;
  readonly maxBytes: number;
}

/**
 * Entries of a range as the log is now, whatever becomes of it while they are read.
 *
 * @param read - reads entries from an index up to but not including another from the disk; called at once
 * @throws {RaftLogError} `RAFT_COMPACTED`, `RAFT_UNAVAILABLE`, and what `read` throws
 */
export async function readCached(
  { state, cache }: { readonly state: GroupState; readonly cache: EntryCache },
  { lo, hi, maxBytes }: EntryRange,
  read: (lo: number, hi: number) => Promise<readonly Entry[]>,
): Promise<readonly Entry[]> {
  state.assertRange(lo, hi);
  const end = state.index.fit(lo, hi, maxBytes);
  const cachedFrom = Math.max(lo, Math.min(end, cache.firstIndex));
  // Taken now: while the disk is read, the log may be cut and written anew.
  const cached = cachedFrom < end ? cache.slice(cachedFrom, end) : [];
  if (cachedFrom === lo) return cached;
  try {
    const older = await read(lo, cachedFrom);
    return cached.length === 0 ? older : [...older, ...cached];
  } catch (error) {
    // Compacted and released while it was read: that is the better answer.
    if (lo < state.firstIndex) state.assertRange(lo, lo);
    throw error;
  }
}
