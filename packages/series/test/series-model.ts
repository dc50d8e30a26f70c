/**
 * A store in memory beside a series log on a simulated disk, and what has to be true of both after a crash.
 *
 * Each point has a value of its own, so that it can be told which were lost, came twice, or came back. "Files" of flushed memtables
 * live in the test: a flush puts one there before it releases the region, as a store would.
 */
import assert from "node:assert/strict";
import type { SimulatedEnvironment } from "@walnut/testkit";
import type { SeededRandom } from "@walnut/testkit";
import {
  ListMemtable,
  openSeriesLogWith,
  type FrozenMemtable,
  type SeriesEntry,
  type SeriesLog,
  type SeriesLogOptions,
  type SeriesPoint,
} from "@walnut/series";

/** A log small enough to have many files after a few writes. */
export const SMALL: SeriesLogOptions = {
  directory: "/series",
  // Snappy is loaded when a log is opened, which takes real time; a simulation has none.
  compression: "deflate",
  fileSizeBytes: 16 * 1024,
  bufferSizeBytes: 512,
  maxHeldFiles: 2,
};

export function open(
  environment: SimulatedEnvironment,
  options: SeriesLogOptions = SMALL,
): Promise<SeriesLog> {
  return openSeriesLogWith(environment, options);
}

/** Every point as text, in the order of the memtable. */
export function pointsOf(entries: Iterable<SeriesEntry>): string[] {
  const points: string[] = [];
  for (const { seriesId, timestamps, values } of entries) {
    for (const [index, value] of values.entries()) {
      points.push(pointText(seriesId, timestamps[index] ?? 0n, value));
    }
  }
  return points;
}

export function contentOf(memtable: unknown): string[] {
  assert.ok(memtable instanceof ListMemtable);
  return pointsOf(memtable.entries());
}

export function pointText(seriesId: bigint, timestamp: bigint, value: Uint8Array): string {
  const id = new DataView(value.buffer, value.byteOffset).getUint32(0, true);
  return `${seriesId}@${timestamp}=${id}/${value.byteLength}`;
}

export class StoreModel {
  /** Files of flushed memtables, by region: they survive everything. */
  readonly files = new Map<number, readonly string[]>();
  readonly sent = new Set<string>();
  readonly acknowledged = new Set<string>();
  /** Regions of which a release has resolved. */
  readonly released = new Set<number>();
  /** Batches that were sent: all of a batch is there, or none. */
  readonly batches: (readonly string[])[] = [];
  #nextId = 1;
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  get stamp(): string {
    return `${this.sent.size} ${this.acknowledged.size} ${this.files.size} ${this.released.size}`;
  }

  /** Writes one to five points as one, and notes what became of it. */
  async write(log: SeriesLog, memtableId: string, maxValueBytes: number): Promise<void> {
    const random = this.#random;
    const points: SeriesPoint[] = [];
    for (let count = random.pick([1, 1, 1, 5]); count > 0; count--) {
      const value = new Uint8Array(4 + random.between(0, maxValueBytes));
      new DataView(value.buffer).setUint32(0, this.#nextId++, true);
      const timestamp = BigInt(this.#nextId * 1000 + random.between(-50, 50));
      points.push({ seriesId: BigInt(random.between(0, 6)), timestamp, value });
    }
    const texts = points.map((one) => pointText(one.seriesId, one.timestamp, one.value));
    for (const text of texts) this.sent.add(text);
    this.batches.push(texts);
    const memtable = log.memtable(memtableId);
    const [only] = points;
    await (points.length === 1 && only !== undefined
      ? memtable.write(only.seriesId, only.timestamp, only.value)
      : memtable.writeBatch(points));
    for (const text of texts) this.acknowledged.add(text);
  }

  /** What a store does with a frozen memtable: write the file unless it is there, then release. */
  async flush(frozen: FrozenMemtable | undefined): Promise<void> {
    if (frozen === undefined) return;
    const { region, memtable } = frozen;
    if (!this.files.has(region)) this.files.set(region, contentOf(memtable));
    await frozen.release();
    this.released.add(region);
  }

  /** Compares what a restart has found with what may be lost and what may not. */
  assertRecovered(log: SeriesLog, mayLoseAcknowledged = false): void {
    const seen = new Map<string, number>();
    const count = (points: Iterable<string>): void => {
      for (const point of points) seen.set(point, (seen.get(point) ?? 0) + 1);
    };
    for (const points of this.files.values()) count(points);
    for (const { region, memtable, points } of log.frozen()) {
      assert.ok(!this.released.has(region), `region ${region} was released and is back`);
      const content = contentOf(memtable);
      assert.equal(content.length, points);
      const file = this.files.get(region);
      if (file === undefined) count(content);
      else assert.deepEqual(content, file, `region ${region} is not what was flushed`);
    }
    for (const [point, times] of seen) {
      assert.ok(this.sent.has(point), `${point} was never written`);
      assert.equal(times, 1, `${point} is there ${times} times`);
    }
    if (!mayLoseAcknowledged) {
      for (const point of this.acknowledged) assert.ok(seen.has(point), `${point} is lost`);
    }
    for (const batch of this.batches) {
      const there = batch.filter((point) => seen.has(point)).length;
      assert.ok(there === 0 || there === batch.length, `${there} of a batch of ${batch.length}`);
    }
  }
}
