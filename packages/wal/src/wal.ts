/**
 * A write-ahead log: append, read, tail, cursors, positions, close.
 *
 * Delegates: grouping to `commit/`, files to `log/`, positions of readers to `log/cursors.ts`. Holds the lifecycle and the
 * timers. Made by `openWal`.
 */
import { isWalError, WalError } from "./errors.ts";
import type { AckPoint, GroupCommit } from "./commit/group-commit.ts";
import type { CodecRegistry } from "./codec/codecs.ts";
import type { Timer, WalEnvironment } from "./environment.ts";
import { isCursorName } from "./format/cursor-file.ts";
import { encodeRecordHead, MAX_RECORD_KIND } from "./format/record.ts";
import type { CursorSet } from "./log/cursors.ts";
import { LogReader, type FrameRecords, type Visibility } from "./log/log-reader.ts";
import {
  RecordIterator,
  recordBatches,
  type FrameSource,
  type WalRecord,
} from "./log/record-iterator.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import type { DurabilityLevel, ResolvedWalOptions } from "./options.ts";
import type { ClosedSegment } from "./segment/segment-info.ts";
import type { DirectoryLock } from "./storage/storage.ts";
import type { RecoveryReport, SegmentStatus, WalPositions, WalStatus } from "./wal-status.ts";

export interface AppendOptions {
  /**
   * When this append resolves; default the log's level. "off" can only be chosen for a whole log, and so can "fsync": a log
   * either keeps all metadata in step or does not.
   */
  readonly durability?: Exclude<DurabilityLevel, "off" | "fsync"> | undefined;
  /** A small number that is stored with the record, 0 to 15. Default 0. */
  readonly kind?: number | undefined;
}

export interface ReadOptions {
  /** First LSN to deliver. Default the first one in the log. */
  readonly from?: number | undefined;
  /** Last LSN to deliver. Default the last one that is visible when the reader gets there. */
  readonly to?: number | undefined;
  /** How far to see: only what survives a power loss (default), or all that the operating system has. */
  readonly visibility?: Visibility | undefined;
}

export interface TailOptions extends Omit<ReadOptions, "to"> {
  /** Ends the tail with `WAL_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
}

/** A named, durable position: its owner has no more need of records up to `lsn`. */
export interface Cursor {
  readonly name: string;
  /** What has been acknowledged; 0 or the LSN before the log's first one for a new cursor. */
  readonly lsn: number;
  /**
   * Moves the cursor forward; never back. Resolves when the position is on the device; then segments that no cursor needs
   * any more are removed.
   */
  ack(lsn: number): Promise<void>;
  /** Forgets the cursor: it no longer holds any space. */
  remove(): Promise<void>;
}

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

const ACK_POINTS: Readonly<Record<DurabilityLevel, AckPoint>> = {
  fsync: "durable",
  fdatasync: "durable",
  interval: "written",
  async: "written",
  memory: "buffered",
  off: "buffered",
};

const APPEND_LEVELS: readonly DurabilityLevel[] = ["fdatasync", "interval", "async", "memory"];

/** A log that is open for writing and reading. See docs/durability.md for what each level promises. */
export class Wal {
  readonly #parts: WalParts;
  readonly #defaultAck: AckPoint;
  #lifecycle: Lifecycle = "open";
  #closing: Promise<void> | undefined;
  #offLsn = 0;
  readonly #appended = { records: 0, bytes: 0 };
  #ageTimer: Timer | undefined;
  #attestTimer: Timer | undefined;
  #syncTimer: Timer | undefined;
  /** Records appended when the attest timer last looked; the same number a delay later means idle. */
  #recordsSeen = 0;
  #unsyncedBytes = 0;
  #releaseFailure: string | undefined;
  /** What recovery found and did when the log was opened. */
  readonly recovery: RecoveryReport;

  /** @internal Use `openWal`. */
  constructor(parts: WalParts) {
    this.#parts = parts;
    this.recovery = parts.recovery;
    this.#defaultAck = ACK_POINTS[parts.options.durability];
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
    const ack = options === undefined ? this.#defaultAck : this.#ackPoint(options);
    const head = encodeRecordHead(bytes, options?.kind ?? 0);
    this.#armTimers(bytes, options?.durability);
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
    const ack = options === undefined ? this.#defaultAck : this.#ackPoint(options);
    this.#armTimers(bytes, options?.durability);
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
    const source: FrameSource = {
      next: () => this.#nextLive(reader, options.signal),
      close: () => reader.close(),
    };
    return new RecordIterator(source, range);
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
    await this.#parts.commit.exclusive(() => this.#syncNow());
  }

  /** Everything the log can say about itself, as plain data. */
  status(): WalStatus {
    const { log, commit, cursors, options } = this.#parts;
    const { failure } = commit;
    return {
      directory: options.directory,
      durability: options.durability,
      state: failure !== undefined && this.#lifecycle === "open" ? "poisoned" : this.#lifecycle,
      failure: failure?.message,
      positions: this.positions,
      segments: this.#segments(),
      cursors: cursors.positions().map(({ name, ackedLsn }) => ({ name, lsn: ackedLsn })),
      totals: {
        appendedRecords: this.#appended.records,
        appendedBytes: this.#appended.bytes,
        ...log.totals,
      },
      pendingBytes: commit.pendingBytes,
      activeSegmentAgeMs: log.activeAgeMs(),
      releaseFailure: this.#releaseFailure,
    };
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
    this.#ageTimer?.cancel();
    this.#attestTimer?.cancel();
    this.#syncTimer?.cancel();
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

  #ackPoint(options: AppendOptions): AckPoint {
    const { durability, kind } = options;
    if (kind !== undefined && !(Number.isInteger(kind) && kind >= 0 && kind <= MAX_RECORD_KIND)) {
      throw new RangeError(`kind is ${kind}; must be a whole number from 0 to ${MAX_RECORD_KIND}`);
    }
    if (durability === undefined) return this.#defaultAck;
    if (!APPEND_LEVELS.includes(durability)) {
      throw new RangeError(
        `durability of one append is "${durability}"; must be one of ${APPEND_LEVELS.join(", ")}`,
      );
    }
    return ACK_POINTS[durability];
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

  async #nextLive(
    reader: LogReader,
    signal: AbortSignal | undefined,
  ): Promise<FrameRecords | undefined> {
    for (;;) {
      if (signal?.aborted === true) throw abortedError(signal);
      // Asked before reading: what becomes visible while the read is under way wakes the wait below.
      const wait = this.#waitForProgress(signal);
      try {
        const frame = await reader.next();
        if (frame !== undefined) return frame;
        const { failure } = this.#parts.commit;
        if (failure !== undefined) throw failure;
        if (this.#lifecycle === "closed") return undefined;
        await wait.promise;
      } finally {
        wait.cancel();
      }
    }
  }

  #waitForProgress(signal: AbortSignal | undefined): {
    readonly promise: Promise<void>;
    cancel(): void;
  } {
    const { log } = this.#parts;
    let wake: () => void = () => undefined;
    const promise = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const unsubscribe = log.onProgress(wake);
    signal?.addEventListener("abort", wake, { once: true });
    return {
      promise,
      cancel: () => {
        unsubscribe();
        signal?.removeEventListener("abort", wake);
      },
    };
  }

  async #ack(name: string, lsn: number): Promise<void> {
    const { cursors } = this.#parts;
    const { appendedLsn } = this.positions;
    if (!Number.isSafeInteger(lsn) || lsn < 0 || lsn > appendedLsn) {
      throw new RangeError(`ack(${lsn}): the log's last LSN is ${appendedLsn}`);
    }
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

  #armTimers(bytes: number, level: DurabilityLevel | undefined): void {
    const { options } = this.#parts;
    if (options.attestDelayMs > 0) {
      this.#attestTimer ??= this.#background(options.attestDelayMs, () => this.#attestWhenIdle());
    }
    if (options.segmentMaxAgeMs > 0) {
      this.#ageTimer ??= this.#background(options.segmentMaxAgeMs, () => this.#rotateWhenOld());
    }
    if ((level ?? options.durability) === "interval") this.#armSync(bytes);
  }

  /** Level "interval": a sync is due N ms after the first append that has none, or after M bytes. */
  #armSync(bytes: number): void {
    const { syncIntervalMs, syncIntervalBytes } = this.#parts.options;
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes >= syncIntervalBytes) {
      this.#unsyncedBytes = 0;
      this.#run(() => this.#syncNow());
    }
    // At half the interval, so that the sync has ended within it even on a slow device.
    this.#syncTimer ??= this.#background(Math.max(1, syncIntervalMs / 2), () => {
      this.#syncTimer = undefined;
      this.#run(() => this.#syncNow());
    });
  }

  async #syncNow(): Promise<void> {
    this.#unsyncedBytes = 0;
    await this.#parts.log.sync();
  }

  #attestWhenIdle(): void {
    this.#attestTimer = undefined;
    const { options, log } = this.#parts;
    if (this.#recordsSeen === this.#appended.records) {
      this.#run(() => log.attest());
      return;
    }
    this.#recordsSeen = this.#appended.records;
    this.#attestTimer = this.#background(options.attestDelayMs, () => this.#attestWhenIdle());
  }

  #rotateWhenOld(): void {
    this.#ageTimer = undefined;
    const { options, log } = this.#parts;
    const ageMs = log.activeAgeMs();
    if (ageMs === undefined) return;
    const leftMs = options.segmentMaxAgeMs - ageMs;
    if (leftMs > 0) this.#ageTimer = this.#background(leftMs, () => this.#rotateWhenOld());
    else this.#run(() => log.rotate());
  }

  #background(delayMs: number, callback: () => void): Timer {
    return this.#parts.environment.setTimer(delayMs, () => {
      if (this.#lifecycle === "open") callback();
    });
  }

  /** Runs a task between groups that nobody waits for. Its failure poisons the log, which is where it is seen. */
  #run(task: () => Promise<void>): void {
    this.#parts.commit.exclusive(task).catch(() => undefined);
  }

  #segments(): readonly SegmentStatus[] {
    const { closed, active } = this.#parts.log.state;
    const segments = closed.map((segment) => segmentStatus(segment, true));
    if (active === undefined) return segments;
    const { offset, lastLsn } = active.written;
    return [...segments, segmentStatus({ ...active.info, endOffset: offset, lastLsn }, false)];
  }

  #assertOpen(): void {
    if (this.#lifecycle !== "open") throw closedError(this.#parts.options.directory);
  }
}

function segmentStatus(
  segment: Omit<ClosedSegment, "closingDigest">,
  isSealed: boolean,
): SegmentStatus {
  const { segmentId, path, firstLsn, lastLsn, createdAtMs, endOffset } = segment;
  const name = path.slice(path.lastIndexOf("/") + 1);
  return { segmentId, name, path, sizeBytes: endOffset, firstLsn, lastLsn, createdAtMs, isSealed };
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

function abortedError(signal: AbortSignal): WalError {
  const cause: unknown = signal.reason;
  if (isWalError(cause)) return cause;
  return new WalError("WAL_ABORTED", "the reader was stopped by its signal", { cause });
}
