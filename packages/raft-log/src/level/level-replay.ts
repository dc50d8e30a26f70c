/**
 * The groups of a store, found again: states first, then every entry.
 *
 * Entries that compaction gave up, and groups that were removed, may have left keys behind when a crash came in between: these are
 * deleted here. An entry that is missing is damage, and said so.
 */
import { RaftLogError } from "../errors.ts";
import { GroupState } from "../group-state.ts";
import type { GroupStateRecord } from "../walnut/stream-record.ts";
import type { StreamGroup } from "../walnut/stream-replay.ts";
import { clearEntries, walk } from "./level-medium.ts";
import { allEntries, allStates, damaged, readValue, stateKey } from "./level-record.ts";
import { translated, type LevelStore } from "./level-store.ts";

interface FoundGroup {
  readonly state: GroupState;
  readonly record: GroupStateRecord;
  hasLeftovers: boolean;
}

/** @throws {RaftLogError} `RAFT_CORRUPT` */
export async function replayLevel(store: LevelStore): Promise<ReadonlyMap<number, StreamGroup>> {
  const { found, removed } = await readStates(store);
  for (const groupId of removed) await clearGroup(store, groupId);
  await walk(store, allEntries(), (key, value) => takeEntry(found, key, value));
  const groups = new Map<number, StreamGroup>();
  for (const [groupId, { state, record, hasLeftovers }] of found) {
    if (state.lastIndex !== record.lastIndex) throw entryMissing(state, record);
    if (hasLeftovers) await clearEntries(store, groupId, state.start.index);
    groups.set(groupId, { state, stateLsn: 1, statedStart: record.start });
  }
  return groups;
}

/** Deletes all keys of a group that is marked as removed; the mark goes last. */
export async function clearGroup(store: LevelStore, groupId: number): Promise<void> {
  await clearEntries(store, groupId, Number.MAX_SAFE_INTEGER - 1);
  await translated("the store of the log", () =>
    store.batch([{ type: "del", key: stateKey(groupId) }], {
      sync: true,
      keyEncoding: "view",
      valueEncoding: "view",
    }),
  );
}

async function readStates(store: LevelStore): Promise<{
  readonly found: ReadonlyMap<number, FoundGroup>;
  readonly removed: readonly number[];
}> {
  const found = new Map<number, FoundGroup>();
  const removed: number[] = [];
  await walk(store, allStates(), (key, value) => {
    const record = readValue(key, value);
    if (record.kind === "removed") {
      removed.push(record.groupId);
      return;
    }
    if (record.kind !== "group-state") throw damaged(key, undefined);
    const state = new GroupState(record.groupId);
    state.hardState = record.hardState;
    state.snapshot = record.snapshot;
    state.clear(record.start);
    found.set(record.groupId, { state, record, hasLeftovers: false });
  });
  return { found, removed };
}

function takeEntry(
  found: ReadonlyMap<number, FoundGroup>,
  key: Uint8Array,
  value: Uint8Array,
): void {
  const record = readValue(key, value);
  if (record.kind !== "entry") throw damaged(key, undefined);
  const { index, term, data } = record.entry;
  const group = found.get(record.groupId);
  if (group === undefined) throw damaged(key, undefined);
  const { state } = group;
  if (index < state.firstIndex) {
    group.hasLeftovers = true;
    return;
  }
  if (index !== state.lastIndex + 1) throw entryMissing(state, group.record);
  state.put(index, term, index, data.byteLength);
}

function entryMissing(state: GroupState, { lastIndex }: GroupStateRecord): RaftLogError {
  const { groupId, firstIndex } = state;
  return new RaftLogError(
    "RAFT_CORRUPT",
    `group ${groupId}: the store should hold entries ${firstIndex} to ${lastIndex}; after ${state.lastIndex} they differ`,
    { details: { groupId, firstIndex, lastIndex, index: state.lastIndex + 1 } },
  );
}
