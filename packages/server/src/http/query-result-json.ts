/**
 * A query result as JSON text, with every 64-bit integer and nanosecond intact.
 *
 * Integers are JSON numbers with all their digits; a client whose numbers are doubles asks for text
 * instead. NaN and the infinities, which JSON cannot write, are the strings "NaN", "Infinity" and
 * "-Infinity". Written by hand because JSON.stringify refuses bigint. Pure.
 */
import type { QueryResult } from "../store/table-store.ts";

/** How values are written. */
export interface QueryResultFormat {
  /** Write 64-bit integers as text, for clients that would round them. */
  readonly integersAsText: boolean;
}

const DURATION_DECIMALS = 3;

/** The answer of the query route. */
export function queryResultJson(result: QueryResult, format: QueryResultFormat): string {
  const names = JSON.stringify(result.columns.map((column) => column.name));
  const types = JSON.stringify(result.columns.map((column) => column.type));
  const rows = result.rows.map((row) => valuesJson(row, format));
  return (
    `{"success":true,"columns":${names},"types":${types},"data":[${rows.join(",")}],` +
    `"row_count":${result.rowCount},` +
    `"execution_time_ms":${Number(result.durationMs.toFixed(DURATION_DECIMALS))}}`
  );
}

function valuesJson(values: readonly unknown[], format: QueryResultFormat): string {
  let text = "[";
  for (let index = 0; index < values.length; index++) {
    if (index > 0) text += ",";
    text += valueJson(values[index], format);
  }
  return `${text}]`;
}

function valueJson(value: unknown, format: QueryResultFormat): string {
  switch (typeof value) {
    case "number":
      if (Object.is(value, -0)) return "-0"; // String() would drop the sign.
      return Number.isFinite(value) ? String(value) : `"${value}"`;
    case "bigint":
      return format.integersAsText ? `"${value}"` : String(value);
    case "boolean":
      return value ? "true" : "false";
    case "string":
      return JSON.stringify(value);
    case "object":
      return objectJson(value, format);
    case "undefined":
    case "function":
    case "symbol":
      return "null";
  }
}

function objectJson(value: object | null, format: QueryResultFormat): string {
  if (value === null) return "null";
  if (value instanceof Date) return JSON.stringify(value);
  if (Array.isArray(value)) return valuesJson(value, format);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${valueJson(member, format)}`,
  );
  return `{${members.join(",")}}`;
}
