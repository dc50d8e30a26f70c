/**
 * Reading and writing of 64-bit integers that are safe JavaScript numbers.
 *
 * The format stores LSNs, ids and times in 8 bytes; values stay at or below 2^53 - 1, so that arithmetic,
 * comparison and JSON need no BigInt. Pure.
 */

const TWO_POW_32 = 2 ** 32;

/** Writes `value` (0 to 2^53 - 1) as 8 little-endian bytes. */
export function writeU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value % TWO_POW_32, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_POW_32), true);
}

/**
 * Reads 8 little-endian bytes.
 *
 * @returns the value, or `undefined` when it exceeds 2^53 - 1 (never written, so the bytes are damaged)
 */
export function readU64(view: DataView, offset: number): number | undefined {
  const value = view.getUint32(offset, true) + view.getUint32(offset + 4, true) * TWO_POW_32;
  return Number.isSafeInteger(value) ? value : undefined;
}
