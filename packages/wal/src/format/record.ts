/**
 * Record: one caller payload inside the body of a data frame.
 *
 *     0               4
 *     +---------------+-----------------+
 *     | kind | length | payload         |
 *     +---------------+-----------------+
 *       4 bit  28 bit
 *
 * Specification: docs/format.md, "Body of a data frame". Pure.
 */

export const RECORD_HEAD_BYTES = 4;
export const MAX_RECORD_BYTES: number = 2 ** 28 - 1;
export const MAX_RECORD_KIND = 15;

/** Head of a record with `lengthBytes` of payload, as the unsigned 32 bits that precede it. */
export function encodeRecordHead(lengthBytes: number, kind: number): number {
  return ((kind << 28) | lengthBytes) >>> 0;
}

/** Payload length in bytes. */
export function recordLengthBytes(head: number): number {
  return head & MAX_RECORD_BYTES;
}

/** The record's kind, 0 to 15. */
export function recordKind(head: number): number {
  return head >>> 28;
}

/**
 * True when `recordCount` records fill `rawBytes` bytes of `body` exactly. A body whose checksum was right and
 * that fails here was written by a broken writer; it is refused all the same.
 */
export function bodyIsWellFormed(body: Uint8Array, recordCount: number): boolean {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let offset = 0;
  for (let index = 0; index < recordCount; index++) {
    if (offset + RECORD_HEAD_BYTES > body.byteLength) return false;
    offset += RECORD_HEAD_BYTES + recordLengthBytes(view.getUint32(offset, true));
  }
  return offset === body.byteLength;
}
