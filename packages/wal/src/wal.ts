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
import { WalError } from "./errors.ts";
import type { AckPoint, GroupCommit } from "./commit/group-commit.ts";
import type { Cursor } from "./cursor.ts";
import { Maintenance } from "./commit/maintenance.ts";
import type { CodecRegistry } from "./codec/codecs.ts";
import type { WalEnvironment } from "./environment.ts";
import { isCursorName } from "./format/cursor-file.ts";
import { encodeRecordHead } from "./format/record.ts";
import type { CursorSet } from "./log/cursors.ts";
import { LiveFrames } from "./log/live-frames.ts";
import { LogReader, type Visibility } from "./log/log-reader.ts";
import { RecordIterator, recordBatches, type WalRecord } from "./log/record-iterator.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import type { ResolvedWalOptions } from "./options.ts";
import type { DirectoryLock } from "./storage/storage.ts";
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
  readonly cursors: CursorSet;
  readonly codecs: CodecRegistry;
  readonly recovery: RecoveryReport;
}

type Lifecycle = "open" | "closing" | "closed";

/** A log that is open for writing and reading. See docs/durability.md for what each level promises. */
export class Wal {
  readonly #parts: WalParts;
  readonly #defaultAck: AckPoint;
  #lifecycle: Lifecycle = "open";
  #closing: Promise<void> | undefined;
  #offLsn = 0;
  readonly #appended = { records: 0, bytes: 0 };
  readonly #maintenance: Maintenance;
  #releaseFailure: string | undefined;
  /** What recovery found and did when the log was opened. */
  readonly recovery: RecoveryReport;

  /** @internal Use `openWal`. */
  constructor(parts: WalParts) {
    this.#parts = parts;
    this.recovery = parts.recovery;
    this.#defaultAck = ACK_POINTS[parts.options.durability];
    const { options, environment, log, commit } = parts;
    this.#maintenance = new Maintenance({
      ...options,
      tasks: log,
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
    this.#count(1, bytes);
    if (this.#parts.options.durability === "off") return Promise.resolve(++this.#offLsn);
    const ack = options === undefined ? this.#defaultAck : ackPointOf(options, this.#defaultAck);
    const head = encodeRecordHead(bytes, options?.kind ?? 0);
    this.#maintenance.onAppend(bytes, this.#needsInterval(options));
    return this.#parts.commit.append(head, payload, ack);
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
    this.#count(payloads.length, bytes);
    if (this.#parts.options.durability === "off") {
      const firstLsn = this.#offLsn + 1;
      this.#offLsn += payloads.length;
      return Promise.resolve({ firstLsn, lastLsn: this.#offLsn });
    }
    const { maxPendingBytes } = this.#parts.options;
    if (bytes > maxPendingBytes)
      return Promise.reject(tooLarge("batch", bytes, { maxPendingBytes }));
    const ack = options === undefined ? this.#defaultAck : ackPointOf(options, this.#defaultAck);
    this.#maintenance.onAppend(bytes, this.#needsInterval(options));
    return this.#parts.commit.appendBatch(heads, payloads, ack);
  }

  /**
   * Reads records in LSN order, up to what is visible when the reader gets there, then ends.
   *
   * Memory is bounded by one chunk (1 MiB, or one frame where that is larger). Every frame's checksum is verified.
   *
   * @throws {WalError} while iterating: `WAL_LSN_TRUNCATED`, `WAL_CORRUPT`, `WAL_IO`, `WAL_CODEC_MISSING`
   */
  read(options: ReadOptions = {}): RecordIterator {
    const range = this.#range(options);
    return new RecordIterator(this.#reader(range.fromLsn, options.visibility), range);
  }

  /**
   * Reads as {@link read} does, in arrays of the records that were committed together: several times faster for many small
   * records.
   */
  readBatches(options: ReadOptions = {}): AsyncGenerator<readonly WalRecord[], undefined> {
    const range = this.#range(options);
    return recordBatches(this.#reader(range.fromLsn, options.visibility), range);
  }

  /**
   * Reads records as {@link read} does, and at the end waits for more. Ends when the log is closed.
   *
   * @throws {WalError} while iterating: as {@link read}, `WAL_ABORTED`, and `WAL_POISONED` once all that will ever be
   * visible has been delivered
   */
  tail(options: TailOptions = {}): RecordIterator {
    const range = this.#range(options);
    const reader = this.#reader(range.fromLsn, options.visibility);
    const { log, commit } = this.#parts;
    const frames = new LiveFrames({
      reader,
      signal: options.signal,
      onProgress: (listener) => log.onProgress(listener),
      ended: () => commit.failure ?? (this.#lifecycle === "closed" ? "closed" : undefined),
    });
    return new RecordIterator(frames, range);
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
        return cursors.ackedLsn(name) ?? 0;
      },
      ack: (lsn) => this.#ack(name, lsn),
      remove: async () => {
        await cursors.remove(name);
        await this.#release();
      },
    };
  }

  /** Where the log stands. */
  get positions(): WalPositions {
    const { log, commit } = this.#parts;
    return {
      firstLsn: log.state.firstLsn,
      appendedLsn: commit.nextLsn - 1 + this.#offLsn,
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
   */
  async truncateBack(lastLsn: number): Promise<void> {
    this.#assertOpen();
    const { firstLsn, appendedLsn } = this.positions;
    assertLsn("truncateBack", lastLsn, firstLsn - 1, appendedLsn);
    const { commit, log, cursors, codecs } = this.#parts;
    await commit.rewind(lastLsn + 1, async () => {
      // Cursors first: a crash in between only delivers records again that are about to be dropped.
      await cursors.clampTo(lastLsn);
      await log.truncateBack(lastLsn, codecs);
    });
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
      await cursors.raiseTo(firstLsn - 1);
      await log.truncateFront(firstLsn);
    });
  }

  /** Everything the log can say about itself, as plain data. */
  status(): WalStatus {
    const { log, commit, cursors, options } = this.#parts;
    return describeWal({
      options,
      log,
      cursors,
      state:
        commit.failure !== undefined && this.#lifecycle === "open" ? "poisoned" : this.#lifecycle,
      failure: commit.failure?.message,
      positions: this.positions,
      appended: this.#appended,
      pendingBytes: commit.pendingBytes,
      releaseFailure: this.#releaseFailure,
    });
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
      if (commit.failure === undefined) await commit.exclusive(() => log.close());
    } finally {
      await commit.drained();
      if (commit.failure !== undefined) await log.abandon();
      await lock.release();
      this.#lifecycle = "closed";
      log.notify();
    }
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

  #needsInterval(options: AppendOptions | undefined): boolean {
    return (options?.durability ?? this.#parts.options.durability) === "interval";
  }

  #count(records: number, bytes: number): void {
    this.#appended.records += records;
    this.#appended.bytes += bytes;
  }

  #range(options: ReadOptions): { readonly fromLsn: number; readonly toLsn: number } {
    const fromLsn = options.from ?? this.positions.firstLsn;
    return { fromLsn, toLsn: options.to ?? Number.MAX_SAFE_INTEGER };
  }

  #reader(fromLsn: number, visibility: Visibility | undefined): LogReader {
    if (!Number.isSafeInteger(fromLsn) || fromLsn < 1) {
      throw new RangeError(`from is ${fromLsn}; LSNs begin with 1`);
    }
    const { environment, log, codecs } = this.#parts;
    return new LogReader({
      storage: environment.storage,
      state: () => log.state,
      codecs,
      fromLsn,
      visibility: visibility ?? "durable",
    });
  }

  async #ack(name: string, lsn: number): Promise<void> {
    const { cursors } = this.#parts;
    const { appendedLsn } = this.positions;
    assertLsn("ack", lsn, 0, appendedLsn);
    this.#assertOpen();
    await cursors.ack(name, lsn);
    await this.#release();
  }

  /** Frees what no cursor needs. The acks behind it are durable: a failure costs space, nothing else. */
  async #release(): Promise<void> {
    const { cursors, log } = this.#parts;
    try {
      await cursors.persistAll();
      const lowest = cursors.lowestDurableLsn();
      if (lowest !== undefined) await log.release(lowest);
      this.#releaseFailure = undefined;
    } catch (error) {
      this.#releaseFailure = error instanceof Error ? error.message : String(error);
    }
  }

  #assertOpen(): void {
    if (this.#lifecycle !== "open") throw closedError(this.#parts.options.directory);
  }
}

function assertLsn(what: string, lsn: number, min: number, max: number): void {
  if (!Number.isSafeInteger(lsn) || lsn < min || lsn > max) {
    throw new RangeError(`${what}(${lsn}): must be a whole number from ${min} to ${max}`);
  }
}

function tooLarge(
  what: "payload" | "batch",
  sizeBytes: number,
  limit: Readonly<Record<string, number>>,
): WalError {
  const [name, value] = Object.entries(limit)[0] ?? [];
  return new WalError(
    "WAL_RECORD_TOO_LARGE",
    `the ${what} has ${sizeBytes} bytes; ${name} is ${value}: split it or raise the limit`,
    { details: { sizeBytes, ...limit } },
  );
}

function closedError(directory: string): WalError {
  return new WalError("WAL_CLOSED", `the log ${directory} is closed`, {
    details: { path: directory },
  });
}
