/**
 * Values of an answer as JSON: exact, whatever their size.
 *
 * | SQL type | JSON |
 * |---|---|
 * | BOOLEAN | true, false |
 * | integers up to 32 bit | number |
 * | BIGINT, UBIGINT, HUGEINT, UHUGEINT | number up to 2^53 - 1, decimal string beyond |
 * | DOUBLE, FLOAT | number; "NaN", "Infinity", "-Infinity" |
 * | DECIMAL | string |
 * | TIMESTAMP (_S, _MS, _NS, WITH TIME ZONE) | ISO 8601 in UTC with all digits of its type, ending in Z |
 * | VARCHAR, ENUM, UUID, DATE, TIME, INTERVAL, BIT, … | string |
 * | BLOB | base64 string |
 * | LIST, ARRAY | array |
 * | STRUCT | object; MAP: array of {key, value}; UNION: {tag, value} |
 * | NULL | null |
 *
 * Pure.
 */
import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUnionValue,
  type DuckDBValue,
} from "@duckdb/node-api";

/** A value that `JSON.stringify` writes without loss. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** Furthest instants that JavaScript can name; the engine knows later ones. */
const MAX_DATE_MS = 8_640_000_000_000_000;
/** The engine's infinity, in the units of every type of timestamp; minus infinity is its negative. */
const INFINITE = 2n ** 63n - 1n;

/** One value of an answer as JSON. */
export function toJsonValue(value: DuckDBValue): JsonValue {
  if (value === null) return null;
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) ? value : String(value);
    case "bigint":
      return fromBigInt(value);
    default:
      return fromObject(value);
  }
}

function fromBigInt(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

function fromObject(value: object): JsonValue {
  if (value instanceof DuckDBTimestampNanosecondsValue) return fromTime(value.nanos, 9, value);
  if (value instanceof DuckDBTimestampValue) return fromTime(value.micros, 6, value);
  if (value instanceof DuckDBTimestampTZValue) return fromTime(value.micros, 6, value);
  if (value instanceof DuckDBTimestampMillisecondsValue) return fromTime(value.millis, 3, value);
  if (value instanceof DuckDBTimestampSecondsValue) return fromTime(value.seconds, 0, value);
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) {
    return value.items.map(toJsonValue);
  }
  if (value instanceof DuckDBStructValue) return fromEntries(value.entries);
  if (value instanceof DuckDBMapValue) {
    return value.entries.map((entry) => ({
      key: toJsonValue(entry.key),
      value: toJsonValue(entry.value),
    }));
  }
  if (value instanceof DuckDBUnionValue) return { tag: value.tag, value: toJsonValue(value.value) };
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString("base64");
  // DATE, TIME, INTERVAL, DECIMAL, UUID, BIT: their text is exact.
  return textOf(value);
}

/** The text that a class of the engine gives itself. */
function textOf(value: object): string {
  // oxlint-disable-next-line typescript/no-base-to-string -- each of them has its own `toString`.
  return value.toString();
}

function fromEntries(entries: Readonly<Record<string, DuckDBValue>>): JsonValue {
  return Object.fromEntries(Object.entries(entries).map(([key, item]) => [key, toJsonValue(item)]));
}

/**
 * Two divisions of bigints and one Date a value: answers are mostly times, and this is most of their cost.
 *
 * @param count - units since 1970
 * @param digits - after the second: 9 for nanoseconds, 0 for seconds
 * @param original - gives the text of what has no ISO form: infinity, years that JavaScript does not know
 */
function fromTime(count: bigint, digits: 0 | 3 | 6 | 9, original: object): string {
  const perMs = digits === 9 ? 1_000_000n : digits === 6 ? 1_000n : 1n;
  const quotient = count / perMs;
  let wholeMs = Number(quotient);
  let rest = Number(count - quotient * perMs);
  if (digits === 0) wholeMs *= 1000;
  if (rest < 0) {
    rest += Number(perMs);
    wholeMs -= 1;
  }
  const isNameable = wholeMs <= MAX_DATE_MS && wholeMs >= -MAX_DATE_MS;
  if (!isNameable || count === INFINITE || count === -INFINITE) return textOf(original);
  const text = new Date(wholeMs).toISOString();
  if (digits === 0) return `${text.slice(0, -".000Z".length)}Z`;
  if (digits === 3) return text;
  return `${text.slice(0, -1)}${String(rest).padStart(digits - 3, "0")}Z`;
}
