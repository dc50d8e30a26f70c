/**
 * The payload of a log record: one {@link IngestBatch} as bytes.
 *
 *     record:  version u8 | zero u8×3 | tableCount u32 | rowCount u32 | totalBytes u32 | table*
 *     table:   rowCount u32 | columnCount u32 | databaseBytes u32 | measurementBytes u32
 *              | database | measurement | pad | timestamps i64×rowCount | column*
 *     column:  type u8 | flags u8 | codeBytes u8 | zero u8 | nameBytes u32 | entryCount u32 | entryTotalBytes u32
 *              | name | pad | [validity | pad] | values | pad | [entryBytes u32×entryCount | pad | entries | pad]
 *
 * Integers are little-endian. Every part starts at a multiple of 8 bytes from the start of the record, so arrays
 * are copied whole, and a record at an aligned address is read in place. Specification:
 * docs/ingest-record-format.md. Pure: no I/O, no clock.
 */
import { ServerError } from "../errors.ts";
import {
  HAS_VALIDITY,
  INGEST_HEADER_BYTES,
  TYPE_CODES,
  TYPES_BY_CODE,
  validityBytes,
} from "./batch-format.ts";
import { RecordReader } from "./record-reader.ts";
import { RecordWriter } from "./record-writer.ts";
import type { ReusedMemory } from "./reused-memory.ts";
import type {
  Column,
  ColumnType,
  DictionaryColumn,
  IngestBatch,
  TableBatch,
} from "./table-batch.ts";
import { passTable } from "./table-extent.ts";

/** First byte of every record written by this version. */
export const INGEST_RECORD_VERSION = 1;

/** Bytes of one dictionary code in the record: the fewest that can hold every code. */
type CodeBytes = 1 | 2 | 4;

/**
 * Encodes a batch. Strings must be well-formed (no lone surrogates), which decoders guarantee.
 *
 * The batch is not referred to. Without `memory` the result is a new array that the caller owns; with it, the
 * result is only good until the memory is taken again.
 *
 * @throws {ServerError} `SERVER_TOO_LARGE` when the record would be 4 GiB or more
 */
export function encodeIngestBatch(
  batch: IngestBatch,
  memory?: Pick<ReusedMemory, "take">,
): Uint8Array {
  const parts = batch.tables.map((table) => planTable(table));
  const totalBytes = parts.reduce((sum, part) => sum + part.bytes, INGEST_HEADER_BYTES);
  if (totalBytes > 0xffff_ffff) {
    throw new ServerError(
      "SERVER_TOO_LARGE",
      `the batch takes ${totalBytes} bytes in the log, more than a record can hold`,
      {
        details: { found: totalBytes, limit: 0xffff_ffff },
      },
    );
  }
  const writer = new RecordWriter(memory?.take(totalBytes) ?? new Uint8Array(totalBytes));
  writer.u8s([INGEST_RECORD_VERSION, 0, 0, 0]);
  writer.u32s([batch.tables.length, batch.rowCount, totalBytes]);
  for (const part of parts) writeTable(writer, part);
  writer.assertFull();
  return writer.bytes;
}

/** How a record is decoded. */
export interface DecodeOptions {
  /** The first byte that is expected, see write-record.ts. */
  readonly version?: number;
  /** True when somebody else will write into the memory of the record: each table gets memory of its own. */
  readonly isLent?: boolean;
}

/**
 * Decodes a record. Arrays of the result are views of `bytes` when those are aligned and not lent, so `bytes` must not
 * change while the batch is in use; otherwise every table is copied, as one piece that holds nothing else.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT`, and nothing else, whatever the bytes are
 */
export function decodeIngestBatch(
  bytes: Uint8Array,
  { version = INGEST_RECORD_VERSION, isLent = false }: DecodeOptions = {},
): IngestBatch {
  const reader = new RecordReader(bytes);
  const foundVersion = reader.u8();
  if (foundVersion !== version) reader.fail(`record version ${foundVersion} is unknown`);
  for (let index = 0; index < 3; index++)
    if (reader.u8() !== 0) reader.fail("reserved bytes are not zero");
  const tableCount = reader.u32();
  const rowCount = reader.u32();
  const totalBytes = reader.u32();
  if (totalBytes !== bytes.length) reader.fail(`record of ${totalBytes} bytes has ${bytes.length}`);
  reader.checkCount(tableCount, INGEST_HEADER_BYTES, "tables");
  const tables: TableBatch[] = [];
  let rowsSeen = 0;
  for (let index = 0; index < tableCount; index++) {
    const table = isLent || !reader.isAligned ? readCopiedTable(reader) : readTable(reader);
    rowsSeen += table.rowCount;
    tables.push(table);
  }
  const names = new Set(tables.map((table) => JSON.stringify([table.database, table.measurement])));
  if (names.size !== tableCount) reader.fail("a table appears twice");
  if (rowsSeen !== rowCount) reader.fail(`record of ${rowCount} rows has ${rowsSeen}`);
  reader.assertEnd();
  return { tables, rowCount };
}

interface TablePart {
  readonly table: TableBatch;
  readonly columns: readonly ColumnPart[];
  readonly databaseBytes: number;
  readonly measurementBytes: number;
  readonly bytes: number;
}

interface ColumnPart {
  readonly column: Column;
  readonly nameBytes: number;
  readonly codeBytes: CodeBytes | 0;
  readonly entries: Entries | undefined;
  readonly bytes: number;
}

/** A dictionary ready to be written: one text, and the UTF-8 length of each value in it. */
interface Entries {
  readonly text: string;
  readonly lengths: Uint32Array;
  readonly totalBytes: number;
}

function planTable(table: TableBatch): TablePart {
  const columns = table.columns.map((column) => planColumn(column, table.rowCount));
  const databaseBytes = Buffer.byteLength(table.database);
  const measurementBytes = Buffer.byteLength(table.measurement);
  let bytes = INGEST_HEADER_BYTES + padded(databaseBytes + measurementBytes) + table.rowCount * 8;
  for (const column of columns) bytes += column.bytes;
  return { table, columns, databaseBytes, measurementBytes, bytes };
}

function planColumn(column: Column, rowCount: number): ColumnPart {
  const nameBytes = Buffer.byteLength(column.name);
  let bytes = INGEST_HEADER_BYTES + padded(nameBytes);
  if (column.validity !== undefined) bytes += padded(validityBytes(rowCount));
  if (!isDictionaryColumn(column)) {
    bytes += padded(rowCount * column.values.BYTES_PER_ELEMENT);
    return { column, nameBytes, codeBytes: 0, entries: undefined, bytes };
  }
  const entries = planEntries(column.dictionary);
  const codeBytes = codeBytesFor(column.dictionary.length);
  bytes +=
    padded(rowCount * codeBytes) + padded(entries.lengths.byteLength) + padded(entries.totalBytes);
  return { column, nameBytes, codeBytes, entries, bytes };
}

/** One joined text is written much faster than thousands of short ones. */
function planEntries(dictionary: readonly string[]): Entries {
  const text = dictionary.join("");
  const totalBytes = Buffer.byteLength(text);
  const lengths = new Uint32Array(dictionary.length);
  const isAscii = totalBytes === text.length;
  for (let code = 0; code < dictionary.length; code++) {
    const value = dictionary[code] ?? "";
    lengths[code] = isAscii ? value.length : Buffer.byteLength(value);
  }
  return { text, lengths, totalBytes };
}

function codeBytesFor(entryCount: number): CodeBytes {
  if (entryCount <= 0x100) return 1;
  return entryCount <= 0x1_0000 ? 2 : 4;
}

function writeTable(writer: RecordWriter, part: TablePart): void {
  const { table } = part;
  writer.u32s([table.rowCount, part.columns.length, part.databaseBytes, part.measurementBytes]);
  writer.text(table.database, part.databaseBytes);
  writer.text(table.measurement, part.measurementBytes);
  writer.pad();
  writer.array(table.timestamps);
  for (const column of part.columns) writeColumn(writer, column, table.rowCount);
}

function writeColumn(writer: RecordWriter, part: ColumnPart, rowCount: number): void {
  const { column, entries } = part;
  const flags = column.validity === undefined ? 0 : HAS_VALIDITY;
  writer.u8s([TYPE_CODES[column.type], flags, part.codeBytes, 0]);
  writer.u32s([part.nameBytes, entries?.lengths.length ?? 0, entries?.totalBytes ?? 0]);
  writer.text(column.name, part.nameBytes);
  writer.pad();
  if (column.validity !== undefined) {
    writer.array(column.validity.subarray(0, validityBytes(rowCount)));
    writer.pad();
  }
  if (isDictionaryColumn(column)) writeCodes(writer, column, part.codeBytes);
  else writer.array(column.values);
  writer.pad();
  if (entries === undefined) return;
  writer.array(entries.lengths);
  writer.pad();
  writer.text(entries.text, entries.totalBytes);
  writer.pad();
}

function writeCodes(
  writer: RecordWriter,
  column: DictionaryColumn,
  codeBytes: CodeBytes | 0,
): void {
  if (codeBytes === 1) writer.narrowed(column.codes, Uint8Array);
  else if (codeBytes === 2) writer.narrowed(column.codes, Uint16Array);
  else writer.array(column.codes);
}

/** One allocation for a table, not one for each of its arrays: that is what replay spends its time on. */
function readCopiedTable(reader: RecordReader): TableBatch {
  const start = reader.at;
  passTable(reader);
  const copy = reader.copySince(start);
  const table = readTable(copy);
  copy.assertEnd();
  return table;
}

function readTable(reader: RecordReader): TableBatch {
  const rowCount = reader.u32();
  const columnCount = reader.u32();
  const databaseBytes = reader.u32();
  const measurementBytes = reader.u32();
  const database = reader.text(databaseBytes);
  const measurement = reader.text(measurementBytes);
  reader.pad();
  const timestamps = reader.array(BigInt64Array, rowCount);
  reader.checkCount(columnCount, INGEST_HEADER_BYTES, "columns");
  const columns: Column[] = [];
  for (let index = 0; index < columnCount; index++) columns.push(readColumn(reader, rowCount));
  if (new Set(columns.map((column) => column.name)).size !== columnCount) {
    reader.fail("a column name appears twice");
  }
  return { database, measurement, rowCount, timestamps, columns };
}

function readColumn(reader: RecordReader, rowCount: number): Column {
  const type = TYPES_BY_CODE.get(reader.u8());
  const flags = reader.u8();
  const codeBytes = reader.u8();
  if (type === undefined || (flags & ~HAS_VALIDITY) !== 0 || reader.u8() !== 0) {
    return reader.fail("a column header is not valid");
  }
  const nameBytes = reader.u32();
  const entryCount = reader.u32();
  const entryTotalBytes = reader.u32();
  const name = reader.text(nameBytes);
  reader.pad();
  const validity = (flags & HAS_VALIDITY) === 0 ? undefined : readValidity(reader, rowCount);

  if (type === "tag" || type === "string") {
    const codes = readCodes(reader, { rowCount, codeBytes, entryCount });
    const dictionary = readEntries(reader, entryCount, entryTotalBytes);
    return { name, type, validity, codes, dictionary };
  }
  if (codeBytes !== 0 || entryCount !== 0 || entryTotalBytes !== 0) {
    reader.fail("a column without codes has a dictionary");
  }
  const column = readValues(reader, { name, type, validity, rowCount });
  reader.pad();
  return column;
}

function readValues(
  reader: RecordReader,
  column: {
    readonly name: string;
    readonly type: Exclude<ColumnType, "tag" | "string">;
    readonly validity: Uint8Array | undefined;
    readonly rowCount: number;
  },
): Column {
  const { name, type, validity, rowCount } = column;
  switch (type) {
    case "float":
      return { name, type, validity, values: reader.array(Float64Array, rowCount) };
    case "integer":
      return { name, type, validity, values: reader.array(BigInt64Array, rowCount) };
    case "unsigned":
      return { name, type, validity, values: reader.array(BigUint64Array, rowCount) };
    case "boolean": {
      const values = reader.array(Uint8Array, rowCount);
      let union = 0;
      for (let row = 0; row < rowCount; row++) union |= values[row] ?? 0;
      if (union > 1) reader.fail("a boolean is neither 0 nor 1");
      return { name, type, validity, values };
    }
  }
}

function readValidity(reader: RecordReader, rowCount: number): Uint8Array {
  const validity = reader.array(Uint8Array, validityBytes(rowCount));
  const unusedBits = (8 - (rowCount & 7)) & 7;
  const last = validity[validity.length - 1] ?? 0;
  if (last >>> (8 - unusedBits) !== 0 && unusedBits !== 0)
    reader.fail("validity bits past the last row");
  reader.pad();
  return validity;
}

function readCodes(
  reader: RecordReader,
  column: { readonly rowCount: number; readonly codeBytes: number; readonly entryCount: number },
): Uint32Array {
  const { rowCount, codeBytes, entryCount } = column;
  // One width per dictionary size: a batch has exactly one encoding.
  if (codeBytes !== codeBytesFor(entryCount))
    reader.fail(`codes of ${codeBytes} bytes for ${entryCount} entries`);
  const codes = widenedCodes(reader, codeBytes, rowCount);
  reader.pad();
  let largest = 0;
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row] ?? 0;
    if (code > largest) largest = code;
  }
  // A column whose rows are all null may have no entries; its codes are 0.
  if (largest >= entryCount && !(largest === 0 && entryCount === 0)) {
    reader.fail(`code ${largest} of ${entryCount} entries`);
  }
  return codes;
}

function widenedCodes(reader: RecordReader, codeBytes: number, rowCount: number): Uint32Array {
  if (codeBytes === 1) return new Uint32Array(reader.array(Uint8Array, rowCount));
  if (codeBytes === 2) return new Uint32Array(reader.array(Uint16Array, rowCount));
  return reader.array(Uint32Array, rowCount);
}

function readEntries(reader: RecordReader, entryCount: number, totalBytes: number): string[] {
  const lengths = reader.array(Uint32Array, entryCount);
  reader.pad();
  const dictionary = reader.texts(lengths, totalBytes);
  reader.pad();
  return dictionary;
}

function isDictionaryColumn(column: Column): column is DictionaryColumn {
  return column.type === "tag" || column.type === "string";
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
