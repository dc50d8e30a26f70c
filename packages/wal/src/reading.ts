/**
 * Reading of an open log: once, in batches, live, and by time. Each call has a reader of its own; files that ranges are read from stay
 * open for a while.
 */
import type { ReadOptions, TailOptions } from "./call-options.ts";
import type { CodecRegistry } from "./codec/codecs.ts";
import type { Keyring } from "./encryption/keyring.ts";
import { lastLsnAt } from "./log/find-by-time.ts";
import { LiveFrames } from "./log/live-frames.ts";
import { LogReader } from "./log/log-reader.ts";
import { ReadHandles } from "./log/read-handles.ts";
import { RecordIterator, recordBatches, type WalRecord } from "./log/record-iterator.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import type { Storage } from "./storage/storage.ts";

export interface ReadingOptions {
  readonly storage: Storage;
  readonly log: SegmentedLog;
  readonly codecs: CodecRegistry;
  readonly keyring: Keyring;
  /** What ends a tail: the log was closed, or poisoned. */
  readonly ended: () => "closed" | Error | undefined;
}

interface LsnRange {
  readonly fromLsn: number;
  readonly toLsn: number;
}

/** See `Wal.read`, `Wal.readBatches` and `Wal.tail`. */
export class Reading {
  readonly #options: ReadingOptions;
  readonly #handles: ReadHandles;
  readonly #unsubscribe: () => void;

  constructor(options: ReadingOptions) {
    this.#options = options;
    const { log, storage } = options;
    this.#handles = new ReadHandles(storage, () => log.state);
    this.#unsubscribe = log.onProgress(() => this.#handles.sweep());
  }

  /** Closes files that stay open between reads. Reads that are under way go on. Never rejects. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#handles.close();
  }

  read(options: ReadOptions): RecordIterator {
    const range = this.#range(options);
    return new RecordIterator(this.#reader(range, options), range);
  }

  readBatches(options: ReadOptions): AsyncGenerator<readonly WalRecord[], undefined> {
    const range = this.#range(options);
    return recordBatches(this.#reader(range, options), range);
  }

  tail(options: TailOptions): RecordIterator {
    const range = this.#range(options);
    const { log, ended } = this.#options;
    const frames = new LiveFrames({
      reader: this.#reader(range, options),
      signal: options.signal,
      onProgress: (listener) => log.onProgress(listener),
      ended,
    });
    return new RecordIterator(frames, range);
  }

  /** Last LSN that was written at or before a time; see `find-by-time.ts`. */
  async lastLsnAt(timeMs: number): Promise<number> {
    const skipGaps: ReadOptions = { onGap: () => undefined };
    return await lastLsnAt(this.#reader(this.#range(skipGaps), skipGaps), timeMs);
  }

  #range(options: ReadOptions): LsnRange {
    const fromLsn = options.from ?? this.#options.log.state.firstLsn;
    if (!Number.isSafeInteger(fromLsn) || fromLsn < 1) {
      throw new RangeError(`from is ${fromLsn}; LSNs begin with 1`);
    }
    return { fromLsn, toLsn: options.to ?? Number.MAX_SAFE_INTEGER };
  }

  #reader({ fromLsn }: LsnRange, options: ReadOptions): LogReader {
    const { log, codecs, keyring } = this.#options;
    return new LogReader({
      handles: this.#handles,
      state: () => log.state,
      beforeGroup: () => log.beforeGroup,
      codecs,
      keyring,
      fromLsn,
      toLsn: options.to,
      visibility: options.visibility ?? "durable",
      onGap: options.onGap,
      reuseMemory: options.reuseMemory ?? false,
    });
  }
}
