/**
 * Layout v1 of entries: the one that the first series logs drew.
 *
 *     length u64 | series id u64 | count u32 | count x timestamp i64 | count x (value length u16, value)
 *
 * Little-endian. `length` counts the bytes behind itself, as the original did. Byte by byte, with a worked example, in
 * docs/series.md, "Layout v1". Pure: no I/O, no clock.
 */
import { SeriesError } from "../errors.ts";
import type { SeriesEntry } from "../series-entry.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** Longest value that layout v1 can hold, in bytes: its length field has 16 bits. */
export const MAX_VALUE_BYTES_V1 = 65_535;

const LENGTH_BYTES = 8;
/** Series id and count. */
const HEAD_BYTES = 12;
const TIMESTAMP_BYTES = 8;
const VALUE_LENGTH_BYTES = 2;

/**
 * Encodes entries one behind the other.
 *
 * @throws {SeriesError} `SERIES_VALUE_TOO_LARGE` for a value of more than {@link MAX_VALUE_BYTES_V1} bytes
 */
export function encodeEntriesV1(entries: Iterable<SeriesEntry>): Uint8Array {
  const writer = new ByteWriter();
  for (const entry of entries) writeEntryV1(writer, entry);
  return writer.view(0, writer.length);
}

/**
 * Decodes entries that stand one behind the other. Values are views of `bytes`.
 *
 * @throws {SeriesError} `SERIES_CORRUPT` with the offset
 */
export function decodeEntriesV1(bytes: Uint8Array): SeriesEntry[] {
  return readEntriesV1(new ByteReader(bytes));
}

/** @throws {SeriesError} `SERIES_VALUE_TOO_LARGE`; the writer then holds a part of the entry */
export function writeEntryV1(writer: ByteWriter, entry: SeriesEntry): void {
  const { seriesId, timestamps, values } = entry;
  let valueBytes = 0;
  for (const value of values) {
    assertValueFitsV1(value.byteLength);
    valueBytes += VALUE_LENGTH_BYTES + value.byteLength;
  }
  writer.u64(BigInt(HEAD_BYTES + TIMESTAMP_BYTES * timestamps.length + valueBytes));
  writer.u64(seriesId);
  writer.u32(values.length);
  for (const timestamp of timestamps) writer.u64(BigInt.asUintN(64, timestamp));
  for (const value of values) {
    writer.u16(value.byteLength);
    writer.raw(value);
  }
}

/** @throws {SeriesError} `SERIES_VALUE_TOO_LARGE` */
export function assertValueFitsV1(valueBytes: number): void {
  if (valueBytes <= MAX_VALUE_BYTES_V1) return;
  throw new SeriesError(
    "SERIES_VALUE_TOO_LARGE",
    `a value of ${valueBytes} bytes: layout v1 holds up to ${MAX_VALUE_BYTES_V1}; use layout v2, or cut the value`,
    { details: { valueBytes, maxValueBytes: MAX_VALUE_BYTES_V1 } },
  );
}

/** Reads entries up to the end. @throws {SeriesError} `SERIES_CORRUPT` */
export function readEntriesV1(reader: ByteReader): SeriesEntry[] {
  const entries: SeriesEntry[] = [];
  while (reader.left > 0) entries.push(readEntryV1(reader));
  return entries;
}

function readEntryV1(reader: ByteReader): SeriesEntry {
  const length = reader.u64();
  if (length < HEAD_BYTES || length > reader.left) {
    throw reader.corrupt(`an entry of ${length} bytes, where ${reader.left} are left`);
  }
  const end = reader.offset + Number(length);
  const seriesId = reader.u64();
  const count = reader.u32();
  const room = Number(length) - HEAD_BYTES;
  if (count * (TIMESTAMP_BYTES + VALUE_LENGTH_BYTES) > room) {
    throw reader.corrupt(`${count} values in an entry of ${LENGTH_BYTES + Number(length)} bytes`);
  }
  const timestamps: bigint[] = [];
  for (let index = 0; index < count; index++) timestamps.push(reader.i64());
  const values: Uint8Array[] = [];
  for (let index = 0; index < count; index++) values.push(reader.raw(reader.u16()));
  if (reader.offset !== end) throw reader.corrupt(`the entry should end at offset ${end}`);
  return { seriesId, timestamps, values };
}
