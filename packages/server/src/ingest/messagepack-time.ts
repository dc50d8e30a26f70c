/**
 * Timestamps of MessagePack bodies: integers in a unit found by magnitude, or the timestamp extension.
 *
 * The unit follows from the first value of a column, or from the value of a row: below 10^10 seconds, below
 * 10^13 milliseconds, below 10^16 microseconds, else nanoseconds, without regard to the sign. Floats are
 * accepted where they are whole numbers, because some encoders write large integers that way.
 */
import { writeSigned } from "./decimal-integer.ts";
import { FORMAT, type MessagePackCursor } from "./messagepack-cursor.ts";

/** A unit of time: how many make a second. */
export type UnitsPerSecond = 1 | 1_000 | 1_000_000 | 1_000_000_000;

const TIMESTAMP_EXTENSION = 0xff; // −1 as a byte.
const NS_PER_SECOND = 1_000_000_000;
const MAX_INT64 = 2n ** 63n - 1n;
const MIN_INT64 = -(2n ** 63n);

/** Unit of a value of this size. */
export function unitsPerSecond(magnitude: number): UnitsPerSecond {
  if (magnitude < 1e10) return 1;
  if (magnitude < 1e13) return 1_000;
  return magnitude < 1e16 ? 1_000_000 : 1_000_000_000;
}

/**
 * Reads the next value as a timestamp into `halves` at `row`.
 *
 * @param unit - the unit found earlier in the column, if any
 * @returns the unit of the column, if known by now
 */
export function readTime(
  cursor: MessagePackCursor,
  halves: Int32Array,
  row: number,
  unit: UnitsPerSecond | undefined,
): UnitsPerSecond | undefined {
  const at = cursor.at;
  if (cursor.readInteger()) {
    const value = cursor.integerAsDouble;
    const known = unit ?? unitsPerSecond(Math.abs(value));
    if (known === NS_PER_SECOND && !cursor.isHuge) {
      halves[2 * row] = cursor.low;
      halves[2 * row + 1] = cursor.high;
    } else if (Number.isSafeInteger(value)) {
      writeScaled(cursor, at, halves, row, value, known);
    } else {
      writeExactly(cursor, at, halves, row, cursor.integerAsBigInt * BigInt(NS_PER_SECOND / known));
    }
    return known;
  }
  const float = cursor.readFloat();
  if (float !== undefined) {
    if (!Number.isInteger(float)) cursor.fail(`the time ${float} is not a whole number`, { at });
    const known = unit ?? unitsPerSecond(Math.abs(float));
    if (Number.isSafeInteger(float)) writeScaled(cursor, at, halves, row, float, known);
    else writeExactly(cursor, at, halves, row, BigInt(float) * BigInt(NS_PER_SECOND / known));
    return known;
  }
  readTimestampExtension(cursor, halves, row);
  return unit;
}

/** Reads `count` timestamps in a row; the usual spelling, 64-bit integers of nanoseconds, is copied. */
export function readTimes(
  cursor: MessagePackCursor,
  halves: Int32Array,
  firstRow: number,
  count: number,
): void {
  const { bytes, view, path } = cursor;
  const lastStart = bytes.length - 9;
  let unit: UnitsPerSecond | undefined;
  let row = firstRow;
  const endRow = firstRow + count;
  while (row < endRow) {
    if (unit === NS_PER_SECOND) {
      let at = cursor.at;
      while (row < endRow && at <= lastStart) {
        const byte = bytes[at] as number;
        if (byte !== FORMAT.uint64 && byte !== FORMAT.int64) break;
        const high = view.getInt32(at + 1);
        if (high < 0 && byte === FORMAT.uint64) break;
        halves[2 * row] = view.getInt32(at + 5);
        halves[2 * row + 1] = high;
        row++;
        at += 9;
      }
      cursor.at = at;
      if (row === endRow) break;
    }
    path.element = row - firstRow;
    unit = readTime(cursor, halves, row, unit);
    row++;
  }
  path.element = -1;
}

function writeScaled(
  cursor: MessagePackCursor,
  at: number,
  halves: Int32Array,
  row: number,
  value: number,
  unit: UnitsPerSecond,
): void {
  const magnitude = Math.abs(value);
  const seconds = Math.floor(magnitude / unit);
  const nanoseconds = (magnitude - seconds * unit) * (NS_PER_SECOND / unit);
  if (!writeSigned(halves, row, seconds, nanoseconds, value < 0)) failRange(cursor, at);
}

function writeExactly(
  cursor: MessagePackCursor,
  at: number,
  halves: Int32Array,
  row: number,
  nanoseconds: bigint,
): void {
  if (nanoseconds > MAX_INT64 || nanoseconds < MIN_INT64) failRange(cursor, at);
  halves[2 * row] = Number(nanoseconds & 0xffff_ffffn) | 0;
  halves[2 * row + 1] = Number(nanoseconds >> 32n);
}

/** Timestamp extension of the MessagePack specification: type −1 with 4, 8 or 12 bytes. */
function readTimestampExtension(cursor: MessagePackCursor, halves: Int32Array, row: number): void {
  const at = cursor.at;
  const { bytes, view } = cursor;
  const format = cursor.peek();
  const isLong = format === FORMAT.ext8;
  if (format !== FORMAT.fixext4 && format !== FORMAT.fixext8 && !isLong) {
    cursor.fail(`a time must be an integer or a timestamp, found ${cursor.describe()}`);
  }
  cursor.skip();
  const typeAt = isLong ? at + 2 : at + 1;
  if (bytes[typeAt] !== TIMESTAMP_EXTENSION || (isLong && bytes[at + 1] !== 12)) {
    cursor.fail("the extension value is not a timestamp", { at });
  }
  const dataAt = typeAt + 1;
  let seconds = BigInt(view.getUint32(dataAt));
  let nanoseconds = 0;
  if (format === FORMAT.fixext8) {
    const bits = view.getBigUint64(dataAt);
    nanoseconds = Number(bits >> 34n);
    seconds = bits & 0x3_ffff_ffffn;
  } else if (isLong) {
    nanoseconds = view.getUint32(dataAt);
    seconds = view.getBigInt64(dataAt + 4);
  }
  if (nanoseconds >= NS_PER_SECOND)
    cursor.fail("the timestamp has more nanoseconds than a second", { at });
  writeExactly(cursor, at, halves, row, seconds * BigInt(NS_PER_SECOND) + BigInt(nanoseconds));
}

function failRange(cursor: MessagePackCursor, at: number): never {
  return cursor.fail("the time is outside the range of signed 64-bit nanoseconds", { at });
}
