/**
 * Where a table of a record ends: only what its length depends on is looked at, values are not.
 *
 * A record must not be believed: every length is checked against what is left of it. Pure.
 */
import { HAS_VALIDITY, INGEST_HEADER_BYTES, TYPES_BY_CODE, validityBytes } from "./batch-format.ts";
import type { RecordReader } from "./record-reader.ts";

/**
 * Moves a reader from the start of a table to its end.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when the record ends before the table does
 */
export function passTable(reader: RecordReader): void {
  const rowCount = reader.u32();
  const columnCount = reader.u32();
  const nameBytes = reader.u32() + reader.u32();
  reader.skipPadded(nameBytes);
  reader.skipPadded(rowCount * BigInt64Array.BYTES_PER_ELEMENT);
  reader.checkCount(columnCount, INGEST_HEADER_BYTES, "columns");
  for (let index = 0; index < columnCount; index++) passColumn(reader, rowCount);
}

function passColumn(reader: RecordReader, rowCount: number): void {
  const type = TYPES_BY_CODE.get(reader.u8());
  const flags = reader.u8();
  const codeBytes = reader.u8();
  reader.u8();
  const nameBytes = reader.u32();
  const entryCount = reader.u32();
  const entryTotalBytes = reader.u32();
  reader.skipPadded(nameBytes);
  if ((flags & HAS_VALIDITY) !== 0) reader.skipPadded(validityBytes(rowCount));
  if (type === "tag" || type === "string") {
    reader.skipPadded(rowCount * codeBytes);
    reader.skipPadded(entryCount * Uint32Array.BYTES_PER_ELEMENT);
    reader.skipPadded(entryTotalBytes);
  } else {
    reader.skipPadded(rowCount * (type === "boolean" ? 1 : Float64Array.BYTES_PER_ELEMENT));
  }
}
