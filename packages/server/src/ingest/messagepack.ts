/**
 * MessagePack ingest bodies to typed columns. Strict: one bad value refuses the whole body.
 *
 *     item      {m, columns: {name: [values], time: [times]}, tags?: [names]}   many rows of one table
 *               {m, t?, h?, fields: {name: value}, tags?: {name: text}}         one row
 *               {m, t?, h?, f: [values], tags?: {name: text}}                   one row, fields field_0, field_1, ...
 *     body      item | [item, ...] | {batch: [item, ...]}
 *
 * `m` is a text, or an integer n for the table `measurement_<n>`; `h` becomes the tag `host`, an integer n
 * becomes `host_<n>`. Rules in full: docs/ingest-formats.md, section "MessagePack".
 */
import { BatchBuilder } from "./batch-builder.ts";
import { ByteDictionary, hashBytes, INVALID_UTF8, VALUE_TOO_LONG } from "./byte-dictionary.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import { MessagePackCursor } from "./messagepack-cursor.ts";
import { MessagePackTable } from "./messagepack-table.ts";
import type { IngestBatch } from "./table-batch.ts";

export interface MessagePackOptions {
  readonly database: string;
  /** Timestamp of rows that have none, in nanoseconds since 1970. */
  readonly nowNs: bigint;
  readonly limits: IngestLimits;
}

/**
 * Decodes one request body.
 *
 * The body is not changed, and the batch does not refer to it.
 *
 * @throws {ServerError} `SERVER_INVALID_MESSAGEPACK`, `SERVER_TYPE_CONFLICT`, `SERVER_TOO_LARGE`, each with details
 *   `offsetBytes` (from 0), `path` (such as `batch[3].fields.usage`) and `reason`
 */
export function decodeMessagePack(body: Uint8Array, options: MessagePackOptions): IngestBatch {
  return new MessagePackDecoder(body, options).decode();
}

/** Keys of an item, and where their values start; −1 where the key is absent. */
interface ItemParts {
  m: number;
  t: number;
  h: number;
  f: number;
  fields: number;
  tags: number;
  columns: number;
  batch: number;
}

interface ItemKey {
  readonly key: keyof ItemParts;
  readonly codes: Uint8Array;
}

const ITEM_KEYS: readonly (keyof ItemParts)[] = [
  "m",
  "t",
  "h",
  "f",
  "fields",
  "tags",
  "columns",
  "batch",
];
const KEYS_BY_LENGTH: readonly (readonly ItemKey[])[] = Array.from({ length: 8 }, (_, length) =>
  ITEM_KEYS.filter((key) => key.length === length).map((key) => ({ key, codes: Buffer.from(key) })),
);

class MessagePackDecoder {
  readonly #cursor: MessagePackCursor;
  readonly #batch: BatchBuilder;
  readonly #limits: IngestLimits;
  readonly #nowHalves: Int32Array;
  /** Measurements by their bytes, and the table of each code. */
  readonly #measurements: ByteDictionary;
  readonly #tablesByCode: MessagePackTable[] = [];
  readonly #tables: Map<string, MessagePackTable> = new Map();
  readonly #parts: ItemParts = {
    m: -1,
    t: -1,
    h: -1,
    f: -1,
    fields: -1,
    tags: -1,
    columns: -1,
    batch: -1,
  };
  #rowCount = 0;

  constructor(body: Uint8Array, options: MessagePackOptions) {
    const cursor = new MessagePackCursor(body, options.limits);
    this.#cursor = cursor;
    this.#limits = options.limits;
    this.#nowHalves = new Int32Array(new BigInt64Array([options.nowNs]).buffer);
    this.#measurements = new ByteDictionary(cursor.bytes, {
      maxValueBytes: options.limits.maxNameBytes,
    });
    this.#batch = new BatchBuilder({
      database: options.database,
      limits: options.limits,
      body: cursor.bytes,
      fail: (limit, reason) =>
        cursor.fail(reason, { code: "SERVER_TOO_LARGE", details: { limit } }),
    });
  }

  decode(): IngestBatch {
    const cursor = this.#cursor;
    if (cursor.isArray()) this.#readItems("array");
    else this.#readItem(true);
    if (!cursor.isAtEnd) cursor.fail("there are bytes after the end of the value");
    return this.#batch.finish();
  }

  #readItems(container: "array" | "batch"): void {
    const cursor = this.#cursor;
    const { path } = cursor;
    const count = cursor.readArrayHeader();
    path.container = container;
    for (let index = 0; index < count; index++) {
      path.itemIndex = index;
      this.#readItem(false);
    }
    path.container = "none";
  }

  #readItem(isBody: boolean): void {
    const cursor = this.#cursor;
    const { path } = cursor;
    const start = cursor.at;
    this.#findParts();
    const end = cursor.at;
    const { m, t, h, f, fields, columns, tags, batch } = this.#parts;
    if (batch >= 0) {
      if (!isBody) cursor.fail("a batch cannot contain a batch", { at: batch });
      if (m >= 0 || t >= 0 || h >= 0 || f >= 0 || fields >= 0 || columns >= 0 || tags >= 0) {
        cursor.fail("a map with 'batch' has other keys", { at: start });
      }
      cursor.at = batch;
      this.#readItems("batch");
      return;
    }
    if (m < 0) cursor.fail("the item has no 'm' (measurement)", { at: start });
    const table = this.#table(m, end - start);
    path.section = "";
    if (columns >= 0) {
      if (t >= 0 || h >= 0 || f >= 0 || fields >= 0) {
        cursor.fail("an item with 'columns' cannot have 't', 'h', 'f' or 'fields'", { at: start });
      }
      this.#rowCount += table.readColumns({
        columns,
        tags,
        rowsLeft: this.#limits.maxRows - this.#rowCount,
      });
    } else {
      if (f < 0 === fields < 0) {
        cursor.fail("an item needs 'columns', or exactly one of 'fields' and 'f'", { at: start });
      }
      if (this.#rowCount >= this.#limits.maxRows)
        this.#batch.fail("maxRows", `the request has more rows than ${this.#limits.maxRows}`);
      table.readRow({ t, h, f, fields, tags });
      this.#rowCount++;
    }
    path.section = "";
    cursor.at = end;
  }

  /** Finds the values of the item that starts here; reads on after the item. */
  #findParts(): void {
    const cursor = this.#cursor;
    const { path } = cursor;
    const parts = this.#parts;
    parts.m = parts.t = parts.h = parts.f = -1;
    parts.fields = parts.tags = parts.columns = parts.batch = -1;
    const count = cursor.readMapHeader();
    for (let index = 0; index < count; index++) {
      const keyAt = cursor.at;
      if (!cursor.readText()) cursor.fail(`a key must be a text, found ${cursor.describe()}`);
      const key = itemKey(cursor);
      if (key === undefined) {
        return cursor.fail(
          `the key ${JSON.stringify(cursor.text().slice(0, 40))} is unknown: expected m, t, h, fields, f, tags, columns or batch`,
          { at: keyAt },
        );
      }
      if (parts[key] >= 0) cursor.fail(`the key "${key}" appears twice`, { at: keyAt });
      parts[key] = cursor.at;
      path.section = key;
      cursor.skip();
      path.section = "";
    }
  }

  #table(at: number, itemBytes: number): MessagePackTable {
    const cursor = this.#cursor;
    cursor.at = at;
    cursor.path.section = "m";
    if (cursor.readText()) {
      const { textStart, textEnd } = cursor;
      const hash = hashBytes(cursor.bytes, textStart, textEnd);
      const code = this.#measurements.encode(textStart, textEnd, hash);
      if (code === INVALID_UTF8) cursor.fail("the measurement is not valid UTF-8", { at });
      if (code === VALUE_TOO_LONG) cursor.failLimit("maxNameBytes", this.#limits.maxNameBytes, at);
      if (textStart === textEnd) cursor.fail("the measurement is empty", { at });
      return (this.#tablesByCode[code] ??= this.#tableNamed(cursor.text(), itemBytes));
    }
    if (!cursor.readInteger())
      cursor.fail(`the measurement must be a text or an integer, found ${cursor.describe()}`);
    return this.#tableNamed(`measurement_${cursor.integerAsBigInt}`, itemBytes);
  }

  #tableNamed(measurement: string, itemBytes: number): MessagePackTable {
    const known = this.#tables.get(measurement);
    if (known !== undefined) return known;
    const cursor = this.#cursor;
    const expectedRows = Math.ceil((cursor.bytes.length / itemBytes) * 1.1);
    const table = new MessagePackTable({
      cursor,
      rows: this.#batch.table(measurement, expectedRows),
      batch: this.#batch,
      nowHalves: this.#nowHalves,
    });
    this.#tables.set(measurement, table);
    return table;
  }
}

/** The text read last as a key of an item, recognised without making a string. */
function itemKey(cursor: MessagePackCursor): keyof ItemParts | undefined {
  const { bytes, textStart, textEnd } = cursor;
  for (const { key, codes } of KEYS_BY_LENGTH[textEnd - textStart] ?? []) {
    let index = 0;
    while (index < codes.length && bytes[textStart + index] === codes[index]) index++;
    if (index === codes.length) return key;
  }
  return undefined;
}
