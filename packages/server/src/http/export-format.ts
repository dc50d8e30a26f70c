/**
 * Rows of an export as text: line protocol, JSON lines, CSV. Pure.
 *
 * What a format cannot hold is an error that names it, never something else in its place. JSON and CSV do not tell
 * tags from fields nor an integer from a float: annotated, they say so before the first row, and can be read back
 * exactly.
 */
import type { DuckDBDataChunk, DuckDBValue } from "@duckdb/node-api";
import { ServerError } from "../errors.ts";
import type { ColumnSchema } from "../store/catalog-record.ts";

/** Formats of an export; the last one is no text. */
export const EXPORT_FORMATS = ["lp", "jsonl", "csv", "parquet"] as const;

export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Turns rows into text. */
export interface RowFormatter {
  readonly contentType: string;
  /** What comes before the first row. */
  readonly head: string;
  format(chunk: DuckDBDataChunk): string;
}

/** What is known of a table without looking at its rows. */
export interface ExportHead {
  readonly measurement: string;
  readonly schema: readonly ColumnSchema[];
}

/** The annotation of JSON lines, and of Parquet files: measurement and types. */
export function exportNote({ measurement, schema }: ExportHead): string {
  return JSON.stringify({ measurement, columns: schema.map(({ name, type }) => ({ name, type })) });
}

/** A formatter for the rows of one table. */
export function rowFormatter(
  format: Exclude<ExportFormat, "parquet">,
  table: ExportHead,
  isAnnotated: boolean,
): RowFormatter {
  const { measurement, schema } = table;
  switch (format) {
    case "lp":
      return byRow("text/plain; charset=utf-8", "", lineFormatter(measurement, schema));
    case "jsonl": {
      const head = isAnnotated ? `{"walnut":${exportNote(table)}}\n` : "";
      const names = schema.map(({ name }) => JSON.stringify(name));
      return byRow("application/x-ndjson; charset=utf-8", head, (time, values) => {
        let row = `{"time":"${isoTime(time)}"`;
        names.forEach((name, index) => {
          const value = values[index] ?? null;
          if (value !== null) row += `,${name}:${jsonText(value)}`;
        });
        return `${row}}\n`;
      });
    }
    case "csv": {
      const names = ["time", ...schema.map(({ name }) => name)].map(csvText);
      const head = `${isAnnotated ? csvAnnotation(table) : ""}${names.join(",")}\n`;
      return byRow("text/csv; charset=utf-8", head, (time, values) => {
        const cells = schema.map((_, index) => csvCell(values[index] ?? null));
        return `${[isoTime(time), ...cells].join(",")}\n`;
      });
    }
  }
}

/** Names of types in annotated CSV, as `influx write` reads it. */
export const CSV_TYPES: Readonly<Record<ColumnSchema["type"], string>> = {
  tag: "tag",
  string: "string",
  float: "double",
  integer: "long",
  unsigned: "unsignedLong",
  boolean: "boolean",
};

function csvAnnotation({ measurement, schema }: ExportHead): string {
  const types = schema.map(({ type }) => CSV_TYPES[type]);
  const constant = ["#constant measurement", csvText(measurement)];
  return `${constant.join(",")}\n${["#datatype dateTime:RFC3339Nano", ...types].join(",")}\n`;
}

/** Writes one row, with a value or null for each column. */
export type RowText = (timeNs: bigint, values: readonly DuckDBValue[]) => string;

function byRow(contentType: string, head: string, text: RowText): RowFormatter {
  return {
    contentType,
    head,
    format(chunk) {
      const parts: string[] = [];
      for (const [time, ...values] of chunk.getRows()) parts.push(text(time as bigint, values)); // epoch_ns
      return parts.join("");
    },
  };
}

/** Writes rows of a table as line protocol, times in nanoseconds. What it cannot hold throws `SERVER_INVALID_REQUEST`. */
export function lineFormatter(measurement: string, schema: readonly ColumnSchema[]): RowText {
  const start = lineName(measurement, /[, ]/g);
  const names = schema.map(({ name }) => lineName(name, /[,= ]/g));
  return (time, values) => {
    let tags = "";
    const fields: string[] = [];
    schema.forEach(({ name, type }, index) => {
      const value = values[index] ?? null;
      if (value === null) return;
      if (type === "tag") tags += `,${names[index]}=${lineName(String(value), /[,= ]/g)}`;
      else fields.push(`${names[index]}=${lineValue(name, type, value)}`);
    });
    if (fields.length === 0) throw cannotHold(`a row without fields, at ${time} ns`);
    return `${start}${tags} ${fields.join(",")} ${time}\n`;
  };
}

function lineName(text: string, special: RegExp): string {
  // A backslash before a separator would escape it; a line ends at a line feed, wherever it stands.
  if (text === "" || /[\n\r]|\\$|\\[,= ]/.test(text) || text.startsWith("#")) {
    throw cannotHold(`the name or tag ${JSON.stringify(text)}`);
  }
  return text.replaceAll(special, String.raw`\$&`);
}

function lineValue(name: string, type: ColumnSchema["type"], value: DuckDBValue): string {
  switch (type) {
    case "integer":
      return `${String(value)}i`;
    case "unsigned":
      return `${String(value)}u`;
    case "boolean":
      return value === true ? "true" : "false";
    case "float":
      if (!Number.isFinite(value)) throw cannotHold(`${String(value)} in "${name}"`);
      return floatText(value);
    case "string":
    case "tag":
      return `"${(value as string).replaceAll(/["\\]/g, String.raw`\$&`)}"`;
  }
}

function jsonText(value: DuckDBValue): string {
  if (typeof value === "bigint") {
    const text = String(value);
    return Number.isSafeInteger(Number(value)) ? text : `"${text}"`;
  }
  if (typeof value !== "number") return JSON.stringify(value);
  return Number.isFinite(value) ? floatText(value) : `"${value}"`;
}

function floatText(value: DuckDBValue): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** No value is an empty cell, an empty text is `""`. */
function csvCell(value: DuckDBValue): string {
  if (value === null) return "";
  if (typeof value === "string") return csvText(value);
  return typeof value === "number" ? floatText(value) : String(value);
}

function csvText(text: string): string {
  return text === "" || /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const NS_PER_MS = 1_000_000n;
const NS_PER_SECOND = 1_000_000_000n;

function isoTime(timeNs: bigint): string {
  const fraction = ((timeNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const seconds = new Date(Number((timeNs - fraction) / NS_PER_MS)).toISOString().slice(0, -5);
  return `${seconds}.${String(fraction).padStart(9, "0")}Z`;
}

function cannotHold(what: string): ServerError {
  return new ServerError(
    "SERVER_INVALID_REQUEST",
    `line protocol cannot hold ${what}; export as jsonl or csv`,
  );
}
