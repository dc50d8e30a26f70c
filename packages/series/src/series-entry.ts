/**
 * What a series log is made of: points, and entries, which are the points of one series that were written together.
 */

/** One value of one series at one time. */
export interface SeriesPoint {
  /** 0 to 2^64 - 1. */
  readonly seriesId: bigint;
  /** -2^63 to 2^63 - 1, in whatever unit the store uses. */
  readonly timestamp: bigint;
  readonly value: Uint8Array;
}

/** Points of one series in the order in which they were written; `timestamps[i]` belongs to `values[i]`. */
export interface SeriesEntry {
  readonly seriesId: bigint;
  readonly timestamps: readonly bigint[];
  readonly values: readonly Uint8Array[];
}

const MAX_SERIES_ID = 2n ** 64n - 1n;
const MAX_TIMESTAMP = 2n ** 63n - 1n;

/** @throws {TypeError | RangeError} when a point is none: a mistake of the program */
export function assertPoint(seriesId: bigint, timestamp: bigint, value: Uint8Array): void {
  if (typeof seriesId !== "bigint" || typeof timestamp !== "bigint") {
    throw new TypeError("series ids and timestamps are bigint, such as 7n");
  }
  if (!(value instanceof Uint8Array)) {
    throw new TypeError("a value is a Uint8Array; encode strings with new TextEncoder().encode()");
  }
  if (seriesId < 0n || seriesId > MAX_SERIES_ID) {
    throw new RangeError(`series id ${seriesId}: must be from 0 to 2^64 - 1`);
  }
  if (timestamp < -MAX_TIMESTAMP - 1n || timestamp > MAX_TIMESTAMP) {
    throw new RangeError(`timestamp ${timestamp}: must be from -2^63 to 2^63 - 1`);
  }
}
