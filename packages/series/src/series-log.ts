/**
 * A series log: writes of points that are acknowledged when log and memtable have them, swaps of memtables, their release, reading.
 *
 * Delegates: the way of a point to `log/write-queue.ts`, bytes to `log/file-writer.ts`, space to `log/file-pins.ts`,
 * `log/slow-regions.ts` and `log/log-room.ts`. Made by `openSeriesLog`.
 */
import type { WalMetrics } from "@walnut/wal";
import { SeriesError } from "./errors.ts";
import type { FrozenMemtable } from "./frozen-memtable.ts";
import { assertValueFitsV1 } from "./layout/layout-v1.ts";
import type { LogParts } from "./log/log-parts.ts";
import { POINT_OVERHEAD_BYTES } from "./log/grouping-buffer.ts";
import type { Region } from "./log/region.ts";
import type { RegionTable } from "./log/region-table.ts";
import { readSeries, type SeriesReadOptions, type SeriesRecord } from "./log/series-reader.ts";
import type { Memtable } from "./memtable.ts";
import type { ResolvedSeriesLogOptions } from "./options.ts";
import { assertPoint, type SeriesPoint } from "./series-entry.ts";
import type { SeriesMemtable } from "./series-memtable.ts";
import { regionStatuses, type SeriesStatus } from "./series-status.ts";

/** The memtable of a log that is used with one. */
export const DEFAULT_MEMTABLE_ID = "default";

const MAX_MEMTABLE_ID_BYTES = 255;

/** Largest batch, and with it largest value: bytes of values, and 40 more for each point. */
const MAX_BATCH_BYTES = 64 * 1024 * 1024;

/** A series log that is open. See docs/series.md. */
export class SeriesLog<M extends Memtable = Memtable> {
  readonly #options: ResolvedSeriesLogOptions;
  readonly #regions: RegionTable;
  readonly #parts: LogParts | undefined;
  readonly #releases = new Map<Region, Promise<void>>();
  #closing: Promise<void> | undefined;

  /** @internal Use `openSeriesLog`. */
  constructor(
    options: ResolvedSeriesLogOptions,
    regions: RegionTable,
    parts: LogParts | undefined,
  ) {
    this.#options = options;
    this.#regions = regions;
    this.#parts = parts;
  }

  /**
   * The memtable of this id, for a log with many.
   *
   * @param memtableId - 1 to 255 bytes of UTF-8
   */
  memtable(memtableId: string = DEFAULT_MEMTABLE_ID): SeriesMemtable<M> {
    const bytes = Buffer.byteLength(memtableId);
    if (bytes < 1 || bytes > MAX_MEMTABLE_ID_BYTES || /\p{Surrogate}/u.test(memtableId)) {
      throw new RangeError(
        `memtable id "${memtableId}": must be 1 to ${MAX_MEMTABLE_ID_BYTES} bytes of UTF-8`,
      );
    }
    const active = (): M | undefined => this.#regions.active(memtableId)?.memtable as M | undefined;
    return {
      memtableId,
      get active(): M | undefined {
        return active();
      },
      write: (seriesId, timestamp, value) => this.#write(memtableId, seriesId, timestamp, value),
      writeBatch: (points) => this.#writeBatch(memtableId, points),
      rotate: () => this.#rotate(memtableId),
    };
  }

  /** Writes one point to the memtable of the id "default"; see `SeriesMemtable.write`. */
  write(seriesId: bigint, timestamp: bigint, value: Uint8Array): Promise<number> {
    return this.#write(DEFAULT_MEMTABLE_ID, seriesId, timestamp, value);
  }

  /** Writes points as one to the memtable of the id "default"; see `SeriesMemtable.writeBatch`. */
  writeBatch(points: readonly SeriesPoint[]): Promise<number> {
    return this.#writeBatch(DEFAULT_MEMTABLE_ID, points);
  }

  /**
   * Swaps all memtables and the file of the log in one step, when it is called; see `SeriesMemtable.rotate`. What is written
   * afterwards goes into a new file.
   */
  async rotate(): Promise<readonly FrozenMemtable<M>[]> {
    this.#assertOpen();
    this.#parts?.queue.handOver();
    this.#parts?.files.endFile();
    const swapped = this.#regions.activeIds.map((memtableId) => this.#rotate(memtableId));
    const frozen = await Promise.all(swapped);
    return frozen.filter((memtable) => memtable !== undefined);
  }

  /** Memtables that were swapped, or found by a restart, and not released, in the order of their regions. */
  frozen(): readonly FrozenMemtable<M>[] {
    const regions = [...this.#regions.frozen].filter(({ applied }) => applied > 0);
    return regions.sort((a, b) => a.number - b.number).map((region) => this.#frozenOf(region));
  }

  /**
   * Reads what happened to regions, in the order of the log: to rebuild memtables elsewhere, at once or live. Memory is bounded by
   * one frame.
   *
   * @throws {WalError} while iterating: `WAL_LSN_TRUNCATED` when `from` was released, `WAL_ABORTED`, `WAL_CORRUPT`, `WAL_GAP`, `WAL_IO`
   * @throws {SeriesError} while iterating: `SERIES_CORRUPT`
   */
  async *read(options: SeriesReadOptions = {}): AsyncGenerator<SeriesRecord, undefined> {
    this.#assertOpen();
    if (this.#parts === undefined) return undefined;
    yield* readSeries(this.#parts, this.#options.recovery, options);
    return undefined;
  }

  /** Resolves when everything written before the call is on the device, whatever the level. */
  async sync(): Promise<void> {
    this.#assertOpen();
    if (this.#parts === undefined) return;
    const { queue, wal } = this.#parts;
    await queue.drained();
    await wal.sync();
    const untold = queue.takeUntold();
    if (untold !== undefined) throw untold;
  }

  /** Resolves when the files that nobody needs any more are gone. Happens by itself; never rejects, see `releaseFailure`. */
  async reclaim(): Promise<void> {
    await this.#parts?.slow.settled;
    await this.#parts?.release();
  }

  status(): SeriesStatus {
    const { queue, slow, pins, wal, replayedPoints = 0, lostRecords = 0 } = this.#parts ?? {};
    const walStatus = wal?.status();
    const isFailed = queue?.failure !== undefined || walStatus?.state === "poisoned";
    return {
      state: this.#closing !== undefined ? "closed" : isFailed ? "failed" : "open",
      layout: this.#options.layout,
      files: pins?.fileCount ?? 0,
      logBytes: walStatus?.segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) ?? 0,
      workingBytes: queue?.workingBytes ?? 0,
      flushingBytes: queue?.flushingBytes ?? 0,
      replayedPoints,
      lostRecords,
      carriedPoints: slow?.carriedPoints ?? 0,
      regions: regionStatuses(this.#regions.all(), pins),
      releaseFailure: pins?.failure ?? walStatus?.releaseFailure,
      wal: walStatus,
    };
  }

  /** Numbers of the log underneath for whoever collects them; `undefined` with `wal: false`. See docs/metrics.md, "Engine". */
  metrics(): WalMetrics | undefined {
    return this.#parts?.wal.metrics();
  }

  /** Ends the log: what was written is on the device, whatever the level. Memtables stay as they are. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Not async: the promise is the one that all points of the same buffer share. */
  #write(
    memtableId: string,
    seriesId: bigint,
    timestamp: bigint,
    value: Uint8Array,
  ): Promise<number> {
    try {
      this.#assertOpen();
      assertPoint(seriesId, timestamp, value);
      this.#assertFits(value.byteLength);
      const region = this.#regions.activate(memtableId);
      const { queue } = this.#parts ?? {};
      if (queue === undefined) return applyOnly(region, [{ seriesId, timestamp, value }]);
      if (region.carrying === undefined) return queue.write(region, seriesId, timestamp, value);
      const copy = new Uint8Array(value);
      // Into the same region, also when it is swapped meanwhile: this call came before.
      return region.carrying.then(() => queue.write(region, seriesId, timestamp, copy));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #writeBatch(memtableId: string, points: readonly SeriesPoint[]): Promise<number> {
    try {
      this.#assertOpen();
      const bytes = this.#batchBytes(points);
      const region = this.#regions.activate(memtableId);
      const { queue } = this.#parts ?? {};
      if (queue === undefined) return applyOnly(region, points);
      if (region.carrying === undefined) return queue.writeBatch(region, points, bytes);
      const copies = points.map((point) => ({ ...point, value: new Uint8Array(point.value) }));
      return region.carrying.then(() => queue.writeBatch(region, copies, bytes));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #batchBytes(points: readonly SeriesPoint[]): number {
    if (points.length === 0) throw new RangeError("a batch has points");
    let bytes = 0;
    for (const { seriesId, timestamp, value } of points) {
      assertPoint(seriesId, timestamp, value);
      this.#assertFits(value.byteLength);
      bytes += POINT_OVERHEAD_BYTES + value.byteLength;
    }
    if (bytes <= MAX_BATCH_BYTES) return bytes;
    throw new SeriesError(
      "SERIES_BATCH_TOO_LARGE",
      `a batch of ${points.length} points takes ${bytes} bytes, ${MAX_BATCH_BYTES} are allowed; write it in parts`,
      { details: { bytes, maxBatchBytes: MAX_BATCH_BYTES } },
    );
  }

  #assertFits(valueBytes: number): void {
    if (this.#options.layout === "v1") assertValueFitsV1(valueBytes);
    const maxValueBytes = MAX_BATCH_BYTES - POINT_OVERHEAD_BYTES;
    if (valueBytes <= maxValueBytes) return;
    throw new SeriesError(
      "SERIES_VALUE_TOO_LARGE",
      `a value of ${valueBytes} bytes: a log holds up to ${maxValueBytes}`,
      { details: { valueBytes, maxValueBytes } },
    );
  }

  async #rotate(memtableId: string): Promise<FrozenMemtable<M> | undefined> {
    this.#assertOpen();
    const region = this.#regions.freeze(memtableId);
    if (region === undefined) return undefined;
    if (this.#parts !== undefined) {
      const { queue, wal } = this.#parts;
      queue.handOver();
      await region.carrying;
      await Promise.allSettled([region.lastBatch]); // Those who wrote are told.
      // Before a flush names a file by it, the number of the region must be one that a restart will not give out again.
      if (wal.positions.durableLsn < region.lastLsn) await wal.sync();
    }
    if (region.applied > 0) return this.#frozenOf(region);
    this.#regions.remove(region);
    return undefined;
  }

  #frozenOf(region: Region): FrozenMemtable<M> {
    return {
      memtableId: region.memtableId,
      region: region.number,
      memtable: region.memtable as M,
      points: region.applied,
      release: () => this.#release(region),
    };
  }

  #release(region: Region): Promise<void> {
    const known = this.#releases.get(region);
    if (known !== undefined) return known;
    const release = this.#releaseOnce(region).finally(() => this.#releases.delete(region));
    this.#releases.set(region, release);
    return release;
  }

  /**
   * Steps, and what a crash right after each leaves behind:
   * 1. "released" appended and synced: the region is gone; its files are still there (CRASH: series-release-1)
   * 2. cursor moved behind files that nobody needs: they go now or at the next release (CRASH: series-release-2)
   */
  async #releaseOnce(region: Region): Promise<void> {
    if (region.state === "released") return;
    this.#assertOpen();
    region.state = "releasing";
    try {
      if (region.points > 0) await this.#parts?.room.giveUp(region);
    } catch (error) {
      region.state = "frozen";
      throw error;
    }
    region.state = "released";
    this.#regions.remove(region);
    void this.#parts?.release();
  }

  async #close(): Promise<void> {
    if (this.#parts === undefined) return;
    const { queue, slow, wal, release } = this.#parts;
    await slow.settled; // Writes that wait for it come into the queue.
    await queue.drained();
    await slow.settled;
    await Promise.allSettled(this.#releases.values());
    await release();
    await wal.close();
  }

  #assertOpen(): void {
    if (this.#closing === undefined) return;
    const { directory } = this.#options;
    throw new SeriesError("SERIES_CLOSED", `the series log ${directory} is closed`, {
      details: { path: directory },
    });
  }
}

/** With `wal: false`. */
function applyOnly(region: Region, points: readonly SeriesPoint[]): Promise<number> {
  const entries = points.map(({ seriesId, timestamp, value }) => {
    return { seriesId, timestamps: [timestamp], values: [new Uint8Array(value)] };
  });
  region.memtable.apply(entries);
  region.applied += points.length;
  return Promise.resolve(0);
}
