/**
 * Precision: the unit in which a client writes its timestamps.
 *
 * Both spellings are accepted: those of the InfluxDB 1.x API (`n`, `u`, `ms`, `s`, `m`, `h`) and those of the
 * 2.x API (`ns`, `us`, `ms`, `s`). What a timestamp becomes is decided in decimal-integer.ts.
 */
import { ServerError } from "../errors.ts";

/** Unit of the timestamps of one request. `n` is `ns`, `u` is `us`. */
export type Precision = "n" | "ns" | "u" | "us" | "ms" | "s" | "m" | "h";

/**
 * How the digits of a timestamp split into whole seconds and a fraction: a timestamp of 1,700,000,000,123 in
 * `ms` has three fraction digits, so it is 1,700,000,000 s and 123 of a thousand.
 */
export interface PrecisionScale {
  /** Decimal digits below one second: 9, 6, 3 or 0. */
  readonly fractionDigits: number;
  /** Nanoseconds of one unit of the fraction: 10 to the power 9 − fractionDigits. */
  readonly fractionNs: number;
  /** Seconds of one unit when there is no fraction: 1, 60 or 3,600. */
  readonly secondsPerUnit: number;
}

const NANOSECONDS: PrecisionScale = { fractionDigits: 9, fractionNs: 1, secondsPerUnit: 1 };
const MICROSECONDS: PrecisionScale = { fractionDigits: 6, fractionNs: 1_000, secondsPerUnit: 1 };

/** The scale of every precision. */
export const PRECISION_SCALES: Readonly<Record<Precision, PrecisionScale>> = {
  n: NANOSECONDS,
  ns: NANOSECONDS,
  u: MICROSECONDS,
  us: MICROSECONDS,
  ms: { fractionDigits: 3, fractionNs: 1_000_000, secondsPerUnit: 1 },
  s: { fractionDigits: 0, fractionNs: 1_000_000_000, secondsPerUnit: 1 },
  m: { fractionDigits: 0, fractionNs: 1_000_000_000, secondsPerUnit: 60 },
  h: { fractionDigits: 0, fractionNs: 1_000_000_000, secondsPerUnit: 3_600 },
};

/**
 * Parses the `precision` parameter of a write request.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST` when the text names no precision
 */
export function parsePrecision(text: string): Precision {
  if (isPrecision(text)) return text;
  throw new ServerError(
    "SERVER_INVALID_REQUEST",
    `precision ${JSON.stringify(text.slice(0, 20))} is unknown: expected one of ${Object.keys(PRECISION_SCALES).join(", ")}`,
    { details: { parameter: "precision", found: text.slice(0, 20) } },
  );
}

function isPrecision(text: string): text is Precision {
  return Object.hasOwn(PRECISION_SCALES, text);
}
