/**
 * A write-ahead log: append, read, tail, cursors, positions, close.
 *
 * Delegates: grouping to `commit/`, files to `log/`, positions of readers to `log/cursors.ts`. Holds the lifecycle and the
 * timers. Made by `openWal`.
 */
import {
  ACK_POINTS,
  ackPointOf,
  type AppendOptions,
  type ReadOptions,
  type TailOptions,
} from "./call-options.ts";
import type { FrameEncryptor } from "./encryption/frame-cipher.ts";
import type { Keyring } from "./encryption/keyring.ts";
import type { AckPoint, GroupCommit } from "./commit/group-commit.ts";
import type { Cursor } from "./cursor.ts";
import { Maintenance } from "./commit/maintenance.ts";
import { writeBackup, type BackupProgress, type BackupReport } from "./backup/backup.ts";
import type { CommitTarget, GuardedCommit } from "./capacity/guarded-commit.ts";
import type { CodecRegistry } from "./codec/codecs.ts";
import type { WalEnvironment } from "./environment.ts";
import { isCursorName } from "./format/cursor-file.ts";
import { encodeRecordHead } from "./format/record.ts";
import type { CursorSet } from "./log/cursors.ts";
import type { Retention } from "./log/retention.ts";
import type { RecordIterator, WalRecord } from "./log/record-iterator.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import type { WalObserver } from "./observe/wal-observer.ts";
import type { RecoverUntil, ResolvedWalOptions } from "./options.ts";
import { Reading } from "./reading.ts";
import { assertLsn, closedError, tooLarge } from "./refusals.ts";
import type { DirectoryLock } from "./storage/storage.ts";
import { asWalError, orNoSpace } from "./storage/system-error.ts";
import type { VolumeStatus } from "./survival.ts";
import { wholeMs } from "./wall-clock.ts";
import { describeMetrics, type WalMetrics } from "./wal-metrics.ts";
import {
  describeWal,
  type RecoveryReport,
  type WalPositions,
  type WalStatus,
} from "./wal-status.ts";

/** What the composition root hands over. */
export interface WalParts {
  readonly options: ResolvedWalOptions;
  readonly environment: WalEnvironment;
  readonly lock: DirectoryLock;
  readonly log: SegmentedLog;
  readonly commit: GroupCommit;
  /** In front of `commit` when the log has limits. */
  readonly guard: GuardedCommit | undefined;
  readonly retention: Retention;
  readonly cursors: CursorSet;
  readonly codecs: CodecRegistry;
  readonly keyring: Keyring;
  readonly encryptor: FrameEncryptor | undefined;
  readonly observer: WalObserver;
  readonly volume: VolumeStatus;
  readonly recovery: RecoveryReport;
}

type Lifecycle = "open" | "closing" | "closed";

/** A log that is open for writing and reading. See docs/durability.md for what each level promises. */
export class Wal {
  readonly #parts: WalParts;
  readonly #defaultAck: AckPoint;
  #lifecycle: Lifecycle = "open";
  #closing: Promise<void> | undefined;
  /** Level "off": what was appended, and kept nowhere. */
  readonly #off = { records: 0, bytes: 0 };
  readonly #isOff: boolean;
  readonly #retention: Retention;
  readonly #target: CommitTarget;
  readonly #reading: Reading;
  readonly #maintenance: Maintenance;
  /** What recovery found and did when the log was opened. */
  readonly recovery: RecoveryReport;

  /** @internal Use `openWal`. */
  constructor(parts: WalParts) {
    this.#parts = parts;
    this.recovery = parts.recovery;
    this.#defaultAck = ACK_POINTS[parts.options.durability];
    this.#isOff = parts.options.durability === "off";
    const { options, environment, log, commit } = parts;
    this.#retention = parts.retention;
    this.#target = parts.guard ?? commit;
    this.#reading = new Reading({
      storage: environment.storage,
      log,
      codecs: parts.codecs,
      keyring: parts.keyring,
      ended: () => commit.failure ?? (this.#lifecycle === "closed" ? "closed" : undefined),
    });
    this.#maintenance = new Maintenance({
      ...options,
      tasks: log,
      idle: () => commit.trim(),
      setTimer: (delayMs, callback) => environment.setTimer(delayMs, callback),
      exclusive: (task) => commit.exclusive(task),
    });
  }

  /**
   * Appends one record and resolves with its LSN when it is as safe as its durability level says.
   *
   * Records become durable in call order. `payload` is copied before this method returns. If the process dies before the
   * promise resolves, the record is there or not after recovery; never a part of it.
   *
   * @param payload - 0 to `maxRecordBytes` bytes
   * @throws {WalError} `WAL_CLOSED`, `WAL_POISONED`, `WAL_IO`, `WAL_NO_SPACE`, `WAL_OVERLOADED`, `WAL_RECORD_TOO_LARGE`
   */
  append(payload: Uint8Array, options?: AppendOptions): Promise<number> {
    const refusal = this.#refuse(payload);
    if (refusal !== undefined) return Promise.reject(refusal);
    const bytes = payload.byteLength;
    if (this.#isOff) return Promise.resolve(this.#keepNothing(1, bytes));
    let ack = this.#defaultAck;
    if (options !== undefined) {
      const chosen = ackPointOf(options, ack);
      if (chosen instanceof Error) return Promise.reject(chosen);
      ack = chosen;
    }
    const head = encodeRecordHead(bytes, options?.kind ?? 0);
    return this.#noted(this.#target.append(head, payload, ack), bytes, options);
  }

  /**
   * Appends records as one batch: after a crash all of them are there or none.
   *
   * @param payloads - one or more payloads, each at most `maxRecordBytes` bytes; copied before this method returns
   * @returns the LSNs of the first and the last record; those between follow densely
   * @throws {WalError} as {@link append}
   */
  appendBatch(
    payloads: readonly Uint8Array[],
    options?: AppendOptions,
  ): Promise<{ readonly firstLsn: number; readonly lastLsn: number }> {
    if (payloads.length === 0) return Promise.reject(new RangeError("a batch has records"));
    let bytes = 0;
    const heads: number[] = [];
    for (const payload of payloads) {
      const refusal = this.#refuse(payload);
      if (refusal !== undefined) return Promise.reject(refusal);
      bytes += payload.byteLength;
      heads.push(encodeRecordHead(payload.byteLength, options?.kind ?? 0));
    }
    const { maxPendingBytes } = this.#parts.options;
    if (bytes > maxPendingBytes)
      return Promise.reject(tooLarge("batch", bytes, { maxPendingBytes }));
    if (this.#isOff) {
      const lastLsn = this.#keepNothing(payloads.length, bytes);
      return Promise.resolve({ firstLsn: lastLsn - payloads.length + 1, lastLsn });
    }
    const ack = ackPointOf(options ?? {}, this.#defaultAck);
    if (ack instanceof Error) return Promise.reject(ack);
    return this.#noted(this.#target.appendBatch(heads, payloads, ack), bytes, options);
  }

  /**
   * Reads records in LSN order, up to what is visible when the reader gets there, then ends.
   *
   * Memory is bounded by one chunk (1 MiB, or one frame where that is larger). Every frame's checksum is verified.
   *
   * @throws {WalError} while iterating: `WAL_LSN_TRUNCATED`, `WAL_CORRUPT`, `WAL_IO`, `WAL_CODEC_MISSING`
   */
  read(options: ReadOptions = {}): RecordIterator {
    return this.#reading.read(options);
  }

  /**
   * Reads as {@link read} does, in arrays of the records that were committed together: several times faster for many small
   * records.
   */
  readBatches(options: ReadOptions = {}): AsyncGenerator<readonly WalRecord[], undefined> {
    return this.#reading.readBatches(options);
  }

  /**
   * Reads records as {@link read} does, and at the end waits for more. Ends when the log is closed.
   *
   * @throws {WalError} while iterating: as {@link read}, `WAL_ABORTED`, and `WAL_POISONED` once all that will ever be
   * visible has been delivered
   */
  tail(options: TailOptions = {}): RecordIterator {
    return this.#reading.tail(options);
  }

  /**
   * The cursor of this name, made if it is new; a new one stands before the first record and holds everything.
   *
   * As long as a log has no cursor, nothing is ever released.
   *
   * @param name - 1 to 64 characters of `a-z A-Z 0-9 . _ -`, not beginning with a dot
   */
  cursor(name: string): Cursor {
    if (!isCursorName(name)) {
      throw new RangeError(`"${name}" is no cursor name: use 1 to 64 of a-z A-Z 0-9 . _ -`);
    }
    const { cursors } = this.#parts;
    cursors.create(name, this.positions.firstLsn - 1);
    return {
      name,
      get lsn(): number {
        return cursors.durableLsn(name) ?? 0;
      },
      ack: (lsn) => this.#ack(name, lsn),
      remove: () => this.#removeCursor(name),
    };
  }

  /** Where the log stands. */
  get positions(): WalPositions {
    const { log, commit } = this.#parts;
    return {
      firstLsn: log.state.firstLsn,
      appendedLsn: commit.nextLsn - 1 + this.#off.records,
      writtenLsn: log.writtenLsn,
      durableLsn: log.durableLsn,
    };
  }

  /** Closes the active segment, if it holds records, and starts the next one. Durable when it resolves. */
  async rotate(): Promise<void> {
    this.#assertOpen();
    await this.#parts.commit.exclusive(() => this.#parts.log.rotate());
  }

  /** Resolves when everything appended before the call is on the device, whatever the level. */
  async sync(): Promise<void> {
    this.#assertOpen();
    const { commit, log } = this.#parts;
    await commit.exclusive(() => log.sync());
    this.#maintenance.onSynced();
  }

  /**
   * Drops all records behind `lastLsn`: the next append gets `lastLsn + 1`. Durable when it resolves; what was dropped can
   * never come back. Appends made after this call are not affected by it. Cursors behind `lastLsn` move back to it.
   *
   * @param lastLsn - from `firstLsn - 1` (drops everything) to the last LSN that was appended
   * @throws {WalError} `WAL_KEY_MISSING`, `WAL_KEY_WRONG`, `WAL_CODEC_MISSING`, `WAL_CORRUPT` when it is inside a frame that cannot be
   * read, `WAL_LSN_TRUNCATED` when the records before it are released meanwhile, `WAL_NO_SPACE`: then nothing is dropped, appends that
   * wait behind the call reject as it does, and the log goes on
   */
  async truncateBack(lastLsn: number): Promise<void> {
    this.#assertOpen();
    const { firstLsn, appendedLsn } = this.positions;
    assertLsn("truncateBack", lastLsn, firstLsn - 1, appendedLsn);
    const { commit, log, cursors, codecs } = this.#parts;
    // Cursors before the log: a crash in between only delivers records again that are about to be dropped.
    const clamp = (): Promise<unknown> => orNoSpace(() => cursors.clampTo(lastLsn));
    await commit.rewind(lastLsn + 1, () => log.truncateBack(lastLsn, codecs, clamp));
  }

  /** @internal Drops what came after an LSN or a time; see `WalOptions.recoverUntil`. */
  async recoverUntil(until: RecoverUntil): Promise<void> {
    const { firstLsn, appendedLsn } = this.positions;
    const lastLsn = "lsn" in until ? until.lsn : await this.#reading.lastLsnAt(until.timeMs);
    await this.truncateBack(Math.min(appendedLsn, Math.max(firstLsn - 1, lastLsn)));
  }

  /**
   * Drops all records before `firstLsn`, whether or not a cursor still holds them; such cursors move up. Durable when it
   * resolves. Files go as far as whole segments are concerned.
   *
   * @param firstLsn - from the present first LSN to one behind the last that was appended
   */
  async truncateFront(firstLsn: number): Promise<void> {
    this.#assertOpen();
    const { appendedLsn } = this.positions;
    assertLsn("truncateFront", firstLsn, 1, appendedLsn + 1);
    const { commit, log, cursors } = this.#parts;
    await commit.exclusive(async () => {
      await orNoSpace(() => cursors.raiseTo(firstLsn - 1));
      await log.truncateFront(firstLsn);
    });
  }

  /**
   * Writes a backup of everything that is durable now into `directory`, which must be empty or missing, while appends go on. Closed segments
   * are hard links where the file system knows them. `restoreWal` turns it into a log again.
   *
   * @throws {WalError} `WAL_INVALID_OPTION`, `WAL_NO_SPACE`, `WAL_IO`
   */
  async backup(directory: string, onProgress?: BackupProgress): Promise<BackupReport> {
    this.#assertOpen();
    const { log, cursors, environment } = this.#parts;
    try {
      return await log.withSnapshot((source) =>
        writeBackup(
          environment.storage,
          { ...source, cursors: cursors.positions() },
          { target: directory, nowMs: wholeMs(environment), onProgress },
        ),
      );
    } catch (error) {
      throw asWalError(error, `the backup into ${directory} failed`);
    }
  }

  /** Everything the log can say about itself, as plain data. */
  status(): WalStatus {
    const { positions } = this;
    return describeWal(this.#parts, { lifecycle: this.#lifecycle, positions, ...this.#accepted });
  }

  /** Numbers for whoever collects them; see docs/metrics.md, "Engine". Cheap enough to be asked for every second. */
  metrics(): WalMetrics {
    return describeMetrics(this.#parts, { ...this.positions, ...this.#accepted });
  }

  /**
   * Ends the log: no further appends; what was appended is written, synced and vouched for; the lock is released.
   * Idempotent. After a failure nothing is written any more, handles and lock are released all the same.
   *
   * @throws {WalError} `WAL_IO` or `WAL_NO_SPACE` when the last writes fail; the next open decides what is there
   */
  close(): Promise<void> {
    this.#closing ??= this.#closeOnce();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #closeOnce(): Promise<void> {
    const { commit, log, lock } = this.#parts;
    this.#lifecycle = "closing";
    this.#maintenance.stop();
    try {
      this.#parts.guard?.close(closedError(this.#parts.options.directory));
      await this.#retention.stop();
      if (commit.failure === undefined) await commit.exclusive(() => log.close());
    } finally {
      await commit.drained();
      // Also when it has failed for space, and when the log is closed: nothing of it is under way once the lock is gone.
      await log.abandon();
      await this.#reading.close();
      this.#lifecycle = "closed";
      log.notify();
      await lock.release().catch((error: unknown) => {
        throw asWalError(error, "the lock could not be released");
      });
    }
  }

  get #accepted(): { readonly appendedRecords: number; readonly appendedBytes: number } {
    const { records, bytes } = this.#isOff ? this.#off : this.#parts.commit.appended;
    return { appendedRecords: records, appendedBytes: bytes };
  }

  #refuse(payload: Uint8Array): Error | undefined {
    if (this.#lifecycle !== "open") return closedError(this.#parts.options.directory);
    if (!(payload instanceof Uint8Array)) {
      return new TypeError(
        "a payload is a Uint8Array; encode strings with new TextEncoder().encode()",
      );
    }
    const { maxRecordBytes } = this.#parts.options;
    if (payload.byteLength <= maxRecordBytes) return undefined;
    return tooLarge("payload", payload.byteLength, { maxRecordBytes });
  }

  /** Tells maintenance of an append, behind it, so that a sync that it makes due includes it. */
  #noted<T>(settled: Promise<T>, bytes: number, options: AppendOptions | undefined): Promise<T> {
    const durability = options?.durability ?? this.#parts.options.durability;
    const note = (): void => this.#maintenance.onAppend(bytes, durability === "interval");
    // What waits for room may do so longer than any interval: a sync is due once it is written.
    if ((this.#parts.guard?.waiting ?? 0) > 0) settled.then(note, () => undefined);
    else note();
    return settled;
  }

  /** Level "off": an LSN is given out behind those of the log, and nothing else happens. */
  #keepNothing(records: number, bytes: number): number {
    this.#off.records += records;
    this.#off.bytes += bytes;
    return this.#parts.commit.nextLsn - 1 + this.#off.records;
  }

  async #ack(name: string, lsn: number): Promise<void> {
    this.#assertOpen();
    assertLsn("ack", lsn, 0, this.positions.appendedLsn);
    await this.#retention.ack(this.#parts.commit, name, lsn);
  }

  async #removeCursor(name: string): Promise<void> {
    this.#assertOpen();
    await this.#retention.remove(name);
  }

  #assertOpen(): void {
    if (this.#lifecycle !== "open") throw closedError(this.#parts.options.directory);
  }
}
