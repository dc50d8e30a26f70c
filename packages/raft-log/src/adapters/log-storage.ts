/**
 * Asynchronous `LogStorage` and `MetaStorage`, kept in a {@link RaftLog}: the shape of `@maboke123/raft-core`, and with other names
 * that of hashicorp's `LogStore` and `StableStore`.
 *
 *     const { log: logStorage, meta } = logStorageOf(await openRaftLog({ … }), { members });
 *
 * `append` adds, and replaces what is there from its first index on; `truncateFrom` is remembered and carried out with the next
 * `append`, which is when Raft needs it: a crash in between brings back entries that were never committed.
 */
import { RaftLogError } from "../errors.ts";
import type { RaftLog } from "../raft-log.ts";
import { NO_CONF_STATE, type Entry } from "../raft-types.ts";
import { VoteNames } from "./vote-names.ts";

/** An entry of these libraries. */
export interface StoredCommand {
  readonly index: number;
  readonly term: number;
  /** Whatever goes through JSON. */
  readonly command: unknown;
}

/** Bounds of a stored log: what a snapshot stands for, and the last entry. */
export interface LogMeta {
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
}

export interface LogStorage {
  open(): Promise<void>;
  close(): Promise<void>;
  isOpen(): boolean;
  readMeta(): Promise<LogMeta>;
  /** Durable when it resolves. @throws {RaftLogError} `RAFT_OUT_OF_ORDER` */
  append(entries: readonly StoredCommand[]): Promise<void>;
  /** `null` for an entry that is not there. */
  getEntry(index: number): Promise<StoredCommand | null>;
  /** Both ends included; what of the range is there. */
  getEntries(from: number, to: number): Promise<readonly StoredCommand[]>;
  truncateFrom(index: number): Promise<void>;
  /** Gives up entries up to and including `upTo`. @throws {RaftLogError} `RAFT_OUT_OF_ORDER` when `term` is not that entry's */
  compact(upTo: number, term: number): Promise<void>;
  /** Empties the log, as a snapshot from a leader does: the next entry is the one behind `index`. */
  reset(index: number, term: number): Promise<void>;
}

export interface MetaStorage {
  read(): Promise<{ readonly term: number; readonly votedFor: string | null } | null>;
  /** Durable when it resolves. @throws {RaftLogError} `RAFT_OUT_OF_ORDER`: a term that goes back, a second vote in one term */
  write(term: number, votedFor: string | null): Promise<void>;
}

/** Both halves of one log. `members`: ids of peers that may be voted for. */
export function logStorageOf(
  log: RaftLog,
  { members = [] }: { readonly members?: readonly string[] | undefined } = {},
): { readonly log: LogStorage; readonly meta: MetaStorage } {
  return { log: new RaftLogStorage(log), meta: new RaftMetaStorage(log, new VoteNames(members)) };
}

class RaftLogStorage implements LogStorage {
  readonly #log: RaftLog;
  #isOpen = true;
  /** Entries behind it are given up. */
  #end = Number.POSITIVE_INFINITY;

  constructor(log: RaftLog) {
    this.#log = log;
  }

  get #lastIndex(): number {
    return Math.min(this.#log.lastIndex, this.#end);
  }

  async open(): Promise<void> {}

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#log.close();
  }

  isOpen(): boolean {
    return this.#isOpen;
  }

  async readMeta(): Promise<LogMeta> {
    const snapshotIndex = this.#log.firstIndex - 1;
    const lastIndex = this.#lastIndex;
    return {
      snapshotIndex,
      snapshotTerm: this.#log.term(snapshotIndex),
      lastIndex,
      lastTerm: this.#log.term(lastIndex),
    };
  }

  async append(entries: readonly StoredCommand[]): Promise<void> {
    const [first] = entries;
    if (first !== undefined && first.index > this.#lastIndex + 1) {
      throw new RaftLogError(
        "RAFT_OUT_OF_ORDER",
        `entry ${first.index} leaves a gap: the log ends with ${this.#lastIndex}; nothing was saved`,
        { details: { index: first.index, lastIndex: this.#lastIndex } },
      );
    }
    const end = this.#end;
    this.#end = Number.POSITIVE_INFINITY;
    try {
      await this.#log.save(undefined, entries.map(entryOf));
    } catch (error) {
      this.#end = end;
      throw error;
    }
  }

  async getEntry(index: number): Promise<StoredCommand | null> {
    const [entry] = await this.getEntries(index, index);
    return entry ?? null;
  }

  async getEntries(from: number, to: number): Promise<readonly StoredCommand[]> {
    const lo = Math.max(from, this.#log.firstIndex);
    const hi = Math.min(to, this.#lastIndex) + 1;
    return lo < hi ? (await this.#log.entries(lo, hi)).map(commandOf) : [];
  }

  async truncateFrom(index: number): Promise<void> {
    this.#end = Math.min(this.#end, Math.max(index, this.#log.firstIndex) - 1);
  }

  async compact(upTo: number, term: number): Promise<void> {
    if (upTo >= this.#log.firstIndex && this.#log.term(upTo) !== term) {
      throw new RaftLogError(
        "RAFT_OUT_OF_ORDER",
        `entry ${upTo} has term ${this.#log.term(upTo)}, not ${term}: nothing was compacted`,
        { details: { index: upTo, term } },
      );
    }
    await this.#log.compact(upTo);
  }

  async reset(index: number, term: number): Promise<void> {
    this.#end = Number.POSITIVE_INFINITY;
    await this.#log.saveSnapshot({
      metadata: { index, term, confState: NO_CONF_STATE },
      data: new Uint8Array(0),
    });
    if (index >= this.#log.firstIndex) await this.#log.compact(index);
    this.#end = index;
  }
}

class RaftMetaStorage implements MetaStorage {
  readonly #log: RaftLog;
  readonly #names: VoteNames;

  constructor(log: RaftLog, names: VoteNames) {
    this.#log = log;
    this.#names = names;
  }

  async read(): Promise<{ readonly term: number; readonly votedFor: string | null } | null> {
    const { term, vote } = this.#log.initialState().hardState;
    return term === 0 ? null : { term, votedFor: this.#names.nameOf(vote) ?? null };
  }

  async write(term: number, votedFor: string | null): Promise<void> {
    const { commit } = this.#log.initialState().hardState;
    await this.#log.save({ term, vote: this.#names.idOf(votedFor), commit }, [], {
      mustSync: true,
    });
  }
}

function entryOf({ index, term, command }: StoredCommand): Entry {
  const data = new TextEncoder().encode(JSON.stringify(command) ?? "null");
  return { index, term, type: 0, data };
}

function commandOf({ index, term, data }: Entry): StoredCommand {
  return { index, term, command: JSON.parse(new TextDecoder().decode(data)) as unknown };
}
