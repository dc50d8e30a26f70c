/**
 * Memtable: where a store keeps points in memory until it writes them into a sorted file. Given by the user of the log; this file
 * also has one to begin with.
 */
import type { SeriesEntry } from "./series-entry.ts";

/** What the log needs of a memtable. */
export interface Memtable {
  /**
   * Takes up points that are in the log, synchronously. Live and after a restart the calls are the same in content and order.
   *
   * Values are views of memory that only points of the same memtable share. An exception ends the log, because memtable and log
   * would no longer be the same.
   */
  apply(entries: readonly SeriesEntry[]): void;
  /**
   * All points, such that applying them to an empty memtable makes the same one. With it the log can carry the points of a slow
   * memtable forward; without it the log can only ask for a flush.
   */
  entries?(): Iterable<SeriesEntry>;
}

/** For which part of the log a memtable is made. */
export interface MemtableInfo {
  readonly memtableId: string;
  readonly region: number;
}

/** A memtable that keeps every point in the order of arrival, by series. */
export class ListMemtable implements Memtable {
  readonly #series = new Map<bigint, { timestamps: bigint[]; values: Uint8Array[] }>();

  get seriesCount(): number {
    return this.#series.size;
  }

  apply(entries: readonly SeriesEntry[]): void {
    for (const { seriesId, timestamps, values } of entries) {
      let series = this.#series.get(seriesId);
      if (series === undefined) {
        series = { timestamps: [], values: [] };
        this.#series.set(seriesId, series);
      }
      for (const timestamp of timestamps) series.timestamps.push(timestamp);
      for (const value of values) series.values.push(value);
    }
  }

  /** The points of a series in the order of arrival, or `undefined`. */
  get(seriesId: bigint): SeriesEntry | undefined {
    const series = this.#series.get(seriesId);
    return series === undefined ? undefined : { seriesId, ...series };
  }

  /** Series in the order of their first point. */
  *entries(): IterableIterator<SeriesEntry> {
    for (const [seriesId, series] of this.#series) yield { seriesId, ...series };
  }
}
