/**
 * Decimal digits to exact 64-bit integers, without BigInt arithmetic.
 *
 * A 64-bit value is stored as two 32-bit halves, low half first, in an `Int32Array` that shares its memory with
 * a `BigInt64Array` or `BigUint64Array` (little-endian hosts). Doubles are exact up to 2^53, so values are
 * computed in two parts, `high × 10^9 + low`, each product of which stays below 2^53.
 */
import type { PrecisionScale } from "./precision.ts";

/** Returned instead of a position when the text is not a number of the expected kind. */
export const NO_NUMBER = -1;

const TWO_32 = 4_294_967_296;
const TEN_9 = 1_000_000_000;
/** Digits that always fit a signed 32-bit integer. */
const SMALL_DIGITS = 9;
const MINUS = 0x2d;
const ZERO = 0x30;
const LOWER_I = 0x69;

/**
 * Writes `±(high × 10^9 + low)` as a signed 64-bit integer into `halves` at `row`.
 *
 * @param parts - `high` is an integer of any size, `low` an integer in [0, 10^9)
 * @returns false, with nothing written, when the value is outside [−2^63, 2^63)
 */
export function writeSigned(
  halves: Int32Array,
  row: number,
  high: number,
  low: number,
  isNegative: boolean,
): boolean {
  // 2^63 / 10^9 is 9,223,372,036.85; beyond it the products below would not be exact.
  if (high > 9_223_372_036) return false;
  const upper = Math.floor(high / 65_536);
  const product = upper * TEN_9;
  const rest = (high - upper * 65_536) * TEN_9 + low;
  const productUpper = Math.floor(product / 65_536);
  const lowSum = (product - productUpper * 65_536) * 65_536 + rest;
  const carry = Math.floor(lowSum / TWO_32);
  const lowHalf = lowSum - carry * TWO_32;
  const highHalf = productUpper + carry;
  if (isNegative) {
    if (highHalf > 0x7fffffff && !(highHalf === 0x80000000 && lowHalf === 0)) return false;
    halves[2 * row] = -lowHalf | 0;
    halves[2 * row + 1] = lowHalf === 0 ? -highHalf | 0 : ~highHalf;
    return true;
  }
  if (highHalf > 0x7fffffff) return false;
  halves[2 * row] = lowHalf | 0;
  halves[2 * row + 1] = highHalf;
  return true;
}

/** As {@link writeSigned} for [0, 2^64). */
export function writeUnsigned(halves: Int32Array, row: number, high: number, low: number): boolean {
  if (high > 18_446_744_073) return false;
  const upper = Math.floor(high / 65_536);
  const product = upper * TEN_9;
  const rest = (high - upper * 65_536) * TEN_9 + low;
  const productUpper = Math.floor(product / 65_536);
  const lowSum = (product - productUpper * 65_536) * 65_536 + rest;
  const carry = Math.floor(lowSum / TWO_32);
  const highHalf = productUpper + carry;
  if (highHalf >= TWO_32) return false;
  halves[2 * row] = (lowSum - carry * TWO_32) | 0;
  halves[2 * row + 1] = highHalf | 0;
  return true;
}

/**
 * Reads `-?digits` and then `i` at `at` into `halves`.
 *
 * @returns the position after the `i`, or {@link NO_NUMBER} when the text differs or is out of range
 */
export function readIntegerField(
  bytes: Uint8Array,
  at: number,
  halves: Int32Array,
  row: number,
): number {
  let position = at;
  const isNegative = bytes[position] === MINUS;
  if (isNegative) position++;
  const first = position;
  let value = 0;
  let digit = (bytes[position] as number) - ZERO;
  while (digit >>> 0 <= 9 && position - first < SMALL_DIGITS) {
    value = (Math.imul(value, 10) + digit) | 0;
    digit = (bytes[++position] as number) - ZERO;
  }
  if (digit === LOWER_I - ZERO && position > first) {
    halves[2 * row] = isNegative ? -value | 0 : value;
    halves[2 * row + 1] = isNegative && value !== 0 ? -1 : 0;
    return position + 1;
  }
  if (digit >>> 0 > 9) return NO_NUMBER;
  return readLongInteger(bytes, first, halves, row, isNegative);
}

function readLongInteger(
  bytes: Uint8Array,
  first: number,
  halves: Int32Array,
  row: number,
  isNegative: boolean,
): number {
  const end = digitsEnd(bytes, first);
  if (bytes[end] !== LOWER_I) return NO_NUMBER;
  const split = Math.max(first, end - 9);
  const isInRange = writeSigned(
    halves,
    row,
    digitsValue(bytes, first, split),
    digitsValue(bytes, split, end),
    isNegative,
  );
  return isInRange ? end + 1 : NO_NUMBER;
}

/** Reads `digits` and then `u`, as {@link readIntegerField} does for `i`. */
export function readUnsignedField(
  bytes: Uint8Array,
  at: number,
  halves: Int32Array,
  row: number,
): number {
  const end = digitsEnd(bytes, at);
  if (end === at || bytes[end] !== 0x75) return NO_NUMBER;
  const split = Math.max(at, end - 9);
  const isInRange = writeUnsigned(
    halves,
    row,
    digitsValue(bytes, at, split),
    digitsValue(bytes, split, end),
  );
  return isInRange ? end + 1 : NO_NUMBER;
}

/**
 * Reads `-?digits` in the given precision at `at` and writes nanoseconds into `halves`.
 *
 * @returns the position after the last digit, or {@link NO_NUMBER} when there is none or it is out of range
 */
export function readTimestamp(
  bytes: Uint8Array,
  at: number,
  scale: PrecisionScale,
  halves: Int32Array,
  row: number,
): number {
  const isNegative = bytes[at] === MINUS;
  const first = isNegative ? at + 1 : at;
  const end = digitsEnd(bytes, first);
  if (end === first) return NO_NUMBER;
  const split = Math.max(first, end - scale.fractionDigits);
  const seconds = digitsValue(bytes, first, split) * scale.secondsPerUnit;
  const nanoseconds = digitsValue(bytes, split, end) * scale.fractionNs;
  return writeSigned(halves, row, seconds, nanoseconds, isNegative) ? end : NO_NUMBER;
}

function digitsEnd(bytes: Uint8Array, first: number): number {
  let at = first;
  while (((bytes[at] as number) - ZERO) >>> 0 <= 9) at++;
  return at;
}

/** Exact up to 15 digits; larger values are larger than every limit they are compared with. */
function digitsValue(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let at = from; at < to; at++) value = value * 10 + ((bytes[at] as number) - ZERO);
  return value;
}
