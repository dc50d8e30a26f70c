/**
 * What is known of one Raft group in memory: hard state, bounds, terms, positions of entries. No I/O.
 *
 * Changed by the same methods live and on replay, so that a log that was opened again is the log that was left.
 */
import { EntryIndex } from "./entry-index.ts";
import { RaftLogError } from "./errors.ts";
import {
  NO_CONF_STATE,
  NO_HARD_STATE,
  type ConfState,
  type HardState,
  type SnapshotMetadata,
} from "./raft-types.ts";
import { TermRuns } from "./term-runs.ts";

/** Where a log begins: the entry that was compacted last. */
export interface LogStart {
  readonly index: number;
  readonly term: number;
}

export class GroupState {
  readonly groupId: number;
  readonly index: EntryIndex = new EntryIndex();
  readonly terms: TermRuns = new TermRuns();
  hardState: HardState = NO_HARD_STATE;
  snapshot: SnapshotMetadata | undefined;
  #start: LogStart = { index: 0, term: 0 };

  constructor(groupId: number) {
    this.groupId = groupId;
  }

  get start(): LogStart {
    return this.#start;
  }

  get firstIndex(): number {
    return this.#start.index + 1;
  }

  get lastIndex(): number {
    return this.index.lastIndex;
  }

  /** See `RaftLog.initialState`. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return { hardState: this.hardState, confState: this.snapshot?.confState ?? NO_CONF_STATE };
  }

  /** Term at an index from `firstIndex - 1` to `lastIndex`. */
  termOf(index: number): number {
    return index === this.#start.index ? this.#start.term : this.terms.at(index);
  }

  /** See `RaftLog.term`. */
  term(index: number): number {
    if (index < this.#start.index) throw this.#compacted(index);
    if (index > this.lastIndex) throw this.#unavailable(index);
    return this.termOf(index);
  }

  /** Checks the bounds of `RaftLog.entries`. */
  assertRange(lo: number, hi: number): void {
    if (!(Number.isSafeInteger(lo) && Number.isSafeInteger(hi) && lo <= hi)) {
      throw new RangeError(
        `entries from ${lo} to ${hi}: whole numbers, the first not above the second`,
      );
    }
    if (lo < this.firstIndex) throw this.#compacted(lo);
    if (hi > this.lastIndex + 1) throw this.#unavailable(hi - 1);
  }

  /** Checks an index for `RaftLog.compact`. */
  assertKnown(index: number): void {
    if (index > this.lastIndex) throw this.#unavailable(index);
  }

  /** Checks a snapshot for `RaftLog.saveSnapshot`: none is older than the newest one, or than the log. */
  assertNewest({ index }: SnapshotMetadata): void {
    const newest = Math.max(this.snapshot?.index ?? 0, this.#start.index);
    if (index >= newest) return;
    throw new RaftLogError(
      "RAFT_OUT_OF_ORDER",
      `group ${this.groupId}: snapshot ${index} is older than what is here up to ${newest}; nothing was saved`,
      { details: { groupId: this.groupId, index, newest } },
    );
  }

  /** Adds an entry; what was at its index and behind it is gone. The index is at most one behind the last. */
  put(index: number, term: number, lsn: number, dataBytes: number): void {
    if (index <= this.lastIndex) {
      this.index.truncate(index);
      this.terms.truncate(index);
    }
    this.index.add(lsn, dataBytes);
    this.terms.add(index, term);
  }

  /** Gives up everything up to and including `start`; entries behind it stay when it is one of the log's. */
  startAfter(start: LogStart): void {
    this.#start = start;
    this.index.compact(start.index + 1);
    if (this.index.lastIndex === start.index) this.terms.clear();
    else this.terms.compact(start.index + 1);
  }

  /** Empties the log; the next entry is the one behind `start`. */
  clear(start: LogStart): void {
    this.#start = start;
    this.index.reset(start.index + 1);
    this.terms.clear();
  }

  #compacted(index: number): RaftLogError {
    return new RaftLogError(
      "RAFT_COMPACTED",
      `entry ${index} of group ${this.groupId} was compacted; the log begins with ${this.firstIndex}: send a snapshot`,
      { details: { groupId: this.groupId, index, firstIndex: this.firstIndex } },
    );
  }

  #unavailable(index: number): RaftLogError {
    return new RaftLogError(
      "RAFT_UNAVAILABLE",
      `entry ${index} of group ${this.groupId} is not there; the log ends with ${this.lastIndex}`,
      { details: { groupId: this.groupId, index, lastIndex: this.lastIndex } },
    );
  }
}
