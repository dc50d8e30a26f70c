/**
 * The log as files: applies the recovery plan, appends groups to the active segment, rotates, releases.
 *
 * Everything that writes runs inside the group commit's loop, one at a time; only the release of old segments and the
 * preparation of the next file run beside it, and neither touches the active segment. Readers see `state`.
 */
import type { CodecRegistry } from "../codec/codecs.ts";
import type { CommitBuffer, FrameSpan } from "../commit/commit-buffer.ts";
import { SALT_BYTES } from "../format/segment-header.ts";
import type { WalObserver } from "../observe/wal-observer.ts";
import type { RecoveryPlan } from "../recovery/recover.ts";
import { closedAt, type ClosedSegment } from "../segment/segment-info.ts";
import { SegmentWriter } from "../segment/segment-writer.ts";
import { ifThereIsSpace, NoSpaceError, orNoSpace } from "../storage/system-error.ts";
import { unshareFile } from "../storage/copy-file.ts";
import { removeIfThere } from "../storage/replace-file.ts";
import { carryDoubtful, carryHead, rewriteInPlace, type CarryFrames } from "./carry-frames.ts";
import { batchUnit, runThatFits } from "./frame-runs.ts";
import { LogFront, type StateCell } from "./log-front.ts";
import {
  backupSource,
  betweenGroups,
  nextLsnOf,
  withLastClosed,
  type BackupSource,
  type BetweenGroups,
  type LogState,
} from "./log-state.ts";
import { headerAfter, sealPredecessor, sealSegment } from "./next-segment.ts";
import type { SegmentedLogOptions } from "./segmented-log-options.ts";
import { markGroup, planRollBack, rollBack, type GroupMark } from "./roll-back.ts";
import { SegmentFactory } from "./segment-factory.ts";
import { findCut } from "./truncation.ts";

type Step = () => Promise<unknown>;

export class SegmentedLog {
  readonly #options: SegmentedLogOptions;
  readonly #observer: WalObserver;
  readonly #cell: StateCell;
  #lastSegmentId: number;
  #hasCheckpoint: boolean;
  /** Recovery is over: what comes now are appends. */
  #isOpen = false;
  /** Sum over one list of closed segments; lists are never changed. */
  #closedBytes: { readonly of: LogState["closed"]; readonly bytes: number } | undefined;
  readonly #factory: SegmentFactory;
  readonly #front: LogFront;
  readonly #listeners = new Set<() => void>();

  private constructor(options: SegmentedLogOptions, plan: RecoveryPlan) {
    this.#options = options;
    this.#observer = options.observer;
    this.#factory = new SegmentFactory(options);
    const state = { closed: plan.closed, active: undefined, firstLsn: plan.firstLsn };
    this.#cell = { state, group: undefined };
    this.#front = new LogFront({ ...options, factory: this.#factory, cell: this.#cell });
    this.#lastSegmentId = plan.lastSegmentId;
    this.#hasCheckpoint = plan.hasCheckpoint;
  }

  /**
   * Makes the disk what the plan says. Steps, and what a crash right after each leaves behind:
   * 1. directory synced: nothing new, but every name that was seen is durable (CRASH: recover-1)
   * 2. doubtful frames rewritten into a new segment (next-segment-1 to 4): the old tail or the new segment
   * 3. missing seals written, checkpoint of a newborn log written: the same log (CRASH: recover-2)
   * 4. leftovers removed: the same log; what is left is removed by the next open (CRASH: recover-3)
   */
  static async apply(options: SegmentedLogOptions, plan: RecoveryPlan): Promise<SegmentedLog> {
    const log = new SegmentedLog(options, plan);
    try {
      await log.#apply(plan);
    } catch (error) {
      await log.abandon();
      throw error;
    }
    return log;
  }

  async #apply(plan: RecoveryPlan): Promise<void> {
    const { storage, directory, nowMs } = this.#options;
    await storage.syncDirectory(directory);
    for (const segment of plan.unsealed) {
      await ifThereIsSpace(async () => {
        await unshareFile(storage, directory, segment.path, segment.endOffset);
        await sealSegment(storage, segment, nowMs());
      });
    }
    if (plan.doubtful !== undefined) await this.#rewriteDoubtful(plan.doubtful);
    if (!this.#hasCheckpoint && plan.closed.length > 0) {
      await ifThereIsSpace(() => this.#writeCheckpoint());
    }
    // Without room in the archive they stay for now: a log opens without free space.
    await ifThereIsSpace(() => this.#front.disposeOf(plan.releasedPaths));
    for (const path of [...plan.supersededPaths, ...plan.temporaryPaths]) {
      await removeIfThere(storage, path);
    }
    await this.#factory.removeLeftovers();
    this.#isOpen = true;
  }

  get state(): LogState {
    return this.#cell.state;
  }

  get nextLsn(): number {
    return nextLsnOf(this.#cell.state);
  }

  /** The log before the group that is being written, which may yet be taken back. */
  get beforeGroup(): BetweenGroups | undefined {
    return this.#cell.group;
  }

  /** Highest LSN that the operating system has and that will not be taken back. */
  get writtenLsn(): number {
    return (this.#cell.group?.nextLsn ?? this.nextLsn) - 1;
  }

  /** Highest LSN that is on the device and will not be taken back. */
  get durableLsn(): number {
    const { durable } = this.#cell.group ?? betweenGroups(this.#cell.state);
    return durable?.lastLsn ?? this.writtenLsn;
  }

  /** Bytes of headers and frames of all segments. */
  get sizeBytes(): number {
    const { closed, active } = this.#cell.state;
    if (this.#closedBytes?.of !== closed) {
      let bytes = 0;
      for (const segment of closed) bytes += segment.endOffset;
      this.#closedBytes = { of: closed, bytes };
    }
    return this.#closedBytes.bytes + (active?.written.offset ?? 0);
  }

  /** Bytes in {@link sizeBytes} of a group of which a part is still to be written. */
  get unfinishedGroupBytes(): number {
    return this.#cell.group?.writtenBytes ?? 0;
  }

  /** Calls back after each change of `writtenLsn`, `durableLsn` or segments, and on close, until unsubscribed. */
  onProgress(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  notify(): void {
    for (const listener of this.#listeners) listener();
  }

  /** The commit sink: appends buffers in order, rotating where a segment is full. */
  async write(buffers: readonly CommitBuffer[], durable: boolean): Promise<void> {
    const mark = markGroup(this.#cell.state);
    const startedMs = this.#observer.nowMs();
    const group = { ...betweenGroups(this.#cell.state), writtenBytes: 0 };
    this.#cell.group = group;
    try {
      await this.#writeGroup(buffers, durable, group);
    } catch (error) {
      if (error instanceof NoSpaceError) await this.#rollBack(mark);
      throw error;
    } finally {
      this.#cell.group = undefined;
    }
    // Not before: until then nobody sees anything of the group.
    this.notify();
    const { nextLsn: firstLsn, writtenBytes } = group;
    const frames = buffers.reduce((sum, buffer) => sum + buffer.frames.length, 0);
    const written = { firstLsn, lastLsn: this.writtenLsn, frames, writtenBytes, isSynced: durable };
    this.#observer.groupWritten(written, startedMs);
  }

  /** The group's appends are rejected as a whole: what was written of it goes, and nothing more into those files. */
  async #rollBack(mark: GroupMark): Promise<void> {
    const { storage, directory } = this.#options;
    await this.#front.serialize(async () => {
      const { state } = this.#cell;
      await state.active?.close();
      const plan = planRollBack(mark, state);
      // Before the files change: a reader must not look for what is about to go.
      this.#cell.state = plan.state;
      this.#factory.ranFull();
      await rollBack(storage, directory, plan);
    });
  }

  async #writeGroup(
    buffers: readonly CommitBuffer[],
    durable: boolean,
    group: { writtenBytes: number },
  ): Promise<void> {
    const sync = durable ? this.#options.syncKind : undefined;
    const timeMs = this.#options.nowMs();
    for (const [index, buffer] of buffers.entries()) {
      const isLastBuffer = index === buffers.length - 1;
      let rest: readonly FrameSpan[] = buffer.frames;
      while (rest.length > 0) {
        const writer = await this.#writerFor(rest);
        const roomBytes = this.#options.segmentSizeBytes - writer.written.offset;
        const run = runThatFits(rest, roomBytes, this.#options.encryptor?.overheadBytes);
        rest = rest.slice(run.length);
        // One sync for the whole group: the last run's covers all runs before it in the same segment, and
        // a rotation in between syncs what it closes.
        const isLastRun = isLastBuffer && rest.length === 0;
        const runSync = isLastRun ? sync : undefined;
        group.writtenBytes += await writer.append(buffer, run, timeMs, runSync);
        this.#factory.prepareIfDue(writer.written.offset, buffer.lengthBytes);
      }
    }
  }

  /** Makes everything written durable. */
  async sync(): Promise<void> {
    const active = this.#cell.state.active;
    if (active === undefined || active.isFullyDurable) return;
    await active.sync(this.#options.syncKind);
    this.#observer.logSynced();
    this.notify();
  }

  /** Writes a frame that vouches for the last group, unless one is there or something is not durable yet. */
  async attest(): Promise<void> {
    const active = this.#cell.state.active;
    if (active === undefined || active.recordCount === 0) return;
    if (active.isAttested || !active.isFullyDurable) return;
    // Without room for the mark the log is as complete; nothing more goes into a file that ran out of space.
    const isDone = await ifThereIsSpace(() => active.attest(this.#options.nowMs()));
    if (!isDone) await this.#closeActive();
  }

  /** Closes the active segment and starts the next one, if the active one holds records. */
  async rotate(): Promise<void> {
    if ((this.#cell.state.active?.recordCount ?? 0) > 0) await this.#startSegment(undefined);
  }

  /**
   * Drops all records behind `lastLsn`. Steps, and what a crash right after each leaves behind:
   * 1. the new segment, whose header says where the log was cut, is durable (next-segment-1 to 3): the log as it was, or
   *    cut. Nothing of what was dropped can come back: the chain of headers passes by it.
   * 2. files of dropped segments removed: the same; what is left is removed by the next open (CRASH: truncate-back-1)
   *
   * @param beforeCut - called when the cut is known to be possible and nothing has changed yet
   * @throws {CutRefusedError} when it is not
   */
  async truncateBack(lastLsn: number, codecs: CodecRegistry, beforeCut: Step): Promise<void> {
    if (lastLsn >= this.nextLsn - 1) await beforeCut();
    else await this.#front.serialize(() => this.#cutBehind(lastLsn, codecs, beforeCut));
    this.notify();
  }

  async #cutBehind(lastLsn: number, codecs: CodecRegistry, beforeCut: Step): Promise<void> {
    await this.#closeActive();
    const before = this.#cell.state;
    const { storage, directory, keyring, encryptor } = this.#options;
    const cut = await findCut({ storage, codecs, keyring }, before, lastLsn);
    await beforeCut();
    const last = closedAt(cut.segment, cut.position);
    this.#cell.state = withLastClosed(before, cut.index, last);
    try {
      await unshareFile(storage, directory, last.path, last.endOffset);
      await this.#startSegment(cut.head === undefined ? undefined : carryHead(cut.head, encryptor));
    } catch (error) {
      this.#cell.state = before;
      throw error;
    }
    for (const { path } of before.closed.slice(cut.index + 1)) await removeIfThere(storage, path);
  }

  /** Drops all records before `firstLsn`; see `LogFront.dropBefore`. */
  async truncateFront(firstLsn: number): Promise<void> {
    if (firstLsn <= this.#cell.state.firstLsn) return;
    await this.sync();
    await orNoSpace(() => this.#front.dropBefore(firstLsn)).finally(() => this.notify());
  }

  /** Age of the active segment's first record in milliseconds; `undefined` when it has none. */
  activeAgeMs(): number | undefined {
    const active = this.#cell.state.active;
    if (active === undefined || active.recordCount === 0) return undefined;
    return this.#options.nowMs() - active.info.createdAtMs;
  }

  /** Runs `use` on the durable state of the log while no segment can leave it; appends go on meanwhile. */
  withSnapshot<T>(use: (source: BackupSource) => Promise<T>): Promise<T> {
    return this.#front.serialize(() => use(backupSource(this.#cell.state, this.#cell.group)));
  }

  /** Removes (or archives) closed segments whose records are all at or below `lsn`; see `LogFront.release`. */
  release(lsn: number): Promise<void> {
    return this.#front.release(lsn).finally(() => this.notify());
  }

  /**
   * Ends the log cleanly: everything durable, vouched for, file cut to its length.
   * A crash after any step leaves a log that recovery reads in full (CRASH: close-1, close-2).
   */
  async close(): Promise<void> {
    await this.#front.settled();
    const active = this.#cell.state.active;
    if (active !== undefined) {
      await active.sync(this.#options.syncKind);
      if (!active.isAttested && active.recordCount > 0) {
        // Without room for the mark the log is as complete; recovery then rewrites its last group.
        await ifThereIsSpace(() => active.attest(this.#options.nowMs()));
      }
      await active.trim();
    }
    await this.abandon();
    await this.#factory.removePrepared();
  }

  /** Waits for what is under way and closes handles, without writing any more. Idempotent. Never throws. */
  async abandon(): Promise<void> {
    await this.#front.settled();
    await this.#factory.settled();
    try {
      await this.#cell.state.active?.close();
    } catch {
      // The log is poisoned or fully synced: a failing close changes nothing about what is durable.
    }
  }

  /** Makes what nothing vouches for durable: in a new segment, or where it is when the disk is full. */
  async #rewriteDoubtful(doubtful: NonNullable<RecoveryPlan["doubtful"]>): Promise<void> {
    const { from, end } = doubtful;
    const last = this.#cell.state.closed.at(-1);
    if (last === undefined) return;
    try {
      const doubtfulFrames = { segment: last, from, endOffset: end.offset };
      await this.#startSegment(carryDoubtful(this.#options.storage, doubtfulFrames));
    } catch (error) {
      if (!(error instanceof NoSpaceError)) throw error;
      await rewriteInPlace(this.#options.storage, last.path, from.offset, end.offset);
      const kept = closedAt(last, end);
      this.#cell.state = withLastClosed(this.#cell.state, this.#cell.state.closed.length - 1, kept);
    }
  }

  async #writerFor(frames: readonly FrameSpan[]): Promise<SegmentWriter> {
    const { active } = this.#cell.state;
    if (active === undefined) return await this.#startSegment(undefined);
    const { bytes } = batchUnit(frames, 0, this.#options.encryptor?.overheadBytes);
    const isFull = active.written.offset + bytes > this.#options.segmentSizeBytes;
    if (isFull && active.recordCount > 0) return await this.#startSegment(undefined);
    return active;
  }

  async #startSegment(carry: CarryFrames | undefined): Promise<SegmentWriter> {
    const { storage, nowMs } = this.#options;
    const startedMs = this.#observer.nowMs();
    const previous = await this.#closeActive();
    // Not for frames that recovery carries over: they have their LSNs already.
    if (this.#isOpen) await this.#options.beforeFirstSegment();
    const header = headerAfter(previous, {
      segmentId: this.#lastSegmentId + 1,
      firstLsn: nextLsnOf(this.#cell.state),
      salt: this.#options.randomBytes(SALT_BYTES),
      createdAtMs: nowMs(),
    });
    const created = await this.#factory.create(header, carry);
    this.#lastSegmentId = header.segmentId;
    const active = new SegmentWriter({
      ...created,
      segmentSizeBytes: this.#options.segmentSizeBytes,
      codec: this.#options.codec,
      encryptor: this.#options.encryptor,
      observer: this.#observer,
    });
    // The log continues in the new segment whether or not there is room for its predecessor's seal and for the checkpoint: the next
    // open makes up for them. Until the seal is there nothing is active, so that the predecessor is not released under our hands.
    if (previous !== undefined) await sealPredecessor(storage, previous, created, nowMs());
    this.#cell.state = { ...this.#cell.state, active };
    if (!this.#hasCheckpoint) await ifThereIsSpace(() => this.#writeCheckpoint());
    this.#observer.segmentStarted(header, startedMs);
    return active;
  }

  /** Makes the active segment durable as a whole and turns it into a closed one. Returns the last closed segment. */
  async #closeActive(): Promise<ClosedSegment | undefined> {
    const { active } = this.#cell.state;
    if (active !== undefined) {
      // No byte of a segment is written before its predecessor is wholly on the device: a torn tail can
      // therefore only be at the end of the last segment, whatever the durability level.
      await active.trim();
      await active.close();
      const closed = [...this.#cell.state.closed, active.closedSegment()];
      this.#cell.state = { ...this.#cell.state, closed, active: undefined };
      this.#observer.segmentClosed();
    }
    return this.#cell.state.closed.at(-1);
  }

  async #writeCheckpoint(): Promise<void> {
    await this.#front.writeCheckpoint();
    this.#hasCheckpoint = true;
  }
}
