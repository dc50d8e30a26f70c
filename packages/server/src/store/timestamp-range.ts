/**
 * Which 64-bit nanosecond timestamps a table can hold.
 *
 * Both ends of the range are taken: the engine reads the largest and the two smallest integers as infinity
 * or not at all, and cannot compute with times before 1677-09-22T00:00:00Z. Such a row could be written and
 * never read back, so it is refused before it is logged. Pure.
 */

/** 1677-09-22T00:00:00Z, the first time that the engine can read. */
export const MIN_TIMESTAMP_NS: bigint = -9_223_286_400_000_000_000n;
/** The last nanosecond before the one that the engine reads as infinity. */
export const MAX_TIMESTAMP_NS: bigint = 9_223_372_036_854_775_806n;

const UPPER_HALF_OF_MIN = Number(MIN_TIMESTAMP_NS >> 32n);
const UPPER_HALF_OF_MAX = Number(MAX_TIMESTAMP_NS >> 32n);
const UPPER_HALF = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 1 : 0;

/** The first timestamp outside the range, or `undefined`. */
export function unsupportedTimestamp(timestamps: BigInt64Array): bigint | undefined {
  // Only the upper halves are read, as plain numbers: no bigint is made for a timestamp inside the range.
  const words = new Int32Array(timestamps.buffer, timestamps.byteOffset, timestamps.length * 2);
  for (let row = 0; row < timestamps.length; row++) {
    const upper = words[row * 2 + UPPER_HALF] ?? 0;
    if (upper > UPPER_HALF_OF_MIN && upper < UPPER_HALF_OF_MAX) continue;
    const timestamp = timestamps[row] ?? 0n;
    if (timestamp < MIN_TIMESTAMP_NS || timestamp > MAX_TIMESTAMP_NS) return timestamp;
  }
  return undefined;
}
