/**
 * What a Raft log should be after some operations: pure values, to compare a real one with.
 */
import type { RaftLog } from "@walnut/raft-log";
import type { Entry, HardState, Snapshot } from "@walnut/raft-log";
import type { SeededRandom } from "@walnut/testkit";

/** One call on a log. */
export type RaftOperation =
  | {
      readonly kind: "save";
      readonly hardState: HardState | undefined;
      readonly entries: readonly Entry[];
    }
  | { readonly kind: "compact"; readonly index: number }
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot };

/** A log in short, comparable as text. */
export interface RaftModel {
  readonly hardState: HardState;
  readonly start: { readonly index: number; readonly term: number };
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | undefined;
}

export const EMPTY_MODEL: RaftModel = {
  hardState: { term: 0, vote: 0n, commit: 0 },
  start: { index: 0, term: 0 },
  entries: [],
  snapshot: undefined,
};

export function lastIndexOf(model: RaftModel): number {
  return model.start.index + model.entries.length;
}

/** The model after one more operation. */
export function applied(model: RaftModel, operation: RaftOperation): RaftModel {
  const { start, entries } = model;
  const termOf = (index: number): number =>
    index === start.index ? start.term : (entries[index - start.index - 1]?.term ?? -1);
  switch (operation.kind) {
    case "save": {
      const added = operation.entries.filter(({ index }) => index > start.index);
      const [first] = added;
      const kept =
        first === undefined ? entries : entries.filter(({ index }) => index < first.index);
      const hardState = operation.hardState ?? model.hardState;
      return { ...model, hardState, entries: [...kept, ...added] };
    }
    case "compact": {
      const { index } = operation;
      if (index <= start.index) return model;
      return {
        ...model,
        start: { index, term: termOf(index) },
        entries: entries.filter((entry) => entry.index > index),
      };
    }
    case "snapshot": {
      const { index, term } = operation.snapshot.metadata;
      const { snapshot } = operation;
      if (termOf(index) === term) return { ...model, snapshot };
      return { ...model, snapshot, start: { index, term }, entries: [] };
    }
  }
}

/** What a crash may leave of a save that is written entry by entry, the hard state last. */
export function partlyApplied(model: RaftModel, operation: RaftOperation): readonly RaftModel[] {
  if (operation.kind !== "save") return [];
  const { entries } = operation;
  return entries.map((_, last) =>
    applied(model, { kind: "save", hardState: undefined, entries: entries.slice(0, last + 1) }),
  );
}

/** Carries an operation out. */
export async function perform(log: RaftLog, operation: RaftOperation): Promise<void> {
  switch (operation.kind) {
    case "save":
      await log.save(operation.hardState, operation.entries);
      return;
    case "compact":
      await log.compact(operation.index);
      return;
    case "snapshot":
      await log.saveSnapshot(operation.snapshot);
      return;
  }
}

/** A model as text. */
export function modelText(model: RaftModel): string {
  const { hardState, start, entries, snapshot } = model;
  return [
    `term ${hardState.term} vote ${hardState.vote} commit ${hardState.commit}`,
    `after ${start.index}/${start.term}`,
    entries.map(({ index, term, data }) => `${index}/${term}:${dataText(data)}`).join(" "),
    snapshot === undefined ? "-" : snapshotText(snapshot),
  ].join(" | ");
}

/** A real log as text, all of it read. */
export async function logText(log: RaftLog): Promise<string> {
  const index = log.firstIndex - 1;
  return modelText({
    hardState: log.initialState().hardState,
    start: { index, term: log.term(index) },
    entries: await log.entries(log.firstIndex, log.lastIndex + 1),
    snapshot: await log.snapshot(),
  });
}

function snapshotText({ metadata, data }: Snapshot): string {
  const { index, term, confState } = metadata;
  return `${index}/${term} ${confState.voters.join(",")}:${dataText(data)}`;
}

function dataText(data: Uint8Array): string {
  return `${data.byteLength}${Buffer.from(data.subarray(0, 6)).toString("hex")}`;
}

/** Sizes of data, unless a test wants others. */
const DATA_BYTES: readonly number[] = [0, 10, 100, 3000];

/** An operation that a node could carry out next. */
export function nextOperation(
  model: RaftModel,
  random: SeededRandom,
  dataBytes: readonly number[] = DATA_BYTES,
): RaftOperation {
  const { start, hardState, entries } = model;
  const last = lastIndexOf(model);
  const lastTerm = entries.at(-1)?.term ?? start.term;
  const choice = random.below(12);
  if (choice === 0 && entries.length > 0) {
    return { kind: "compact", index: random.between(start.index + 1, last) };
  }
  const newest = model.snapshot?.metadata.index ?? 0;
  if (choice === 1 && last > Math.max(newest, start.index)) {
    const index = random.between(Math.max(newest, start.index + 1), last);
    const term = entries[index - start.index - 1]?.term ?? 0;
    return { kind: "snapshot", snapshot: snapshotOf(index, term, random) };
  }
  if (choice === 2) {
    const index = last + random.between(1, 5);
    return { kind: "snapshot", snapshot: snapshotOf(index, Math.max(1, lastTerm), random) };
  }
  if (choice === 3) {
    const term = hardState.term + 1;
    return {
      kind: "save",
      hardState: { term, vote: BigInt(random.between(0, 3)), commit: hardState.commit },
      entries: [],
    };
  }
  // What a snapshot stands for was committed: nobody replaces it.
  const replaceable = Math.max(start.index, newest) + 1;
  const overlaps = choice === 4 && replaceable <= last;
  const first = overlaps ? random.between(replaceable, last) : last + 1;
  const before = first - 1 === start.index ? start.term : entries[first - start.index - 2]?.term;
  const term = Math.max(hardState.term, before ?? 0, 1) + (overlaps ? 1 : 0);
  const count = random.between(1, 4);
  return {
    kind: "save",
    hardState: random.chance(0.5)
      ? {
          term: Math.max(term, hardState.term),
          vote: term > hardState.term ? 0n : hardState.vote,
          commit: first - 1,
        }
      : undefined,
    entries: Array.from({ length: count }, (_, position) => ({
      index: first + position,
      term,
      type: 0,
      data: random.bytes(random.pick(dataBytes)),
    })),
  };
}

function snapshotOf(index: number, term: number, random: SeededRandom): Snapshot {
  const voters = [1n, 2n, BigInt(random.between(3, 9))];
  const confState = {
    voters,
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  return {
    metadata: { index, term, confState },
    data: random.bytes(random.pick([0, 50, 6000])),
  };
}
