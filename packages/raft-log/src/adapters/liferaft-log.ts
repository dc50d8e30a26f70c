/**
 * The option `Log` of liferaft (`liferaft` 1.x, `@markwylde/liferaft` 1.4), kept in a {@link RaftLog}.
 *
 *     const log = await openRaftLog({ … });
 *     const raft = new LifeRaft(address, { Log: liferaftLog(log, { members }), … });
 *
 * What liferaft leaves open is closed here. It keeps neither term nor vote: they are taken from the node and made durable whenever
 * liferaft asks for its last entry, and by {@link LiferaftLog.ready}, to be awaited before a packet goes out. It rewrites an entry for
 * each acknowledgement: those stay in memory. It counts acknowledgements of entries of older terms as a commitment, which Raft does
 * not: they are committed with the first entry of the leader's own term. It gives up what a stale packet does not mention: that stays.
 * It never compares terms of the entry before: await {@link LiferaftLog.admit} with every packet before liferaft gets it.
 */
import { RaftLogError } from "../errors.ts";
import type { RaftLog } from "../raft-log.ts";
import { changesVote, type Entry, type HardState } from "../raft-types.ts";
import { VoteNames } from "./vote-names.ts";

/** What is used of a liferaft node. */
export interface LiferaftNode {
  readonly address: string;
  term: number;
  readonly votes: { for: string | null };
}

/** An entry as liferaft knows it. */
export interface LiferaftEntry {
  readonly index: number;
  readonly term: number;
  readonly committed: boolean;
  readonly responses: readonly { readonly address: string; readonly ack: boolean }[];
  /** Whatever the node was given; it went through JSON. */
  readonly command: unknown;
}

/** Last entry of a log in short. */
export interface LiferaftLogInfo {
  readonly index: number;
  readonly term: number;
  readonly committedIndex: number;
}

export interface LiferaftLogOptions {
  /** Addresses of all nodes, this one included. */
  readonly members: readonly string[];
  /** Told of each entry as it is committed, in order; once in the life of a process. */
  readonly onCommit?: ((entry: LiferaftEntry) => void) | undefined;
}

/** A class for the option `Log` of liferaft. The log stays yours to close, or liferaft's `end` closes it. */
export function liferaftLog(
  log: RaftLog,
  options: LiferaftLogOptions,
): new (node: LiferaftNode) => LiferaftLog {
  return class extends LiferaftLog {
    constructor(node: LiferaftNode) {
      super(node, log, options);
    }
  };
}

export class LiferaftLog {
  readonly #node: LiferaftNode;
  readonly #log: RaftLog;
  readonly #names: VoteNames;
  readonly #onCommit: (entry: LiferaftEntry) => void;
  /** Who has acknowledged which entry. Lost with the process: then it is asked anew. */
  readonly #acks = new Map<number, Set<string>>();
  #committedIndex: number;
  /** Entries behind it were given up by a new leader; the log forgets them with the next save. */
  #lastIndex: number;
  #turn: Promise<unknown> = Promise.resolve();

  /** Gives the node the term and the vote that it had. */
  constructor(node: LiferaftNode, log: RaftLog, { members, onCommit }: LiferaftLogOptions) {
    this.#node = node;
    this.#log = log;
    this.#names = new VoteNames(members);
    this.#onCommit = onCommit ?? (() => undefined);
    const { hardState } = log.initialState();
    node.term = hardState.term;
    node.votes.for = this.#names.nameOf(hardState.vote) ?? null;
    this.#lastIndex = log.lastIndex;
    this.#committedIndex = Math.min(hardState.commit, log.lastIndex);
  }

  get committedIndex(): number {
    return this.#committedIndex;
  }

  /**
   * Raft's log matching, which liferaft leaves out: an entry before the packet's that is of another term is given up, and so is what
   * follows it. Of a packet that is ahead of the log nothing is left but a question for the first entry that is missing: liferaft would
   * go back to it from the leader's last one, an entry and an answer at a time, and does not arrive while new ones come. Await this
   * before `node.emit("data", packet)`, and before a reply is handed to liferaft.
   */
  admit(packet: unknown): Promise<void> {
    return this.#next(async () => {
      if (!isAppend(packet) || packet.last.index < this.#log.firstIndex) return;
      const { last } = packet;
      if (last.index > this.#lastIndex) {
        // Without data and commit: should the entry come meanwhile, the question has nothing to say about it.
        packet.last = { index: this.#lastIndex + 1, term: last.term, committedIndex: 0 };
        delete packet.data;
      } else if (last.index > this.#committedIndex && this.#log.term(last.index) !== last.term) {
        this.#lastIndex = last.index - 1;
      }
    });
  }

  /**
   * Term and vote of this moment are durable when it resolves. Await this before a packet or a reply goes out: liferaft puts the term
   * into some of them after it has asked the log.
   */
  ready(): Promise<void> {
    return this.#next(() => this.#keepPromises());
  }

  /** Keeps a command as the next entry, or at `index` as a follower does. Durable when it resolves. */
  saveCommand(command: unknown, term: number, index?: number): Promise<LiferaftEntry> {
    return this.#next(async () => {
      const at = index ?? this.#lastIndex + 1;
      const data = new TextEncoder().encode(JSON.stringify(command) ?? "null");
      const entry: Entry = { index: at, term, type: 0, data };
      // The same entry again: what follows it stays.
      const isThere = at <= this.#lastIndex && this.#log.term(at) === term;
      if (!isThere) {
        await this.#log.save(this.#hardState(), [entry]);
        this.#lastIndex = at;
      }
      this.#acks.set(at, new Set([this.#node.address]));
      return this.#entryOf(entry);
    });
  }

  put({ command, term, index }: LiferaftEntry): Promise<LiferaftEntry> {
    return this.saveCommand(command, term, index);
  }

  /** @throws {RaftLogError} `RAFT_UNAVAILABLE`, `RAFT_COMPACTED` */
  get(index: number): Promise<LiferaftEntry> {
    return this.#next(async () => {
      const [entry] = await this.#read(index, index);
      if (entry === undefined) {
        throw new RaftLogError("RAFT_UNAVAILABLE", `entry ${index} is not there`, {
          details: { index },
        });
      }
      return entry;
    });
  }

  has(index: number): Promise<boolean> {
    return this.#next(async () => index >= this.#log.firstIndex && index <= this.#lastIndex);
  }

  getEntriesAfter(index: number): Promise<readonly LiferaftEntry[]> {
    return this.#next(() => this.#read(index + 1, this.#lastIndex));
  }

  getUncommittedEntriesUpToIndex(index: number): Promise<readonly LiferaftEntry[]> {
    return this.#next(() => this.#read(this.#committedIndex + 1, Math.min(index, this.#lastIndex)));
  }

  /**
   * Nothing. liferaft asks for this with every packet that is behind the log, stale ones among them, and entries that were
   * acknowledged would go. Raft gives up an entry when one of another term takes its place: see {@link admit} and {@link saveCommand}.
   */
  async removeEntriesAfter(_index: number): Promise<void> {}

  /** Last entry. What the node promised is durable when it resolves: liferaft sends nothing before. */
  getLastInfo(): Promise<LiferaftLogInfo> {
    return this.#next(async () => {
      await this.#keepPromises();
      return this.#infoOf(this.#lastIndex);
    });
  }

  /** The entry before another; as {@link getLastInfo}, durable. */
  getEntryInfoBefore({ index }: { readonly index: number }): Promise<LiferaftLogInfo> {
    return this.#next(async () => {
      await this.#keepPromises();
      return this.#infoOf(index - 1);
    });
  }

  commandAck(index: number, address: string): Promise<Partial<LiferaftEntry>> {
    return this.#next(async () => {
      const [entry] = await this.#read(index, index);
      if (entry === undefined || entry.term !== this.#node.term) return { responses: [] };
      const acks = this.#acks.get(index) ?? new Set([this.#node.address]);
      this.#acks.set(index, acks.add(address));
      return { ...entry, responses: responsesOf(acks) };
    });
  }

  /** Notes that entries up to `index` are committed. Not synced: a node learns it again. */
  commit(index: number): Promise<void> {
    return this.#next(async () => {
      const newly = await this.#read(this.#committedIndex + 1, Math.min(index, this.#lastIndex));
      for (const entry of newly) {
        this.#committedIndex = entry.index;
        this.#acks.delete(entry.index);
        this.#onCommit({ ...entry, committed: true });
      }
      if (newly.length > 0) await this.#log.save(this.#hardState(), [], { mustSync: false });
    });
  }

  async end(): Promise<void> {
    await this.#next(() => this.#log.close());
  }

  /** One call after the other: liferaft makes them as they come. */
  #next<T>(task: () => Promise<T>): Promise<T> {
    const run = this.#turn.then(task);
    this.#turn = run.catch(() => undefined); // Its caller is told.
    return run;
  }

  async #keepPromises(): Promise<void> {
    const next = this.#hardState();
    if (changesVote(this.#log.initialState().hardState, next)) await this.#log.save(next, []);
  }

  #hardState(): HardState {
    const { hardState } = this.#log.initialState();
    const vote = this.#names.idOf(this.#node.votes.for);
    return {
      term: this.#node.term,
      vote: vote === 0n && this.#node.term === hardState.term ? hardState.vote : vote,
      commit: Math.max(this.#committedIndex, hardState.commit),
    };
  }

  /** Before the first entry the term is 0. With the node's own, as liferaft says it, an empty log wins votes against committed entries. */
  #infoOf(index: number): LiferaftLogInfo {
    const term = index === 0 ? 0 : this.#log.term(index);
    return { index, term, committedIndex: this.#committedIndex };
  }

  async #read(first: number, last: number): Promise<readonly LiferaftEntry[]> {
    if (first > Math.min(last, this.#lastIndex)) return [];
    const entries = await this.#log.entries(first, Math.min(last, this.#lastIndex) + 1);
    return entries.map((entry) => this.#entryOf(entry));
  }

  #entryOf({ index, term, data }: Entry): LiferaftEntry {
    return {
      index,
      term,
      committed: index <= this.#committedIndex,
      responses: responsesOf(this.#acks.get(index) ?? []),
      command: JSON.parse(new TextDecoder().decode(data)) as unknown,
    };
  }
}

function responsesOf(addresses: Iterable<string>): LiferaftEntry["responses"] {
  return Array.from(addresses, (address) => ({ address, ack: true }));
}

/** A packet that appends, or is a heartbeat, with the entry before. */
interface AppendPacket {
  last: LiferaftLogInfo;
  data?: unknown;
}

function isAppend(packet: unknown): packet is AppendPacket {
  if (typeof packet !== "object" || packet === null) return false;
  const { type, last } = packet as { type?: unknown; last?: { index?: unknown; term?: unknown } };
  return type === "append" && typeof last?.index === "number" && typeof last.term === "number";
}
