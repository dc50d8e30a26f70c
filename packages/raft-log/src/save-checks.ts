/**
 * What a save must look like. Pure: a complaint or nothing.
 *
 * A caller that breaks these rules is about to break Raft's promises, and a storage that took it would make the damage permanent.
 */
import { RaftLogError } from "./errors.ts";
import type { Entry, HardState } from "./raft-types.ts";

/** The log as the saves that were accepted will leave it. */
export interface AcceptedState {
  readonly hardState: HardState;
  readonly lastIndex: number;
  /** Term of an entry; `undefined` where it is not known yet or not any more. */
  readonly termOf: (index: number) => number | undefined;
}

/**
 * @throws {RaftLogError} `RAFT_OUT_OF_ORDER`
 * @throws {RangeError | TypeError} for what is no hard state or no entry at all
 */
export function assertSave(
  groupId: number,
  hardState: HardState | undefined,
  entries: readonly Entry[],
  accepted: AcceptedState,
): void {
  if (hardState !== undefined) assertHardState(groupId, hardState, accepted.hardState);
  const [first] = entries;
  if (first === undefined) return;
  if (first.index > accepted.lastIndex + 1) {
    throw outOfOrder(
      groupId,
      `entry ${first.index} leaves a gap: the log ends with ${accepted.lastIndex}`,
      { index: first.index, lastIndex: accepted.lastIndex },
    );
  }
  let { index } = first;
  let term = accepted.termOf(index - 1) ?? 0;
  for (const entry of entries) {
    if (!isWhole(entry.index) || entry.index < 1 || !isWhole(entry.term)) {
      throw new RangeError(
        `entry ${entry.index} of term ${entry.term}: whole numbers, indexes from 1`,
      );
    }
    if (!(entry.data instanceof Uint8Array)) {
      throw new TypeError(`entry ${entry.index}: data must be a Uint8Array`);
    }
    if (entry.index !== index) {
      throw outOfOrder(groupId, `entry ${entry.index} comes where ${index} is expected`, {
        index: entry.index,
        expected: index,
      });
    }
    if (entry.term < term) {
      throw outOfOrder(
        groupId,
        `entry ${entry.index} has term ${entry.term}, and the one before it ${term}`,
        { index: entry.index, term: entry.term, before: term },
      );
    }
    ({ term } = entry);
    index++;
  }
}

function assertHardState(groupId: number, next: HardState, known: HardState): void {
  if (!isWhole(next.term) || !isWhole(next.commit)) {
    throw new RangeError(`hard state with term ${next.term}, commit ${next.commit}: whole numbers`);
  }
  if (typeof next.vote !== "bigint") {
    throw new TypeError(
      `hard state with vote ${String(next.vote)}: vote must be a bigint, 0n for none`,
    );
  }
  if (next.term < known.term) {
    throw outOfOrder(groupId, `term ${next.term} after term ${known.term}`, {
      term: next.term,
      known: known.term,
    });
  }
  if (next.term === known.term && known.vote !== 0n && next.vote !== known.vote) {
    throw outOfOrder(
      groupId,
      `a vote for ${next.vote} in term ${next.term}, in which ${known.vote} has it`,
      { term: next.term, vote: next.vote, known: known.vote },
    );
  }
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function outOfOrder(
  groupId: number,
  problem: string,
  details: Record<string, number | bigint>,
): RaftLogError {
  return new RaftLogError("RAFT_OUT_OF_ORDER", `group ${groupId}: ${problem}; nothing was saved`, {
    details: { groupId, ...details },
  });
}
