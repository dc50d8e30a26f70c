/**
 * Segment header: the first 64 bytes of every segment file.
 *
 *     0       4       6       8               16              24              32
 *     +-------+---+---+-------+---------------+---------------+---------------+
 *     | magic | v | f |  segmentId            |  firstLsn     |  salt         |
 *     +-------+---+---+-------+---------------+---------------+---------------+
 *     32              40      44      48              56      60      64
 *     +---------------+-------+-------+---------------+-------+-------+
 *     | previousId    | prEnd | prDig | createdAtMs   | zero  | crc32 |
 *     +---------------+-------+-------+---------------+-------+-------+
 *
 * Names its predecessor, where that ends and its closing digest: a missing, swapped or spliced file is seen.
 * Specification: docs/format.md, "Segment header". Pure: no I/O, no clock.
 */
import { checksum } from "./checksum.ts";
import { readU64, writeU64 } from "./integers.ts";

export const SEGMENT_HEADER_BYTES = 64;
export const SEGMENT_FORMAT_VERSION = 1;
export const SALT_BYTES = 8;

const MAGIC = 0x54_4e_4c_57; // "WLNT" when read as bytes.
const CHECKSUM_OFFSET = 60;

/** What a segment says about itself and its predecessor. Field meanings are in docs/format.md. */
export interface SegmentHeader {
  readonly segmentId: number;
  readonly firstLsn: number;
  readonly salt: Uint8Array;
  /** 0 for a segment without predecessor. */
  readonly previousSegmentId: number;
  readonly previousEndOffset: number;
  readonly previousDigest: number;
  readonly createdAtMs: number;
}

export type SegmentHeaderResult =
  | { readonly kind: "valid"; readonly header: SegmentHeader }
  | { readonly kind: "unsupported-version"; readonly version: number }
  | { readonly kind: "invalid"; readonly reason: "short" | "magic" | "checksum" | "value" };

/** Encodes a header into 64 fresh bytes. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, SEGMENT_FORMAT_VERSION, true);
  writeU64(view, 8, header.segmentId);
  writeU64(view, 16, header.firstLsn);
  bytes.set(header.salt, 24);
  writeU64(view, 32, header.previousSegmentId);
  view.setUint32(40, header.previousEndOffset, true);
  view.setUint32(44, header.previousDigest, true);
  writeU64(view, 48, header.createdAtMs);
  view.setUint32(CHECKSUM_OFFSET, segmentHeaderDigest(bytes), true);
  return bytes;
}

/** Checksum of an encoded header: chain value of the first frame, closing digest of an empty segment. */
export function segmentHeaderDigest(bytes: Uint8Array): number {
  return checksum(bytes.subarray(0, CHECKSUM_OFFSET));
}

/** Never throws: what a broken header means is for recovery to decide. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeaderResult {
  if (bytes.byteLength < SEGMENT_HEADER_BYTES) return { kind: "invalid", reason: "short" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC) return { kind: "invalid", reason: "magic" };

  // The checksum comes before the version: a flipped bit in the version field is damage, not a newer
  // format. Every future version therefore keeps magic and checksum where they are.
  if (segmentHeaderDigest(bytes) !== view.getUint32(CHECKSUM_OFFSET, true)) {
    return { kind: "invalid", reason: "checksum" };
  }
  const version = view.getUint16(4, true);
  const flags = view.getUint16(6, true);
  if (version !== SEGMENT_FORMAT_VERSION || flags !== 0) {
    return { kind: "unsupported-version", version };
  }

  const segmentId = readU64(view, 8);
  const firstLsn = readU64(view, 16);
  const previousSegmentId = readU64(view, 32);
  const createdAtMs = readU64(view, 48);
  if (
    segmentId === undefined ||
    firstLsn === undefined ||
    previousSegmentId === undefined ||
    createdAtMs === undefined
  ) {
    return { kind: "invalid", reason: "value" };
  }
  const header: SegmentHeader = {
    segmentId,
    firstLsn,
    // Not `slice`: of a Buffer that is a view, and the salt would change with it.
    salt: Uint8Array.from(bytes.subarray(24, 24 + SALT_BYTES)),
    previousSegmentId,
    previousEndOffset: view.getUint32(40, true),
    previousDigest: view.getUint32(44, true),
    createdAtMs,
  };
  return { kind: "valid", header };
}
