/**
 * Raft storage in memory: for tests of what uses Raft storage. Nothing survives the process; that is what it is for.
 */
import { RaftLogError } from "../errors.ts";
import { GroupState } from "../group-state.ts";
import { groupsStatus, type RaftGroups, type RaftGroupsStatus } from "../raft-groups.ts";
import { assertGroupId, type ResolvedRaftLogOptions } from "../raft-log-options.ts";
import type { RaftLog, RaftLogStatus } from "../raft-log.ts";
import type { ConfState, Entry, HardState, Snapshot } from "../raft-types.ts";
import { assertSave } from "../save-checks.ts";

/** @returns storage of many groups, in memory */
export function openMemoryGroups(_options: ResolvedRaftLogOptions): RaftGroups {
  return new MemoryRaftGroups();
}

class MemoryRaftGroups implements RaftGroups {
  readonly #groups = new Map<number, MemoryRaftLog>();

  get groupIds(): readonly number[] {
    return [...this.#groups.keys()].toSorted((a, b) => a - b);
  }

  group(groupId: number): RaftLog {
    assertGroupId(groupId);
    let log = this.#groups.get(groupId);
    if (log === undefined) {
      log = new MemoryRaftLog(groupId);
      this.#groups.set(groupId, log);
    }
    return log;
  }

  async removeGroup(groupId: number): Promise<void> {
    await this.#groups.get(groupId)?.close();
    this.#groups.delete(groupId);
  }

  async purge(): Promise<void> {}

  status(): RaftGroupsStatus {
    const logs = [...this.#groups.values()].map((log) => log.status());
    return groupsStatus("memory", logs, undefined);
  }

  async close(): Promise<void> {
    for (const log of this.#groups.values()) await log.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class MemoryRaftLog implements RaftLog {
  readonly #state: GroupState;
  /** Entries from `firstIndex` on. */
  #entries: Entry[] = [];
  #snapshot: Snapshot | undefined;
  #isClosed = false;

  constructor(groupId: number) {
    this.#state = new GroupState(groupId);
  }

  get firstIndex(): number {
    return this.#state.firstIndex;
  }

  get lastIndex(): number {
    return this.#state.lastIndex;
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return this.#state.initialState();
  }

  async save(hardState: HardState | undefined, entries: readonly Entry[]): Promise<void> {
    this.#assertOpen();
    const state = this.#state;
    const { start, lastIndex } = state;
    assertSave(state.groupId, hardState, entries, {
      hardState: state.hardState,
      lastIndex,
      termOf: (index) =>
        index >= start.index && index <= lastIndex ? state.termOf(index) : undefined,
    });
    if (hardState !== undefined) state.hardState = hardState;
    for (const entry of entries) {
      if (entry.index < state.firstIndex) continue;
      this.#entries.length = entry.index - state.firstIndex;
      this.#entries.push(entry);
      state.put(entry.index, entry.term, entry.index, entry.data.byteLength);
    }
  }

  async entries(
    lo: number,
    hi: number,
    maxBytes: number = Number.POSITIVE_INFINITY,
  ): Promise<readonly Entry[]> {
    this.#assertOpen();
    this.#state.assertRange(lo, hi);
    const end = this.#state.index.fit(lo, hi, maxBytes);
    return this.#entries.slice(lo - this.firstIndex, end - this.firstIndex);
  }

  term(index: number): number {
    this.#assertOpen();
    return this.#state.term(index);
  }

  async snapshot(): Promise<Snapshot | undefined> {
    this.#assertOpen();
    return this.#snapshot;
  }

  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    this.#assertOpen();
    const state = this.#state;
    const { index, term } = snapshot.metadata;
    state.assertNewest(snapshot.metadata);
    this.#snapshot = snapshot;
    state.snapshot = snapshot.metadata;
    if (index <= state.lastIndex && state.termOf(index) === term) return;
    state.clear({ index, term });
    this.#entries = [];
  }

  async compact(index: number): Promise<void> {
    this.#assertOpen();
    const state = this.#state;
    if (index <= state.start.index) return;
    state.assertKnown(index);
    this.#entries.splice(0, index - state.start.index);
    state.startAfter({ index, term: state.termOf(index) });
  }

  async purge(): Promise<void> {
    this.#assertOpen();
  }

  status(): RaftLogStatus {
    const { groupId, firstIndex, lastIndex, hardState, snapshot, index } = this.#state;
    return {
      backend: "memory",
      groupId,
      firstIndex,
      lastIndex,
      hardState,
      snapshotIndex: snapshot?.index ?? 0,
      entryBytes: index.dataBytes,
      indexBytes: index.memoryBytes,
      cachedBytes: index.dataBytes,
      cacheLimitBytes: Number.POSITIVE_INFINITY,
    };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #assertOpen(): void {
    if (!this.#isClosed) return;
    const { groupId } = this.#state;
    throw new RaftLogError("RAFT_CLOSED", `the log of group ${groupId} is closed`, {
      details: { groupId },
    });
  }
}
