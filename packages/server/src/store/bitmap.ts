/**
 * Validity bitmaps: one bit per row, least significant bit first, 1 where the row has a value.
 *
 * The form of `validity` in table-batch.ts and of DuckDB's own vectors. Pure; rows are counted from 0.
 */

/** Bytes that hold `rowCount` bits. */
export function bitmapBytes(rowCount: number): number {
  return (rowCount + 7) >>> 3;
}

/** True when the bit of `row` is set. */
export function hasBit(bitmap: Uint8Array, row: number): boolean {
  return (((bitmap[row >>> 3] ?? 0) >>> (row & 7)) & 1) === 1;
}

/** Sets `count` bits from bit `from`. */
export function setBits(bitmap: Uint8Array, from: number, count: number): void {
  let bit = from;
  const end = from + count;
  while (bit < end && (bit & 7) !== 0) setBit(bitmap, bit++);
  const wholeBytes = (end - bit) >>> 3;
  bitmap.fill(0xff, bit >>> 3, (bit >>> 3) + wholeBytes);
  bit += wholeBytes * 8;
  while (bit < end) setBit(bitmap, bit++);
}

/** Copies the first `count` bits of `source` to `target` from bit `targetBit`. The target bits are zero. */
export function copyBits(
  target: Uint8Array,
  targetBit: number,
  source: Uint8Array,
  count: number,
): void {
  const shift = targetBit & 7;
  const firstByte = targetBit >>> 3;
  const wholeBytes = count >>> 3;
  if (shift === 0) {
    target.set(source.subarray(0, wholeBytes), firstByte);
  } else {
    for (let index = 0; index < wholeBytes; index++) {
      const byte = source[index] ?? 0;
      target[firstByte + index] = (target[firstByte + index] ?? 0) | ((byte << shift) & 0xff);
      target[firstByte + index + 1] = (target[firstByte + index + 1] ?? 0) | (byte >>> (8 - shift));
    }
  }
  for (let bit = wholeBytes * 8; bit < count; bit++) {
    if (hasBit(source, bit)) setBit(target, targetBit + bit);
  }
}

/** The bits of `source` in the order of `rows`. */
export function gatherBits(source: Uint8Array, rows: Uint32Array): Uint8Array {
  const gathered = new Uint8Array(bitmapBytes(rows.length));
  for (let index = 0; index < rows.length; index++) {
    if (hasBit(source, rows[index] ?? 0)) setBit(gathered, index);
  }
  return gathered;
}

function setBit(bitmap: Uint8Array, bit: number): void {
  bitmap[bit >>> 3] = (bitmap[bit >>> 3] ?? 0) | (1 << (bit & 7));
}
