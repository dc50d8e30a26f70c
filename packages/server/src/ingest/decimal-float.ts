/**
 * Decimal text to float64, correctly rounded, without making a string in the common case.
 *
 * A mantissa of at most 2^53 and a power of ten of at most 10^22 are both exact doubles, so one division or
 * multiplication rounds once and is therefore exact (Clinger, 1990). Everything else goes to `Number`.
 *
 * Grammar: `-? (digits [. digits*] | . digits) ([eE] [+-]? digits)?`. No leading plus, no names, no hex.
 */

/** Returned instead of a position when the text is not a finite number. */
export const NO_FLOAT = -1;

/** Powers of ten that a double holds exactly. */
const EXACT_POWERS_OF_TEN: Float64Array = Float64Array.from({ length: 23 }, (_, power) =>
  Number(`1e${power}`),
);

const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const UPPER_E = 0x45;
const LOWER_E = 0x65;
/** Digits that always fit a signed 32-bit integer. */
const SMALL_DIGITS = 9;

/**
 * Reads a number at `at` and writes it to `values[row]`.
 *
 * The byte after the number must be readable (the body ends with a newline).
 *
 * @returns the position after the number, or {@link NO_FLOAT}
 */
export function readFloat(bytes: Buffer, at: number, values: Float64Array, row: number): number {
  let position = at;
  const isNegative = bytes[position] === MINUS;
  if (isNegative) position++;
  const first = position;
  let mantissa = 0;
  let digit = (bytes[position] as number) - ZERO;
  while (digit >>> 0 <= 9) {
    mantissa = (Math.imul(mantissa, 10) + digit) | 0;
    digit = (bytes[++position] as number) - ZERO;
  }
  let digitCount = position - first;
  let fractionDigits = 0;
  if (digit === DOT - ZERO) {
    const fractionStart = ++position;
    digit = (bytes[position] as number) - ZERO;
    while (digit >>> 0 <= 9) {
      mantissa = (Math.imul(mantissa, 10) + digit) | 0;
      digit = (bytes[++position] as number) - ZERO;
    }
    fractionDigits = position - fractionStart;
    digitCount += fractionDigits;
  }
  // More digits have overflowed the 32-bit mantissa; no digits is no number; an exponent is rare.
  if (
    digitCount > SMALL_DIGITS ||
    digitCount === 0 ||
    (digit | 0x20) === ((LOWER_E - ZERO) | 0x20)
  ) {
    return readFloatSlowly(bytes, at, values, row);
  }
  const value = mantissa / (EXACT_POWERS_OF_TEN[fractionDigits] as number);
  values[row] = isNegative ? -value : value;
  return position;
}

function readFloatSlowly(bytes: Buffer, at: number, values: Float64Array, row: number): number {
  let position = at;
  const isNegative = bytes[position] === MINUS;
  if (isNegative) position++;
  const first = position;
  let mantissa = 0;
  let fractionStart = -1;
  for (; ; position++) {
    const digit = (bytes[position] as number) - ZERO;
    if (digit >>> 0 <= 9) mantissa = mantissa * 10 + digit;
    else if (digit === DOT - ZERO && fractionStart < 0) fractionStart = position + 1;
    else break;
  }
  const digitCount = position - first - (fractionStart < 0 ? 0 : 1);
  if (digitCount === 0) return NO_FLOAT;
  let exponent = fractionStart < 0 ? 0 : fractionStart - position;

  const byte = bytes[position];
  if (byte === UPPER_E || byte === LOWER_E) {
    position++;
    const isNegativeExponent = bytes[position] === MINUS;
    if (isNegativeExponent || bytes[position] === PLUS) position++;
    const exponentStart = position;
    let written = 0;
    for (; ((bytes[position] as number) - ZERO) >>> 0 <= 9; position++) {
      written = Math.min(written * 10 + ((bytes[position] as number) - ZERO), 100_000);
    }
    if (position === exponentStart) return NO_FLOAT;
    exponent += isNegativeExponent ? -written : written;
  }

  // A sum of 2^53 or less has never been rounded on its way, because partial sums only grow.
  if (mantissa <= Number.MAX_SAFE_INTEGER && exponent >= -22 && exponent <= 22) {
    const power = EXACT_POWERS_OF_TEN[Math.abs(exponent)] as number;
    const value = exponent < 0 ? mantissa / power : mantissa * power;
    values[row] = isNegative ? -value : value;
    return position;
  }
  const value = Number(bytes.toString("latin1", at, position));
  if (!Number.isFinite(value)) return NO_FLOAT;
  values[row] = value;
  return position;
}
