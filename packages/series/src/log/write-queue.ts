/**
 * The way of points into log and memtable: buffer, group, append, apply, acknowledge.
 *
 * One half of the buffer fills while the other is being flushed. The working half goes to the log
 * - when nothing is being flushed, at the end of the turn of the event loop: no delay, and what was written together is grouped;
 * - at once when it holds `bufferSizeBytes` or `flushThreshold` points, as long as the flushing half has room;
 * - without persistence, `holdMs` after its first point: a bound for a trickle as well, because later points do not move it.
 *
 * Ordering rule: points are applied to memtables when their append has resolved, in the order of the log, and acknowledged after
 * that. A failed append applies nothing. Without persistence both happen at once, before the log has them.
 */
import { SeriesError } from "../errors.ts";
import type { SeriesPoint } from "../series-entry.ts";
import type { FileWriter } from "./file-writer.ts";
import { GroupingBuffer, POINT_OVERHEAD_BYTES } from "./grouping-buffer.ts";
import type { LogRoom } from "./log-room.ts";
import type { PointsPlace, Region } from "./region.ts";

export interface WriteQueueOptions {
  readonly files: FileWriter;
  readonly room: LogRoom;
  readonly isPersistent: boolean;
  readonly bufferSizeBytes: number;
  readonly flushThreshold: number;
  /** Size of each half. */
  readonly halfBytes: number;
  /** Without persistence: how long points wait at most before they go to the log. */
  readonly holdMs: number;
  readonly defer: (callback: () => void) => void;
  readonly setTimer: (delayMs: number, callback: () => void) => { cancel(): void };
}

interface Flight {
  readonly bytes: number;
  readonly fileLsn: number;
}

export class WriteQueue {
  readonly #options: WriteQueueOptions;
  #working = new GroupingBuffer();
  readonly #flights = new Set<Flight>();
  #flushingBytes = 0;
  /** Settles with the batch that was handed over last. */
  #last: Promise<unknown> = Promise.resolve();
  #isScheduled = false;
  #timer: { cancel(): void } | undefined;
  /** A memtable has failed: nothing is applied any more. */
  #failure: Error | undefined;
  /** Without persistence: a failure of the log that nobody has been told of. */
  #untold: Error | undefined;

  constructor(options: WriteQueueOptions) {
    this.#options = options;
  }

  get workingBytes(): number {
    return this.#working.bytes;
  }

  get flushingBytes(): number {
    return this.#flushingBytes;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /** First LSN of the oldest file into which something is being written; `Infinity` when nothing is. */
  get underWayLsn(): number {
    let lsn = Number.POSITIVE_INFINITY;
    for (const { fileLsn } of this.#flights) lsn = Math.min(lsn, fileLsn);
    return lsn;
  }

  /** Adds one point. Copies the value. Resolves with the LSN of the batch's last record; 0 without persistence. */
  write(region: Region, seriesId: bigint, timestamp: bigint, value: Uint8Array): Promise<number> {
    const refusal = this.#refuse(POINT_OVERHEAD_BYTES + value.byteLength);
    if (refusal !== undefined) return Promise.reject(refusal);
    const { isPersistent } = this.#options;
    const working = this.#working;
    const kept = working.add(region, seriesId, timestamp, value);
    if (!isPersistent) {
      const failure = this.#applyEarly(region, { seriesId, timestamp, value: kept });
      if (failure !== undefined) return Promise.reject(failure);
    }
    this.#added();
    return isPersistent ? working.acknowledged : this.#room(working);
  }

  /** Adds points that are appended as one. */
  writeBatch(region: Region, points: readonly SeriesPoint[], bytes: number): Promise<number> {
    const refusal = this.#refuse(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    const { isPersistent } = this.#options;
    const working = this.#working;
    for (const { seriesId, timestamp, value } of points) {
      const kept = working.add(region, seriesId, timestamp, value);
      if (isPersistent) continue;
      const failure = this.#applyEarly(region, { seriesId, timestamp, value: kept });
      if (failure !== undefined) return Promise.reject(failure);
    }
    this.#added();
    return isPersistent ? working.acknowledged : this.#room(working);
  }

  /** Hands everything that waits to the log, now. */
  handOver(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const batch = this.#working;
    if (batch.points === 0) return;
    const { files, isPersistent } = this.#options;
    this.#working = new GroupingBuffer();
    const appended = files.appendPoints(batch.groups);
    const flight = { bytes: batch.bytes, fileLsn: files.fileLsn };
    this.#flights.add(flight);
    this.#flushingBytes += flight.bytes;
    if (!isPersistent) batch.acknowledged.catch((error: Error) => (this.#untold = error));
    void this.#settle(batch, flight, appended);
  }

  /** Resolves when nothing is under way. Never rejects. */
  async drained(): Promise<void> {
    this.handOver();
    await Promise.allSettled([this.#last]);
  }

  /** Without persistence: why points that were acknowledged did not come into the log; told once. */
  takeUntold(): Error | undefined {
    const untold = this.#untold;
    this.#untold = undefined;
    return untold;
  }

  /** Why nothing more can be written now. */
  #refuse(bytes: number): Error | undefined {
    if (this.#failure !== undefined) return this.#failure;
    const untold = this.takeUntold();
    if (untold !== undefined) return untold;
    const { halfBytes, room } = this.#options;
    const noRoom = room.refusal(this.#flushingBytes + this.#working.bytes + bytes);
    if (noRoom !== undefined) return noRoom;
    const isFull = this.#flushingBytes >= halfBytes && this.#working.points > 0;
    if (!isFull || this.#working.bytes + bytes <= halfBytes) return undefined;
    const waitingBytes = this.#flushingBytes + this.#working.bytes;
    return new SeriesError(
      "SERIES_OVERLOADED",
      `${waitingBytes} bytes wait for the disk, and walBufferSizeBytes is ${2 * halfBytes}; wait for writes to resolve before making more`,
      { details: { waitingBytes, walBufferSizeBytes: 2 * halfBytes } },
    );
  }

  /** Without persistence a write resolves at once, unless the flushing half is full: then when its own points were flushed. */
  #room(working: GroupingBuffer): Promise<number> {
    const isFull = this.#flushingBytes >= this.#options.halfBytes;
    return isFull ? working.acknowledged.then(() => 0) : Promise.resolve(0);
  }

  #added(): void {
    const { bufferSizeBytes, flushThreshold, halfBytes } = this.#options;
    const isFull = this.#working.bytes >= bufferSizeBytes || this.#working.points >= flushThreshold;
    if (isFull && this.#flushingBytes < halfBytes) this.handOver();
    else this.#schedule();
  }

  #schedule(): void {
    const { isPersistent, holdMs, defer, setTimer } = this.#options;
    if (!isPersistent) {
      this.#timer ??= setTimer(holdMs, () => {
        this.#timer = undefined;
        this.handOver();
      });
      return;
    }
    if (this.#isScheduled || this.#flights.size > 0) return;
    this.#isScheduled = true;
    defer(() => {
      this.#isScheduled = false;
      if (this.#flights.size === 0) this.handOver();
    });
  }

  async #settle(
    batch: GroupingBuffer,
    flight: Flight,
    appended: Promise<PointsPlace>,
  ): Promise<void> {
    this.#last = batch.acknowledged;
    try {
      const place = await appended;
      this.#apply(batch, place);
      batch.resolve(place.lastLsn);
    } catch (error) {
      batch.reject(error);
    } finally {
      this.#flights.delete(flight);
      this.#flushingBytes -= flight.bytes;
      this.#options.room.look();
      if (this.#working.points > 0) this.#added();
    }
  }

  #apply(batch: GroupingBuffer, place: PointsPlace): void {
    if (this.#failure !== undefined) throw this.#failure;
    for (const { region, points, valueBytes, entries } of batch.groups) {
      region.took(points, valueBytes, place);
      if (!this.#options.isPersistent) continue;
      try {
        region.memtable.apply(entries);
      } catch (cause) {
        throw this.#fail(region, cause);
      }
      region.applied += points;
    }
  }

  /** Without persistence a point is in the memtable before it is in the log. */
  #applyEarly(region: Region, { seriesId, timestamp, value }: SeriesPoint): Error | undefined {
    try {
      region.memtable.apply([{ seriesId, timestamps: [timestamp], values: [value] }]);
      region.applied++;
      return undefined;
    } catch (cause) {
      return this.#fail(region, cause);
    }
  }

  #fail({ memtableId, number }: Region, cause: unknown): Error {
    this.#failure = new SeriesError(
      "SERIES_MEMTABLE_FAILED",
      `memtable ${memtableId} has thrown on points that are in the log; open the log again, and it gets them once more`,
      { details: { memtable: memtableId, region: number }, cause },
    );
    return this.#failure;
  }
}
