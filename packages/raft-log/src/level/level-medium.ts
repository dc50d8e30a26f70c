/**
 * The records of one group in a store of keys: a key for each entry, and one for everything else.
 *
 * One save is one batch: entries put, those that they replace deleted with them, and the state that says where the log begins and
 * ends. What compaction gives up is no longer the log's as soon as the state says so; its keys are deleted afterwards, and by the
 * next open if a crash comes in between.
 */
import { RaftLogError } from "../errors.ts";
import type { EntryRun } from "../entry-index.ts";
import type { GroupState } from "../group-state.ts";
import type { GroupMedium, SavedAt, SavedRecords, SaveSafety } from "../group/group-medium.ts";
import type { Entry } from "../raft-types.ts";
import type { GroupStateRecord } from "../walnut/stream-record.ts";
import {
  entryKey,
  entryRange,
  entryValue,
  readValue,
  stateKey,
  stateValue,
} from "./level-record.ts";
import { translated, type LevelOperation, type LevelStore } from "./level-store.ts";
import type { LevelWriter } from "./level-writer.ts";

/** Pairs that an iterator is asked for at a time. */
const PAIRS_AT_ONCE = 1000;

export class LevelMedium implements GroupMedium {
  readonly backend = "level";
  readonly replacesInPlace = true;
  readonly #store: LevelStore;
  readonly #writer: LevelWriter;
  /** The state as the batches that were handed to the writer leave it. */
  #written: GroupStateRecord;
  /** Keys up to this index have been deleted. */
  #clearedIndex: number;

  constructor(store: LevelStore, writer: LevelWriter, state: GroupState) {
    this.#store = store;
    this.#writer = writer;
    this.#clearedIndex = state.start.index;
    this.#written = {
      kind: "group-state",
      groupId: state.groupId,
      hardState: state.hardState,
      start: state.start,
      lastIndex: state.lastIndex,
      snapshot: state.snapshot,
      clearsEntries: false,
    };
  }

  /** An entry's place is its index. */
  async append(records: SavedRecords, safety: SaveSafety): Promise<SavedAt> {
    const { groupState, hardState, entries } = records;
    const operations: LevelOperation[] = [];
    const { groupId } = this.#written;
    const before = this.#written.lastIndex;
    let written = groupState ?? this.#written;
    if (hardState !== undefined) written = { ...written, hardState };
    for (const entry of entries) {
      const { index } = entry;
      operations.push({
        type: "put",
        key: entryKey(groupId, index),
        value: entryValue(groupId, entry),
      });
      written = { ...written, lastIndex: index };
    }
    // In the same batch: a tail of an older term that stays behind would be taken for the log at the next start.
    for (let stale = written.lastIndex + 1; stale <= before; stale++) {
      operations.push({ type: "del", key: entryKey(groupId, stale) });
    }
    this.#written = { ...written, clearsEntries: false };
    operations.push({ type: "put", key: stateKey(groupId), value: stateValue(this.#written) });
    await this.#writer.write(operations, safety);
    return { stateLsn: 1, entriesLsn: entries[0]?.index ?? 1 };
  }

  async sync(): Promise<void> {
    await this.#writer.write([], "synced");
  }

  async readEntries(runs: readonly EntryRun[]): Promise<Entry[]> {
    const { groupId } = this.#written;
    const entries: Entry[] = [];
    for (const { firstIndex, count } of runs) {
      const range = entryRange(groupId, firstIndex, firstIndex + count);
      await walk(this.#store, range, (key, value) => {
        const record = readValue(key, value);
        const index = firstIndex + entries.length;
        const isIt =
          record.kind === "entry" && record.groupId === groupId && record.entry.index === index;
        if (!isIt) throw notThere(groupId, index);
        entries.push(record.entry);
      });
      const expected = firstIndex + count;
      if (firstIndex + entries.length < expected)
        throw notThere(groupId, firstIndex + entries.length);
    }
    return entries;
  }

  async release(): Promise<void> {
    const { groupId, start } = this.#written;
    if (start.index <= this.#clearedIndex) return;
    this.#clearedIndex = start.index;
    await clearEntries(this.#store, groupId, start.index);
  }
}

/** Deletes the entries up to and including `index`. Not synced: what a crash brings back is deleted by the next open. */
export async function clearEntries(
  store: LevelStore,
  groupId: number,
  index: number,
): Promise<void> {
  const { gte, lt, keyEncoding } = entryRange(groupId, 0, index + 1);
  await translated("the store of the log", () => store.clear({ gte, lt, keyEncoding }));
}

/** Calls `visit` with every pair of a range. */
export async function walk(
  store: LevelStore,
  range: Parameters<LevelStore["iterator"]>[0],
  visit: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  const iterator = store.iterator(range);
  try {
    for (;;) {
      const pairs = await translated("the store of the log", () => iterator.nextv(PAIRS_AT_ONCE));
      if (pairs.length === 0) return;
      for (const [key, value] of pairs) visit(key, value);
    }
  } finally {
    await iterator.close();
  }
}

function notThere(groupId: number, index: number): RaftLogError {
  return new RaftLogError(
    "RAFT_CORRUPT",
    `entry ${index} of group ${groupId} is not in the store`,
    {
      details: { groupId, index },
    },
  );
}
