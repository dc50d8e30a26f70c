/**
 * Decimal text to float64, correctly rounded, without making a string in the common case.
 *
 * A mantissa of at most 2^53 and a power of ten of at most 10^22 are both exact doubles, so one division or
 * multiplication rounds once and is therefore exact (Clinger, 1990). Up to 18 digits, as the shortest text of most
 * doubles has, the quotient is computed to twice the precision, with a proof that its rounding is right or a
 * refusal. Everything else goes to `Number`.
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
/** Relative error allowed for in a quotient of twice the precision; the actual one stays below 2^-103. */
const DOUBT = 2 ** -98;
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
  if (digitCount === 0) return NO_FLOAT;
  // More digits have overflowed the 32-bit mantissa; an exponent is rare.
  if (digitCount > SMALL_DIGITS || (digit | 0x20) === ((LOWER_E - ZERO) | 0x20)) {
    return readLongFloat(bytes, { at, first, end: position, fractionDigits }, values, row);
  }
  const value = mantissa / (EXACT_POWERS_OF_TEN[fractionDigits] as number);
  values[row] = isNegative ? -value : value;
  return position;
}

/** A mantissa whose bytes are known: `[first, end)`, with the sign from `at` on. */
interface Mantissa {
  readonly at: number;
  readonly first: number;
  readonly end: number;
  readonly fractionDigits: number;
}

function readLongFloat(
  bytes: Buffer,
  mantissa: Mantissa,
  values: Float64Array,
  row: number,
): number {
  const { at, first, end } = mantissa;
  let position = end;
  let exponent = -mantissa.fractionDigits;
  if (bytes[end] === LOWER_E || bytes[end] === UPPER_E) {
    position++;
    const isNegative = bytes[position] === MINUS;
    if (isNegative || bytes[position] === PLUS) position++;
    const exponentStart = position;
    let written = 0;
    for (; ((bytes[position] as number) - ZERO) >>> 0 <= 9; position++) {
      written = Math.min(written * 10 + ((bytes[position] as number) - ZERO), 100_000);
    }
    if (position === exponentStart) return NO_FLOAT;
    exponent += isNegative ? -written : written;
  }

  // Significant digits: nine in `upper`, nine more in `lower`, any further only counted.
  let from = first;
  while (bytes[from] === ZERO || bytes[from] === DOT) from++;
  let upper = 0;
  let lower = 0;
  let digitCount = 0;
  for (let index = from; index < end; index++) {
    const digit = (bytes[index] as number) - ZERO;
    if (digit < 0) continue; // The point.
    if (digitCount < SMALL_DIGITS) upper = (Math.imul(upper, 10) + digit) | 0;
    else if (digitCount < 2 * SMALL_DIGITS) lower = (Math.imul(lower, 10) + digit) | 0;
    digitCount++;
  }

  const isNegative = first > at;
  if (digitCount <= 2 * SMALL_DIGITS && exponent >= -22 && exponent <= 22) {
    const shift = Math.max(0, digitCount - SMALL_DIGITS);
    // Nine digits times a power up to 10^9 have at most 51 significant bits: exact.
    const value = scaled(upper * (EXACT_POWERS_OF_TEN[shift] as number), lower, exponent);
    if (value === value) {
      values[row] = isNegative ? -value : value;
      return position;
    }
  }
  const value = Number(bytes.toString("latin1", at, position));
  if (!Number.isFinite(value)) return NO_FLOAT;
  values[row] = value;
  return position;
}

/** `(high + low) × 10^exponent`, correctly rounded, or NaN where that is not certain. |exponent| is at most 22. */
function scaled(high: number, low: number, exponent: number): number {
  const sum = high + low;
  const power = EXACT_POWERS_OF_TEN[Math.abs(exponent)] as number;
  if (sum <= Number.MAX_SAFE_INTEGER) return exponent < 0 ? sum / power : sum * power;
  if (exponent > 0) return Number.NaN;
  // What the sum lost: exact, because `high` is larger than `low`.
  const lost = low - (sum - high);
  const quotient = sum / power;
  // quotient × power = product + productLost, exactly (Dekker, 1971).
  const product = quotient * power;
  const quotientHigh = upperBits(quotient);
  const quotientLow = quotient - quotientHigh;
  const powerHigh = upperBits(power);
  const powerLow = power - powerHigh;
  const productLost =
    quotientLow * powerLow -
    (product - quotientHigh * powerHigh - quotientLow * powerHigh - quotientHigh * powerLow);
  const rest = (sum - product - productLost + lost) / power;
  // The true value differs from quotient + rest by less than `doubt`; if both ends round alike, so does it.
  const doubt = quotient * DOUBT;
  const rounded = quotient + (rest + doubt);
  return rounded === quotient + (rest - doubt) ? rounded : Number.NaN;
}

/** The upper half of the bits of a double (Veltkamp). */
function upperBits(value: number): number {
  const scaledUp = value * 134_217_729; // 2^27 + 1
  return scaledUp - (scaledUp - value);
}
