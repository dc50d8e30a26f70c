/** What the cases of the contract share: a storage to try, entries made in one step, answers in short. */
import assert from "node:assert/strict";
import { isRaftLogError, type RaftLogErrorCode } from "../errors.ts";
import type { RaftLog } from "../raft-log.ts";
import type { Entry, HardState, Snapshot } from "../raft-types.ts";

/** One thing that every Raft storage does. Runs under any test runner; rejects when the storage does not do it. */
export interface RaftLogContractCase {
  readonly title: string;
  readonly run: () => Promise<void>;
}

/** A storage that can be opened, closed, and opened again. */
export interface RaftLogPlace {
  open(): Promise<RaftLog>;
  /** Removes what `open` made. */
  remove(): Promise<void>;
}

/** Declares a case: `run` gets a new, open log, and a function that closes it and opens it again. */
export type Declare = (
  title: string,
  run: (log: RaftLog, reopen: () => Promise<RaftLog>) => Promise<void>,
) => void;

/** An entry whose data tells what it is. */
export function entry(index: number, term: number, text = `${term}.${index}`): Entry {
  return { index, term, type: 0, data: new TextEncoder().encode(text) };
}

/** Entries of one term, both ends included. */
export function entriesOf(first: number, last: number, term: number): readonly Entry[] {
  return Array.from({ length: last - first + 1 }, (_, count) => entry(first + count, term));
}

export function hardState(term: number, vote: number | bigint = 0, commit = 0): HardState {
  return { term, vote: BigInt(vote), commit };
}

export function snapshotAt(index: number, term: number, text = `state ${index}`): Snapshot {
  return {
    metadata: {
      index,
      term,
      confState: {
        voters: [1n, 2n, 2n ** 64n - 1n],
        learners: [4n],
        votersOutgoing: [],
        learnersNext: [],
        autoLeave: false,
      },
    },
    data: new TextEncoder().encode(text),
  };
}

/** All entries of a log in short: `index:term=data`. */
export async function textOf(log: RaftLog): Promise<readonly string[]> {
  return shortOf(await log.entries(log.firstIndex, log.lastIndex + 1));
}

export function shortOf(entries: readonly Entry[]): readonly string[] {
  const decoder = new TextDecoder();
  return entries.map(({ index, term, data }) => `${index}:${term}=${decoder.decode(data)}`);
}

/** The log holds exactly these entries, by reads and by terms. */
export async function assertEntries(log: RaftLog, entries: readonly Entry[]): Promise<void> {
  assert.deepEqual(await textOf(log), shortOf(entries));
  for (const { index, term } of entries) assert.equal(log.term(index), term);
}

/** The call fails with this code, and says so by throwing or by rejecting. */
export async function assertRefused(code: RaftLogErrorCode, call: () => unknown): Promise<void> {
  await assert.rejects(
    async () => await call(),
    (error) => isRaftLogError(error, code),
    `must be refused with ${code}`,
  );
}
