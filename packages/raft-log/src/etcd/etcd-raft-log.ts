/**
 * Raft storage in the files of etcd.
 *
 * A save is written as etcd does it: entries, then the hard state, each a record of its own. The format has no mark for records that
 * belong together, so a crash may leave the first entries of a save that was not answered; the hard state is there only when all of
 * its entries are. Compactions are noted beside the WAL (`start-file.ts`).
 */
import { ByteWriter } from "../byte-writer.ts";
import type { EntryCache } from "../entry-cache.ts";
import { RaftLogError } from "../errors.ts";
import type { GroupState } from "../group-state.ts";
import type { RaftLog, RaftLogStatus, SaveOptions } from "../raft-log.ts";
import type { ConfState, Entry, HardState, Snapshot } from "../raft-types.ts";
import { assertSave } from "../save-checks.ts";
import { AcceptedSaves } from "../group/accepted-saves.ts";
import { readCached } from "../group/cached-read.ts";
import { SaveOrder } from "../group/save-order.ts";
import { readEntries } from "./entry-reader.ts";
import type { EtcdReplay } from "./etcd-replay.ts";
import { encodeHardState, encodeWalSnapshot, writeEntryHead } from "./raft-messages.ts";
import type { SegmentFiles } from "./segment-files.ts";
import type { SnapDirectory } from "./snap-directory.ts";
import { RECORD_TYPE } from "./wal-record.ts";
import type { NewRecord, WalWriter } from "./wal-writer.ts";

export interface EtcdRaftLogParts {
  readonly replay: EtcdReplay;
  readonly writer: WalWriter;
  readonly files: SegmentFiles;
  readonly cache: EntryCache;
  readonly snaps: SnapDirectory;
  readonly keepSnapshots: number;
  /** Notes where the log begins; durable when it resolves. */
  readonly noteStart: (start: { readonly index: number; readonly term: number }) => Promise<void>;
  /** Removes a file of the WAL; durable when it resolves. */
  readonly removeSegment: (path: string) => Promise<void>;
}

export class EtcdRaftLog implements RaftLog {
  readonly #parts: EtcdRaftLogParts;
  readonly #state: GroupState;
  readonly #order = new SaveOrder();
  readonly #accepted: AcceptedSaves;
  #isClosed = false;

  constructor(parts: EtcdRaftLogParts) {
    this.#parts = parts;
    this.#state = parts.replay.state;
    this.#accepted = new AcceptedSaves(this.#state);
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

  /** True when something was saved. */
  get holdsSomething(): boolean {
    const { hardState, lastIndex, snapshot } = this.#state;
    return lastIndex > 0 || snapshot !== undefined || hardState.term > 0 || hardState.vote > 0n;
  }

  save(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    options: SaveOptions = {},
  ): Promise<void> {
    return this.#order.begin(() => this.#save(hardState, entries, options));
  }

  async entries(
    lo: number,
    hi: number,
    maxBytes: number = Number.POSITIVE_INFINITY,
  ): Promise<readonly Entry[]> {
    this.#assertOpen();
    const { cache, files, replay } = this.#parts;
    const state = this.#state;
    const source = { state, positions: replay.positions, files };
    return await readCached({ state, cache }, { lo, hi, maxBytes }, (from, to) =>
      readEntries(source, { lo: from, hi: to }),
    );
  }

  term(index: number): number {
    this.#assertOpen();
    return this.#state.term(index);
  }

  async snapshot(): Promise<Snapshot | undefined> {
    this.#assertOpen();
    const { replay, snaps } = this.#parts;
    if (this.#state.snapshot === undefined) return undefined;
    return await snaps.load(replay.loadableSnapshots());
  }

  /**
   * Steps, and what a crash right after each leaves behind:
   * 1. snapshot file in place: a file that the WAL does not name; the next snapshot or purge removes it (CRASH: raft-etcd-snapshot-1)
   * 2. snapshot record appended and synced: the new snapshot (CRASH: raft-etcd-snapshot-2)
   * 3. older files removed: the same
   */
  async saveSnapshot(snapshot: Snapshot): Promise<void> {
    await this.#exclusively(async () => {
      const { metadata } = snapshot;
      this.#state.assertNewest(metadata);
      const { snaps, writer, keepSnapshots } = this.#parts;
      await snaps.save(snapshot);
      await writer.append({
        records: [{ type: RECORD_TYPE.snapshot, data: [encodeWalSnapshot(metadata)] }],
        isSynced: true,
        lastIndex: Math.max(this.#state.lastIndex, metadata.index),
        apply: () => {
          this.#applySnapshot(metadata);
        },
        abandon: () => undefined,
      });
      await snaps.purge(metadata, keepSnapshots);
      await this.#releaseSegments();
    });
  }

  async compact(index: number): Promise<void> {
    await this.#exclusively(async () => {
      if (index <= this.#state.start.index) return;
      this.#state.assertKnown(index);
      const start = { index, term: this.#state.termOf(index) };
      // The note must not know of entries that a power loss takes back.
      await this.#parts.writer.sync();
      await this.#parts.noteStart(start);
      this.#parts.replay.startAfter(start);
      this.#parts.cache.compact(index + 1);
      this.#forgetPositions();
      this.#accepted.takeUp();
      await this.#releaseSegments();
    });
  }

  async purge(): Promise<void> {
    await this.#exclusively(async () => {
      const { snapshot } = this.#state;
      const { snaps, keepSnapshots } = this.#parts;
      if (snapshot !== undefined) await snaps.purge(snapshot, keepSnapshots);
      await this.#releaseSegments();
    });
  }

  status(): RaftLogStatus {
    const { cache, replay } = this.#parts;
    const { groupId, firstIndex, lastIndex, hardState, snapshot, index, terms } = this.#state;
    return {
      backend: "etcd",
      groupId,
      firstIndex,
      lastIndex,
      hardState,
      snapshotIndex: snapshot?.index ?? 0,
      entryBytes: index.dataBytes,
      indexBytes: index.memoryBytes + terms.runCount * 16 + replay.positions.memoryBytes,
      cachedBytes: cache.bytes,
      cacheLimitBytes: cache.limitBytes,
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#order.settled();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #save(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    options: SaveOptions,
  ): Promise<void> {
    this.#assertOpen();
    assertSave(this.#state.groupId, hardState, entries, this.#accepted);
    const kept = entries.filter((entry) => entry.index >= this.#state.firstIndex);
    if (hardState === undefined && kept.length === 0) {
      await this.#order.lastSave;
      return;
    }
    const isSynced = this.#accepted.mustSync(hardState, kept, options);
    this.#accepted.begin(hardState, kept);
    const saved = this.#append(hardState, kept, isSynced);
    this.#order.follow(saved);
    await saved;
  }

  async #append(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    isSynced: boolean,
  ): Promise<void> {
    const records: NewRecord[] = entries.map((entry) => ({
      type: RECORD_TYPE.entry,
      data: entryPieces(entry),
    }));
    if (hardState !== undefined) {
      records.push({ type: RECORD_TYPE.state, data: [encodeHardState(hardState)] });
    }
    await this.#parts.writer.append({
      records,
      isSynced,
      lastIndex: entries.at(-1)?.index,
      apply: (sequence, offsets) => {
        if (hardState !== undefined) this.#state.hardState = hardState;
        this.#put(entries, sequence, offsets);
        this.#accepted.end();
      },
      abandon: () => {
        this.#accepted.end();
      },
    });
  }

  #put(entries: readonly Entry[], sequence: number, offsets: readonly number[]): void {
    const { cache, replay } = this.#parts;
    const [first] = entries;
    if (first !== undefined && first.index <= this.#state.lastIndex) cache.truncate(first.index);
    for (const [position, entry] of entries.entries()) {
      const offsetBytes = offsets[position] ?? 0;
      const number = replay.positions.add({ sequence, offsetBytes });
      this.#state.put(entry.index, entry.term, number, entry.data.byteLength);
      cache.add(entry);
    }
  }

  #applySnapshot(metadata: Snapshot["metadata"]): void {
    const { replay, cache } = this.#parts;
    const { start } = this.#state;
    replay.takeSnapshot(metadata);
    this.#state.snapshot = metadata;
    if (this.#state.start !== start) cache.clear();
    this.#accepted.takeUp();
  }

  #forgetPositions(): void {
    const { index } = this.#state;
    const { positions } = this.#parts.replay;
    const needed =
      index.lastIndex < index.firstIndex ? positions.next : index.lsnOf(index.firstIndex);
    // The record before the first is where a read of the first begins.
    positions.forget(Math.max(0, needed - 1));
  }

  /**
   * Removes the files that neither the log nor its newest snapshot needs, oldest first: etcd wants what is left without gaps, and
   * the file in which the snapshot's index lies.
   */
  async #releaseSegments(): Promise<void> {
    const { files, removeSegment } = this.#parts;
    const { start, snapshot } = this.#state;
    const neededIndex = Math.min(start.index, snapshot?.index ?? start.index);
    const { segments } = files;
    const first = segments.findLastIndex(({ firstIndex }) => firstIndex <= neededIndex);
    for (const { sequence, path } of segments.slice(0, Math.max(0, first))) {
      await removeSegment(path);
      await files.release(sequence);
    }
  }

  async #exclusively(task: () => Promise<void>): Promise<void> {
    this.#assertOpen();
    await this.#order.exclusively(task);
  }

  #assertOpen(): void {
    if (!this.#isClosed) return;
    const { groupId } = this.#state;
    throw new RaftLogError("RAFT_CLOSED", "the log is closed", { details: { groupId } });
  }
}

function entryPieces(entry: Entry): readonly Uint8Array[] {
  const head = new ByteWriter();
  writeEntryHead(head, entry);
  const bytes = head.view(0, head.length);
  return entry.data.byteLength === 0 ? [bytes] : [bytes, entry.data];
}
