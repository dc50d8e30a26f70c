/**
 * collectd's JSON (plugin `write_http`, `Format "JSON"`) to typed columns. Strict: one bad item refuses the body.
 *
 *     [{"values": [1.5], "dstypes": ["gauge"], "dsnames": ["value"], "time": 1280959128.123, "host": "a",
 *       "plugin": "cpu", "plugin_instance": "0", "type": "cpu", "type_instance": "idle", ...}, ...]
 *
 * Names are those of collectd's own InfluxDB output: the plugin is the measurement, `host`, `instance`, `type`
 * and `type_instance` are tags, the names of the data sources are fields. Values are floats whatever their
 * type is, because one plugin reports rates, counts and gauges under the same name. Rules in full:
 * docs/ingest-formats.md, section "collectd".
 */
import { ServerError, type ServerErrorCode } from "../errors.ts";
import { isWellFormed } from "../store/sql-identifier.ts";
import { BatchBuilder } from "./batch-builder.ts";
import { writeSigned } from "./decimal-integer.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import type { TableBuilder } from "./table-builder.ts";
import type { IngestBatch } from "./table-batch.ts";
import { asBuffer, decodeUtf8 } from "./utf8-text.ts";

export interface CollectdOptions {
  readonly database: string;
  readonly limits: IngestLimits;
}

/** Largest body: parsing JSON holds up other requests. collectd sends 4 KiB unless told otherwise. */
export const MAX_COLLECTD_BYTES: number = 4 * 1024 * 1024; // 4 MiB

/** Tags by the members that they come from. */
const TAGS = [
  ["host", "host"],
  ["plugin_instance", "instance"],
  ["type", "type"],
  ["type_instance", "type_instance"],
] as const;

const US_PER_SECOND = 1_000_000;
const NS_PER_US = 1_000;
/** Times beyond it have no 64-bit nanoseconds. */
const MAX_TIME_SECONDS = 9_223_372_036;

type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Decodes one request body.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST` with details `path` (such as `[3].values[0]`) and `reason`,
 *   `SERVER_TOO_LARGE`
 */
export function decodeCollectd(body: Uint8Array, options: CollectdOptions): IngestBatch {
  if (body.byteLength > MAX_COLLECTD_BYTES) {
    fail("", `the body is larger than ${MAX_COLLECTD_BYTES} bytes`, "SERVER_TOO_LARGE");
  }
  const items = parseItems(body);
  const { limits } = options;
  const batch = new BatchBuilder({
    database: options.database,
    limits,
    body: Buffer.alloc(0), // Texts come from the parsed JSON, not from the body.
    fail: (limit, reason) => fail("", `${reason} (${limit})`, "SERVER_TOO_LARGE"),
  });
  for (const [index, item] of items.entries()) addItem(batch, item, `[${index}]`);
  return batch.finish();
}

function parseItems(body: Uint8Array): readonly unknown[] {
  const text = decodeUtf8(asBuffer(body), 0, body.byteLength);
  if (text === undefined) return fail("", "the body is not valid UTF-8");
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (error) {
    return fail(
      "",
      `the body is not JSON: ${error instanceof Error ? error.message : "unreadable"}`,
    );
  }
  if (!Array.isArray(items)) return fail("", "the body is not an array of value lists");
  return items;
}

function addItem(batch: BatchBuilder, item: unknown, path: string): void {
  if (!isObject(item)) return fail(path, "a value list must be an object");
  const { limits } = batch;
  const plugin = textOf(item, "plugin", path);
  if (plugin === "") fail(`${path}.plugin`, "the plugin has no name");
  if (Buffer.byteLength(plugin) > limits.maxNameBytes) {
    fail(`${path}.plugin`, `the name is longer than ${limits.maxNameBytes} bytes`);
  }
  const table = batch.table(plugin, 0);
  const row = table.rowCount;
  table.reserveTimestamps(row + 1);
  writeTime(table.timestamps, row, item["time"], `${path}.time`);
  for (const [member, tag] of TAGS) {
    const text = textOf(item, member, path);
    if (text !== "") addTag(table, { name: tag, text, path: `${path}.${member}` });
  }
  addValues(table, item, path);
  table.rowCount = row + 1;
}

function addTag(
  table: TableBuilder,
  tag: { readonly name: string; readonly text: string; readonly path: string },
): void {
  const row = table.rowCount;
  const column = table.column(tag.name) ?? table.addColumn(tag.name, "tag");
  table.reserve(column, row + 1);
  const code = column.dictionary?.encodeText(tag.text) ?? -1;
  if (code < 0) fail(tag.path, `the text is longer than ${table.limits.maxStringBytes} bytes`);
  column.codes[row] = code;
  column.markValid(row, row + 1);
  column.stamp = row;
}

function addValues(table: TableBuilder, item: JsonObject, path: string): void {
  const values = listOf(item, "values", path);
  const names = listOf(item, "dsnames", path);
  const types = listOf(item, "dstypes", path);
  if (values.length === 0) fail(`${path}.values`, "there is no value");
  if (names.length !== values.length || types.length !== values.length) {
    fail(path, "values, dsnames and dstypes have different lengths");
  }
  const row = table.rowCount;
  for (const [index, value] of values.entries()) {
    const name = names[index];
    if (typeof name !== "string" || name === "") {
      return fail(`${path}.dsnames[${index}]`, "the name of a data source must be a text");
    }
    if (Buffer.byteLength(name) > table.limits.maxNameBytes) {
      fail(
        `${path}.dsnames[${index}]`,
        `the name is longer than ${table.limits.maxNameBytes} bytes`,
      );
    }
    const column = table.column(name) ?? table.addColumn(name, "float");
    if (column.type !== "float" || column.stamp === row) {
      fail(`${path}.dsnames[${index}]`, `${JSON.stringify(name)} is the name of two columns`);
    }
    column.stamp = row;
    if (value === null) continue; // What collectd writes for a value that is not a number.
    const number = numberOf(value, types[index], `${path}.values[${index}]`);
    table.reserve(column, row + 1);
    column.floats[row] = number;
    column.markValid(row, row + 1);
  }
}

/** A value as a float; counts that a float cannot hold exactly are refused, not rounded. */
function numberOf(value: unknown, type: unknown, path: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    return fail(path, "a value must be a number or null");
  }
  if (type !== "gauge" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return fail(path, "the count is beyond 2^53 - 1; let collectd send rates (StoreRates true)");
  }
  return value;
}

function writeTime(timestamps: Int32Array, row: number, time: unknown, path: string): void {
  if (typeof time !== "number" || !(Math.abs(time) <= MAX_TIME_SECONDS)) {
    return fail(path, "the time must be a number of seconds since 1970");
  }
  const isNegative = time < 0;
  const microseconds = Math.round(Math.abs(time) * US_PER_SECOND);
  const seconds = Math.floor(microseconds / US_PER_SECOND);
  const restNs = (microseconds - seconds * US_PER_SECOND) * NS_PER_US;
  writeSigned(timestamps, row, seconds, restNs, isNegative);
}

function textOf(item: JsonObject, member: string, path: string): string {
  const text = item[member];
  // A lone half of a surrogate pair has no UTF-8: JSON can hold one, a column cannot.
  if (typeof text === "string" && isWellFormed(text)) return text;
  return fail(`${path}.${member}`, "a text is missing or not well-formed");
}

function listOf(item: JsonObject, member: string, path: string): readonly unknown[] {
  const list = item[member];
  if (Array.isArray(list)) return list;
  return fail(`${path}.${member}`, "a list is missing");
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fail(
  path: string,
  reason: string,
  code: ServerErrorCode = "SERVER_INVALID_REQUEST",
): never {
  const where = path === "" ? "collectd" : `collectd ${path}`;
  throw new ServerError(code, `${where}: ${reason}; nothing of the request was stored`, {
    details: { path, reason },
  });
}
