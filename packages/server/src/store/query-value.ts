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
const MAX_DATE_MS = 8_640_000_000_000_000n;

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
 * @param count - units since 1970, `digits` of them after the second
 * @param original - gives the text of what has no ISO form: infinity, years that JavaScript does not know
 */
function fromTime(
  count: bigint,
  digits: 0 | 3 | 6 | 9,
  original: { readonly isFinite: boolean },
): string {
  const perSecond = 10n ** BigInt(digits);
  const remainder = count % perSecond;
  const fraction = remainder < 0n ? remainder + perSecond : remainder;
  const wholeMs = ((count - fraction) / perSecond) * 1000n;
  const isNameable = wholeMs <= MAX_DATE_MS && wholeMs >= -MAX_DATE_MS;
  if (!original.isFinite || !isNameable) return textOf(original);
  const seconds = new Date(Number(wholeMs)).toISOString().slice(0, -".000Z".length);
  return digits === 0 ? `${seconds}Z` : `${seconds}.${String(fraction).padStart(digits, "0")}Z`;
}
