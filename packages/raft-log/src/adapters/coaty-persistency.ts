/**
 * The interface `RaftPersistency` of `@coaty/consensus.raft` 1.x (a port of etcd's library), kept in a {@link RaftLog}.
 *
 *     class Controller extends RaftController {
 *       getRaftPersistencyImplementation() { return coatyPersistency(log, { members }); }
 *     }
 *
 * That library hands over all entries each time, and reads them back before: here the entries it has already are recognised, and only
 * what is new is appended. Three keys are known: entries, hard state, snapshot; each call is durable when it resolves. A restart finds
 * what the last call left.
 */
import { RaftLogError } from "../errors.ts";
import type { RaftLog } from "../raft-log.ts";
import { NO_CONF_STATE, type Entry, type EntryType } from "../raft-types.ts";
import { VoteNames } from "./vote-names.ts";

/** `raftpb.Entry` of that library. */
export interface CoatyEntry {
  readonly term: number;
  readonly index: number;
  readonly type: number;
  /** Whatever goes through JSON. */
  readonly data: unknown;
}

export interface CoatyHardState {
  readonly term: number;
  /** Id of a peer; empty for none. */
  readonly vote: string;
  readonly commit: number;
}

export interface CoatySnapshot {
  readonly data: unknown;
  readonly metadata: { readonly index: number; readonly term: number; readonly confState: unknown };
}

export interface CoatyPersistencyOptions {
  /** Ids of peers that are known from the start. Those that the node votes for are learned. */
  readonly members?: readonly string[] | undefined;
  /** The keys of that library's configuration. Defaults are its own. */
  readonly keys?:
    | { readonly entries: string; readonly hardState: string; readonly snapshot: string }
    | undefined;
}

/** What `getRaftPersistencyImplementation` has to return. */
export interface CoatyPersistency {
  persistData(data: unknown, key: string, id: string, cluster: string): Promise<void>;
  getPersistedData(key: string, id: string, cluster: string): Promise<unknown>;
  /** @throws {RaftLogError} `RAFT_INVALID_OPTION` when everything is to be erased: remove the directory once the log is closed */
  close(eraseAllData: boolean, id: string, cluster: string): Promise<void>;
}

const KEYS = { entries: "entries", hardState: "hardstate", snapshot: "snapshot" } as const;

export function coatyPersistency(
  log: RaftLog,
  { members = [], keys = KEYS }: CoatyPersistencyOptions = {},
): CoatyPersistency {
  const names = new VoteNames(members);
  return {
    async persistData(data, key) {
      // The three shapes are that library's; what is in them is checked by the log.
      if (key === keys.entries) await saveEntries(log, data as readonly CoatyEntry[]);
      else if (key === keys.hardState) await saveHardState(log, names, data as CoatyHardState);
      else if (key === keys.snapshot) await saveSnapshot(log, data as CoatySnapshot);
      else throw unknownKey(key);
    },
    async getPersistedData(key) {
      if (key === keys.entries) return await readEntries(log);
      if (key === keys.hardState) return readHardState(log, names);
      if (key === keys.snapshot) return await readSnapshot(log);
      throw unknownKey(key);
    },
    async close(eraseAllData) {
      if (eraseAllData) {
        throw new RaftLogError(
          "RAFT_INVALID_OPTION",
          "a log does not erase itself: close it without, and remove its directory",
          { details: { option: "eraseAllData" } },
        );
      }
      await log.close();
    },
  };
}

/** All entries from the first on: those in front that a snapshot stands for are gone, the others are there already or are new. */
async function saveEntries(log: RaftLog, entries: readonly CoatyEntry[]): Promise<void> {
  const fresh = entries.findIndex(
    ({ index, term }) =>
      index > log.lastIndex || (index >= log.firstIndex && log.term(index) !== term),
  );
  if (fresh >= 0) await log.save(undefined, entries.slice(fresh).map(entryOf));
  const [first] = entries;
  const before = (first?.index ?? log.lastIndex + 1) - 1;
  if (before >= log.firstIndex) await log.compact(Math.min(before, log.lastIndex));
}

async function saveHardState(log: RaftLog, names: VoteNames, state: CoatyHardState): Promise<void> {
  const { term, vote, commit } = state;
  await log.save({ term, vote: names.idOf(vote), commit }, [], { mustSync: true });
}

async function saveSnapshot(log: RaftLog, { data, metadata }: CoatySnapshot): Promise<void> {
  const { index, term, confState } = metadata;
  // Members are names there: they travel with the data.
  const bytes = toBytes({ data, confState });
  await log.saveSnapshot({ metadata: { index, term, confState: NO_CONF_STATE }, data: bytes });
}

async function readEntries(log: RaftLog): Promise<readonly CoatyEntry[] | null> {
  const entries = await log.entries(log.firstIndex, log.lastIndex + 1);
  if (entries.length === 0) return null;
  return entries.map(({ term, index, type, data }) => ({
    term,
    index,
    type,
    data: fromBytes(data),
  }));
}

function readHardState(log: RaftLog, names: VoteNames): CoatyHardState | null {
  const { term, vote, commit } = log.initialState().hardState;
  if (term === 0 && commit === 0) return null;
  return { term, vote: names.nameOf(vote) ?? "", commit };
}

async function readSnapshot(log: RaftLog): Promise<CoatySnapshot | null> {
  const snapshot = await log.snapshot();
  if (snapshot === undefined) return null;
  const { index, term } = snapshot.metadata;
  const { data, confState } = fromBytes(snapshot.data) as { data: unknown; confState: unknown };
  return { data, metadata: { index, term, confState } };
}

function entryOf({ index, term, type, data }: CoatyEntry): Entry {
  return { index, term, type: type as EntryType, data: toBytes(data) };
}

function toBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value) ?? "null");
}

function fromBytes(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
}

function unknownKey(key: string): RaftLogError {
  return new RaftLogError(
    "RAFT_INVALID_OPTION",
    `key ${key} is not one of entries, hard state and snapshot`,
    {
      details: { option: "key", key },
    },
  );
}
