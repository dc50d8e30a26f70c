/**
 * A record of etcd's WAL and the frame around it. Pure.
 *
 *     length u64 LE: low 56 bits the record's bytes, top byte 0x80 | padding (0 without padding)
 *     walpb.Record: type (1), rolling CRC-32C (2), data (3)      0 to 7 zeros, so that frames begin at multiples of 8
 *
 * The checksum goes over the data of all records of the log so far, this one included; not over type, length and padding.
 */
import type { ByteWriter } from "../byte-writer.ts";
import { bytesOf, numberOf, readFields, writeBytesHead, writeNumberField } from "./proto-fields.ts";

export const RECORD_TYPE = { metadata: 1, entry: 2, state: 3, crc: 4, snapshot: 5 } as const;

/** Bytes of a frame before its record. */
export const FRAME_HEAD_BYTES = 8;

const PADDED = 0x80;
const EMPTY = new Uint8Array(0);

export interface WalRecord {
  readonly type: number;
  /** Of the whole log up to here. */
  readonly crc: number;
  /** A view of what was decoded; empty where the record has none. */
  readonly data: Uint8Array;
}

/** What stands at an offset. Offsets are in bytes. */
export type DecodedFrame =
  | { readonly kind: "frame"; readonly endOffset: number; readonly record: WalRecord }
  /** Zeros in place of a length: nothing more was written. */
  | { readonly kind: "end" }
  /** More bytes are needed than were given: the frame would end at `endOffset`. */
  | { readonly kind: "short"; readonly endOffset: number }
  | { readonly kind: "unparsable"; readonly endOffset: number; readonly reason: string };

/**
 * Writes a frame.
 *
 * @param data - pieces one behind the other; `undefined` for a record without data
 */
export function writeFrame(
  writer: ByteWriter,
  { type, crc }: { readonly type: number; readonly crc: number },
  data: readonly Uint8Array[] | undefined,
): void {
  const at = writer.length;
  writer.u64(0n);
  writeNumberField(writer, 1, type);
  writeNumberField(writer, 2, crc);
  if (data !== undefined) {
    writeBytesHead(
      writer,
      3,
      data.reduce((sum, { byteLength }) => sum + byteLength, 0),
    );
    for (const piece of data) writer.raw(piece);
  }
  const recordBytes = writer.length - at - FRAME_HEAD_BYTES;
  const padding = (8 - (recordBytes % 8)) % 8;
  for (let count = 0; count < padding; count++) writer.u8(0);
  const head = writer.view(at, at + FRAME_HEAD_BYTES);
  const view = new DataView(head.buffer, head.byteOffset, FRAME_HEAD_BYTES);
  view.setUint32(0, recordBytes % 2 ** 32, true);
  view.setUint32(4, Math.floor(recordBytes / 2 ** 32), true);
  if (padding > 0) view.setUint8(7, PADDED | padding);
}

/** Decodes the frame at `offset` of `bytes`. */
export function decodeFrame(bytes: Uint8Array, offset: number): DecodedFrame {
  const bodyOffset = offset + FRAME_HEAD_BYTES;
  if (bodyOffset > bytes.byteLength) return { kind: "short", endOffset: bodyOffset };
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, FRAME_HEAD_BYTES);
  const low = view.getUint32(0, true);
  const high = view.getUint32(4, true);
  if (low === 0 && high === 0) return { kind: "end" };
  const top = high >>> 24;
  const padding = (top & PADDED) === 0 ? 0 : top & 7;
  const recordBytes = (high & 0xffffff) * 2 ** 32 + low;
  const endOffset = bodyOffset + recordBytes + padding;
  if (endOffset > bytes.byteLength) return { kind: "short", endOffset };
  try {
    const record = decodeRecord(bytes.subarray(bodyOffset, bodyOffset + recordBytes));
    return { kind: "frame", endOffset, record };
  } catch (error) {
    if (error instanceof RangeError)
      return { kind: "unparsable", endOffset, reason: error.message };
    throw error;
  }
}

function decodeRecord(bytes: Uint8Array): WalRecord {
  let type = 0;
  let crc = 0;
  let data: Uint8Array = EMPTY;
  for (const { number, value } of readFields(bytes)) {
    if (number === 1) type = numberOf(value);
    else if (number === 2) crc = numberOf(value);
    else if (number === 3) data = bytesOf(value);
  }
  return { type, crc, data };
}

const SECTOR_BYTES = 512;

/**
 * Etcd's test for a record that was being written when power was lost: one of the sectors that hold it is all zeros.
 *
 * It takes the device to write sectors as a whole. A record of many zeros that is damaged later looks the same.
 *
 * @param body - record and padding
 * @param offset - where the body stands in its file
 */
export function looksTorn(body: Uint8Array, offset: number): boolean {
  for (let at = 0; at < body.byteLength;) {
    const end = Math.min(body.byteLength, at + SECTOR_BYTES - ((offset + at) % SECTOR_BYTES));
    if (body.subarray(at, end).every((byte) => byte === 0)) return true;
    at = end;
  }
  return false;
}
