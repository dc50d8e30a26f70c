/**
 * Answers in the JSON of InfluxDB 1.x. Pure: values in, text out.
 *
 * Integers keep every digit, as InfluxDB writes them; NaN and infinities, which its JSON cannot hold, are null.
 */
import { ServerError } from "../errors.ts";

/** A table of an answer. Values are JSON text already. */
export interface InfluxSeries {
  readonly name: string;
  readonly columns: readonly string[];
  readonly values: readonly (readonly string[])[];
}

/** Writes a time of nanoseconds as JSON. */
export type TimeWriter = (ns: bigint) => string;

const NS_PER_EPOCH: Readonly<Record<string, bigint>> = {
  ns: 1n,
  n: 1n,
  u: 1_000n,
  µ: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const NS_PER_SECOND = 1_000_000_000n;
const INTEGER_TYPES: ReadonlySet<string> = new Set(["BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"]);
const NOT_A_NUMBER: ReadonlySet<unknown> = new Set(["NaN", "Infinity", "-Infinity"]);

/**
 * How times are written: whole units since 1970, or RFC 3339 without `epoch`.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST` for an unknown unit
 */
export function timeWriter(epoch: string | undefined): TimeWriter {
  if (epoch === undefined || epoch === "") return (ns) => JSON.stringify(rfc3339(ns));
  const unit = NS_PER_EPOCH[epoch];
  if (unit === undefined) {
    throw new ServerError(
      "SERVER_INVALID_REQUEST",
      `epoch ${JSON.stringify(epoch)} is unknown; expected ns, u, ms, s, m or h`,
    );
  }
  return (ns) => String(floorDivide(ns, unit));
}

/** A value of SQL as JSON; `type` is its SQL type. */
export function influxValue(value: unknown, type: string): string {
  if (INTEGER_TYPES.has(type) && typeof value === "string") return value;
  if (type === "DOUBLE" && NOT_A_NUMBER.has(value)) return "null";
  return JSON.stringify(value ?? null);
}

/** The whole answer: for each statement its tables. */
export function influxAnswer(results: readonly (readonly InfluxSeries[])[]): string {
  const parts = results.map((series, index) => {
    const tables = series.length === 0 ? "" : `,"series":[${series.map(seriesJson).join(",")}]`;
    return `{"statement_id":${index}${tables}}`;
  });
  // The influx command line reads lines.
  return `{"results":[${parts.join(",")}]}\n`;
}

function seriesJson({ name, columns, values }: InfluxSeries): string {
  const rows = values.map((row) => `[${row.join(",")}]`).join(",");
  const data = values.length === 0 ? "" : `,"values":[${rows}]`;
  return `{"name":${JSON.stringify(name)},"columns":${JSON.stringify(columns)}${data}}`;
}

function rfc3339(ns: bigint): string {
  const seconds = floorDivide(ns, NS_PER_SECOND);
  const fraction = String(ns - seconds * NS_PER_SECOND).padStart(9, "0");
  const date = new Date(Number(seconds) * 1_000).toISOString().slice(0, 19);
  const digits = fraction.replace(/0+$/, "");
  return digits === "" ? `${date}Z` : `${date}.${digits}Z`;
}

function floorDivide(value: bigint, by: bigint): bigint {
  return value / by - (value % by < 0n ? 1n : 0n);
}
