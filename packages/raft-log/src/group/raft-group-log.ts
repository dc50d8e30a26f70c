/**
 * Raft storage of one group, whatever keeps its records: order, bounds, cache, snapshots.
 *
 * Every save is one atomic append. Saves may overlap; they are applied to the state in memory in the order of the calls, each after
 * its append has resolved, so that nobody reads what might still be lost. Group states are written while no save is under way:
 * they say which entries are before them.
 */
import type { EntryCache } from "../entry-cache.ts";
import { RaftLogError } from "../errors.ts";
import type { GroupState, LogStart } from "../group-state.ts";
import type { RaftLog, RaftLogStatus, SaveOptions } from "../raft-log.ts";
import type { ConfState, Entry, HardState, Snapshot, SnapshotMetadata } from "../raft-types.ts";
import { assertSave } from "../save-checks.ts";
import type { SnapshotStore } from "../snapshot/snapshot-store.ts";
import type { GroupStateRecord } from "../walnut/stream-record.ts";
import { applyGroupState, type StreamGroup } from "../walnut/stream-replay.ts";
import { AcceptedSaves } from "./accepted-saves.ts";
import { readCached } from "./cached-read.ts";
import type { GroupMedium, SavedAt, SavedRecords } from "./group-medium.ts";
import { LostSaves } from "./lost-saves.ts";
import { SaveOrder } from "./save-order.ts";

/** Entries carried forward are read into memory and appended as one. */
const MAX_CARRIED_BYTES = 1024 * 1024; // 1 MiB

/** What a group needs of its node. */
export interface RaftGroupLogParts {
  readonly medium: GroupMedium;
  readonly group: StreamGroup;
  readonly cache: EntryCache;
  readonly snapshots: SnapshotStore;
  readonly unsafeNoSync: boolean;
}

export class RaftGroupLog implements RaftLog {
  readonly #parts: RaftGroupLogParts;
  readonly #state: GroupState;
  readonly #order = new SaveOrder();
  readonly #accepted: AcceptedSaves;
  readonly #lost = new LostSaves();
  #closing: Promise<void> | undefined;

  constructor(parts: RaftGroupLogParts) {
    this.#parts = parts;
    this.#state = parts.group.state;
    this.#accepted = new AcceptedSaves(this.#state);
  }

  get firstIndex(): number {
    return this.#state.firstIndex;
  }

  get lastIndex(): number {
    return this.#state.lastIndex;
  }

  /** Whether the medium holds a group state of this group, without which its records would mean nothing. */
  get isBorn(): boolean {
    return this.#parts.group.stateLsn > 0;
  }

  initialState(): { readonly hardState: HardState; readonly confState: ConfState } {
    return this.#state.initialState();
  }

  save(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    options: SaveOptions = {},
  ): Promise<void> {
    const sent = this.#lost.send();
    const save = (): Promise<void> => this.#save(sent, hardState, entries, options);
    // The first save of all brings the group into being: what stands on it has to know that it has. And behind a save that replaces
    // entries, one that stands on it would follow the old ones without a gap, should that save fail.
    const isFree = (): boolean => this.isBorn && !this.#accepted.isReplacing;
    return this.#order.begin(() => (isFree() ? save() : this.#order.alone(save)));
  }

  async entries(
    lo: number,
    hi: number,
    maxBytes: number = Number.POSITIVE_INFINITY,
  ): Promise<readonly Entry[]> {
    this.#assertOpen();
    if (this.#parts.medium.replacesInPlace) await this.#replaced();
    return await this.#read(lo, hi, maxBytes);
  }

  term(index: number): number {
    this.#assertOpen();
    return this.#state.term(index);
  }

  async snapshot(): Promise<Snapshot | undefined> {
    this.#assertOpen();
    const { groupId, snapshot, start } = this.#state;
    if (snapshot === undefined) return undefined;
    return await this.#parts.snapshots.load(groupId, {
      newest: snapshot,
      oldestIndex: start.index,
    });
  }

  /**
   * Steps, and what a crash right after each leaves behind:
   * 1. snapshot file in place: a file that the log does not name; the next snapshot or purge removes it (CRASH: raft-snapshot-1)
   * 2. group state appended and synced: the new snapshot (CRASH: raft-snapshot-2)
   * 3. older files removed: the same
   */
  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    await this.#exclusively(async () => {
      const { metadata } = snapshot;
      const { groupId } = this.#state;
      this.#state.assertNewest(metadata);
      await this.#parts.snapshots.save(groupId, snapshot);
      const { index, term } = metadata;
      const isOfThisLog =
        index >= this.#state.start.index &&
        index <= this.#state.lastIndex &&
        this.#state.termOf(index) === term;
      const start = isOfThisLog ? this.#state.start : { index, term };
      await this.#writeGroupState(start, metadata, !isOfThisLog);
      await this.#parts.snapshots.purge(groupId, index);
    });
    await this.#parts.medium.release();
  }

  async compact(index: number): Promise<void> {
    await this.#exclusively(async () => {
      if (index <= this.#state.start.index) return;
      this.#state.assertKnown(index);
      const start = { index, term: this.#state.termOf(index) };
      await this.#writeGroupState(start, this.#state.snapshot, false);
    });
    await this.#parts.medium.release();
  }

  async purge(): Promise<void> {
    // Not beside a snapshot that is being saved: its file is one that the log does not name yet.
    await this.#exclusively(async () => {
      const { groupId, snapshot } = this.#state;
      if (snapshot !== undefined) await this.#parts.snapshots.purge(groupId, snapshot.index);
    });
    await this.#parts.medium.release();
  }

  /** The first LSN of the stream that this group still needs; `Infinity` for a group without history. */
  get neededLsn(): number {
    const { index } = this.#state;
    const { stateLsn } = this.#parts.group;
    if (stateLsn === 0) return Number.POSITIVE_INFINITY;
    if (index.lastIndex < index.firstIndex) return stateLsn;
    // LSNs ascend with the index: what overwrites an entry is appended behind all that stays.
    return Math.min(stateLsn, index.lsnOf(index.firstIndex));
  }

  /**
   * Writes what a quiet group still needs at the end of the stream again, so that it does not hold the files of busy ones. Does
   * nothing while saves are under way, or when it is too much.
   */
  async carryForward(): Promise<void> {
    if (!this.#accepted.isIdle) return;
    // No save may come between reading and writing: what replaced an entry would be replaced by it in turn.
    await this.#exclusively(async () => {
      const { index, start, snapshot } = this.#state;
      if (index.dataBytes > MAX_CARRIED_BYTES) return;
      const entries = await this.#read(this.firstIndex, this.lastIndex + 1);
      const state = this.#groupState(start, snapshot, true);
      const records = { groupState: state, hardState: undefined, entries };
      const { stateLsn, entriesLsn } = await this.#parts.medium.append(records, "synced");
      applyGroupState(this.#parts.group, stateLsn, state);
      this.#parts.cache.clear();
      this.#put(entries, entriesLsn);
      this.#accepted.takeUp();
    });
  }

  status(): RaftLogStatus {
    const { state } = this.#parts.group;
    const { cache, medium } = this.#parts;
    return {
      backend: medium.backend,
      groupId: state.groupId,
      firstIndex: state.firstIndex,
      lastIndex: state.lastIndex,
      hardState: state.hardState,
      snapshotIndex: state.snapshot?.index ?? 0,
      entryBytes: state.index.dataBytes,
      indexBytes: state.index.memoryBytes + state.terms.runCount * 16,
      cachedBytes: cache.bytes,
      cacheLimitBytes: cache.limitBytes,
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#order.settled();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #save(
    sent: number,
    hardState: HardState | undefined,
    entries: readonly Entry[],
    options: SaveOptions,
  ): Promise<void> {
    this.#assertOpen();
    this.#assertKept(sent, entries);
    assertSave(this.#state.groupId, hardState, entries, this.#accepted);
    const kept = entries.filter((entry) => entry.index >= this.#state.firstIndex);
    if (hardState === undefined && kept.length === 0) {
      await this.#order.lastSave;
      return;
    }
    const isSynced = !this.#parts.unsafeNoSync && this.#accepted.mustSync(hardState, kept, options);
    const previous = this.#order.lastSave;
    const groupState = this.isBorn
      ? undefined
      : this.#groupState(this.#state.start, undefined, true);
    const records = { groupState, hardState, entries: kept };
    const appended = this.#parts.medium.append(records, isSynced ? "synced" : "written");
    this.#accepted.begin(hardState, kept);
    const applied = this.#apply(sent, previous, appended, records);
    this.#order.follow(applied);
    await applied;
  }

  async #apply(
    sent: number,
    previous: Promise<boolean>,
    appended: Promise<SavedAt>,
    { groupState, hardState, entries }: SavedRecords,
  ): Promise<void> {
    const [first] = entries;
    try {
      const [isPreviousKept, outcome] = await Promise.all([previous, settle(appended)]);
      if ("error" in outcome) throw outcome.error;
      // What this save took for safe, a vote perhaps, was not kept; and a medium that is broken must not go on.
      if (!isPreviousKept) await this.#parts.medium.sync();
      const { stateLsn, entriesLsn } = outcome.value;
      if (groupState !== undefined) applyGroupState(this.#parts.group, stateLsn, groupState);
      this.#assertKept(sent, entries);
      if (hardState !== undefined) this.#state.hardState = hardState;
      this.#put(entries, entriesLsn);
      if (first !== undefined) this.#lost.kept(first.index);
    } catch (error) {
      if (first !== undefined) this.#lost.failed(sent, first.index);
      throw error;
    } finally {
      this.#accepted.end();
    }
  }

  #put(entries: readonly Entry[], firstLsn: number): void {
    const { cache } = this.#parts;
    const [first] = entries;
    if (first !== undefined && first.index <= this.#state.lastIndex) cache.truncate(first.index);
    for (const [position, entry] of entries.entries()) {
      this.#state.put(entry.index, entry.term, firstLsn + position, entry.data.byteLength);
      cache.add(entry);
    }
  }

  async #read(
    lo: number,
    hi: number,
    maxBytes: number = Number.POSITIVE_INFINITY,
  ): Promise<readonly Entry[]> {
    const { medium, cache } = this.#parts;
    const state = this.#state;
    return await readCached({ state, cache }, { lo, hi, maxBytes }, (from, to) =>
      medium.readEntries(state.index.runs(from, to)),
    );
  }

  /** Resolves when nothing is under way that takes the place of what is kept. */
  async #replaced(): Promise<void> {
    while (this.#order.hasTask || this.#accepted.isReplacing) {
      await this.#order.begin(() => this.#order.lastSave);
    }
  }

  async #exclusively(task: () => Promise<void>): Promise<void> {
    this.#assertOpen();
    await this.#order.exclusively(task);
  }

  async #writeGroupState(
    start: LogStart,
    snapshot: SnapshotMetadata | undefined,
    clearsEntries: boolean,
  ): Promise<void> {
    const record = this.#groupState(start, snapshot, clearsEntries);
    const { stateLsn } = await this.#parts.medium.append(
      { groupState: record, hardState: undefined, entries: [] },
      this.#parts.unsafeNoSync ? "written" : "synced",
    );
    applyGroupState(this.#parts.group, stateLsn, record);
    if (clearsEntries) this.#parts.cache.clear();
    else this.#parts.cache.compact(start.index + 1);
    this.#accepted.takeUp();
  }

  #groupState(
    start: LogStart,
    snapshot: SnapshotMetadata | undefined,
    clearsEntries: boolean,
  ): GroupStateRecord {
    const { groupId, hardState, lastIndex } = this.#state;
    return {
      kind: "group-state",
      groupId,
      hardState,
      start,
      lastIndex: clearsEntries ? start.index : lastIndex,
      snapshot,
      clearsEntries,
    };
  }

  /** @throws {RaftLogError} when a save that was sent before, and that this one stands on, has failed */
  #assertKept(sent: number, [first]: readonly Entry[]): void {
    if (first === undefined || !this.#lost.isLost(sent, first.index)) return;
    const { groupId, lastIndex } = this.#state;
    const { index } = first;
    throw new RaftLogError(
      "RAFT_OUT_OF_ORDER",
      `group ${groupId}: entry ${index} was not kept, because a save before it failed; the log ends with ${lastIndex}`,
      { details: { groupId, index, lastIndex } },
    );
  }

  #assertOpen(): void {
    if (this.#closing === undefined) return;
    const { groupId } = this.#state;
    throw new RaftLogError("RAFT_CLOSED", `the log of group ${groupId} is closed`, {
      details: { groupId },
    });
  }
}

type Outcome = { readonly value: SavedAt } | { readonly error: unknown };

async function settle(promise: Promise<SavedAt>): Promise<Outcome> {
  try {
    return { value: await promise };
  } catch (error) {
    return { error };
  }
}
