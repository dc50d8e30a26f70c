/**
 * Frame: what one commit puts on disk behind one header and one checksum.
 *
 *     0       4       8       12      16              24      28  29  30  31  32
 *     +-------+-------+-------+-------+---------------+-------+---+---+---+---+
 *     | magic | crc32 | stored| raw   | firstLsn      | count | k | c | f | 0 |
 *     +-------+-------+-------+-------+---------------+-------+---+---+---+---+
 *     32      36      40              48
 *     +-------+-------+---------------+---------------------------+--------+
 *     | durab.| chain | timeMs        | body (stored bytes)       | zeros  |
 *     +-------+-------+---------------+---------------------------+--------+
 *
 * The checksum covers everything behind it, padding included, and is bound to the segment's salt and the
 * frame's offset. Specification: docs/format.md, "Frame". Pure: no I/O, no clock.
 */
import { checksum } from "./checksum.ts";
import { readU64, writeU64 } from "./integers.ts";

export const FRAME_HEADER_BYTES = 48;
export const FRAME_ALIGNMENT_BYTES = 8;
/** The magic as it stands in the file; a scan for the next frame looks for these bytes. */
export const FRAME_MAGIC_BYTES: Uint8Array = Uint8Array.of(0x46, 0x52, 0x4d, 0x31);

const MAGIC = 0x31_4d_52_46; // "FRM1" when read as bytes.
const CHECKSUM_COVERS_FROM = 8;
const RESERVED_OFFSET = 31;
const MAX_BODY_BYTES = 2 ** 31 - 1;

/** Set when the batch that fills this frame goes on in the next one. */
export const FRAME_FLAG_BATCH_CONTINUES = 1;
/** Set when the body is encrypted; see `encrypted-body.ts`. */
export const FRAME_FLAG_ENCRYPTED = 2;

export const FRAME_KIND = { data: 1, attest: 2, seal: 3, gap: 4 } as const;
export type FrameKind = (typeof FRAME_KIND)[keyof typeof FRAME_KIND];

/** A frame header's fields. Meanings are in docs/format.md. */
export interface FrameHeader {
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly firstLsn: number;
  readonly recordCount: number;
  readonly kind: FrameKind;
  readonly codecId: number;
  readonly flags: number;
  readonly durableOffset: number;
  readonly chain: number;
  readonly timeMs: number;
}

/** Bytes that a frame with a body of `storedBytes` takes in the file, padding included. */
export function frameLengthBytes(storedBytes: number): number {
  return (
    FRAME_HEADER_BYTES + Math.ceil(storedBytes / FRAME_ALIGNMENT_BYTES) * FRAME_ALIGNMENT_BYTES
  );
}

/**
 * Writes the header in front of a body that is already in place, zeroes the padding and computes the checksum.
 *
 * @param bytes - holds the frame at `start`: 48 bytes of room, then the body, then room for the padding
 * @param seed - the segment's salt seed XOR the frame's offset in the file (unsigned 32 bits)
 * @returns the frame's checksum, which the next frame carries as its chain
 */
export function sealFrame(
  bytes: Uint8Array,
  start: number,
  header: FrameHeader,
  seed: number,
): number {
  const length = frameLengthBytes(header.storedBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, FRAME_HEADER_BYTES);
  view.setUint32(0, MAGIC, true);
  view.setUint32(8, header.storedBytes, true);
  view.setUint32(12, header.rawBytes, true);
  writeU64(view, 16, header.firstLsn);
  view.setUint32(24, header.recordCount, true);
  view.setUint8(28, header.kind);
  view.setUint8(29, header.codecId);
  view.setUint8(30, header.flags);
  view.setUint8(RESERVED_OFFSET, 0);
  view.setUint32(32, header.durableOffset, true);
  view.setUint32(36, header.chain, true);
  writeU64(view, 40, header.timeMs);
  bytes.fill(0, start + FRAME_HEADER_BYTES + header.storedBytes, start + length);
  const crc = checksum(bytes.subarray(start + CHECKSUM_COVERS_FROM, start + length), seed);
  view.setUint32(4, crc, true);
  return crc;
}

/**
 * Encodes a frame without records: an attest or a seal.
 *
 * @param segmentHeader - the encoded header of the segment: marks carry a copy, from which a damaged header can be restored
 */
export function encodeMarkFrame(
  fields: Pick<FrameHeader, "kind" | "firstLsn" | "durableOffset" | "chain" | "timeMs">,
  segmentHeader: Uint8Array,
  seed: number,
): { readonly bytes: Uint8Array; readonly digest: number } {
  const bodyBytes = segmentHeader.byteLength;
  const bytes = new Uint8Array(frameLengthBytes(bodyBytes));
  bytes.set(segmentHeader, FRAME_HEADER_BYTES);
  const digest = sealFrame(
    bytes,
    0,
    {
      ...fields,
      storedBytes: bodyBytes,
      rawBytes: bodyBytes,
      recordCount: 0,
      codecId: 0,
      flags: 0,
    },
    seed,
  );
  return { bytes, digest };
}

/**
 * Encodes a frame that stands for lost ones: it fills their place exactly, so that what follows stays where it is.
 *
 * @param gap - `lengthBytes` of the place, a multiple of 8 and at least a header; `lostRecords` and `firstLsn` of what was there;
 * `resumeChain`, which the next good frame carries
 */
export function encodeGapFrame(
  gap: {
    readonly lengthBytes: number;
    readonly firstLsn: number;
    readonly lostRecords: number;
    readonly resumeChain: number;
    readonly chain: number;
    readonly timeMs: number;
  },
  seed: number,
): Uint8Array {
  const bytes = new Uint8Array(gap.lengthBytes);
  sealFrame(
    bytes,
    0,
    {
      storedBytes: gap.lengthBytes - FRAME_HEADER_BYTES,
      rawBytes: gap.resumeChain,
      firstLsn: gap.firstLsn,
      recordCount: gap.lostRecords,
      kind: FRAME_KIND.gap,
      codecId: 0,
      flags: 0,
      durableOffset: 0,
      chain: gap.chain,
      timeMs: gap.timeMs,
    },
    seed,
  );
  return bytes;
}

export type FramePeek =
  /** A frame may begin here and takes `lengthBytes`; its checksum is not looked at yet. */
  | { readonly kind: "candidate"; readonly lengthBytes: number }
  /** Fewer than a header's bytes are there. */
  | { readonly kind: "short" }
  /** No frame begins here. */
  | { readonly kind: "none" };

/** Looks at a possible header only as far as needed to know how many bytes to read. */
export function peekFrame(view: DataView, offset: number, availableBytes: number): FramePeek {
  if (availableBytes < FRAME_HEADER_BYTES) return { kind: "short" };
  if (view.getUint32(offset, true) !== MAGIC) return { kind: "none" };
  const storedBytes = view.getUint32(offset + 8, true);
  if (storedBytes > MAX_BODY_BYTES) return { kind: "none" };
  return { kind: "candidate", lengthBytes: frameLengthBytes(storedBytes) };
}

/**
 * Decodes and verifies a whole frame.
 *
 * @param bytes - at least `lengthBytes` (from {@link peekFrame}) bytes from `offset`
 * @returns the header, or `undefined` when the bytes are no valid frame under this seed
 */
export function decodeFrame(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  lengthBytes: number,
  seed: number,
): { readonly header: FrameHeader; readonly digest: number } | undefined {
  const digest = view.getUint32(offset + 4, true);
  const covered = bytes.subarray(offset + CHECKSUM_COVERS_FROM, offset + lengthBytes);
  if (checksum(covered, seed) !== digest) return undefined;
  const firstLsn = readU64(view, offset + 16);
  const timeMs = readU64(view, offset + 40);
  const kind = view.getUint8(offset + 28);
  if (firstLsn === undefined || timeMs === undefined || !isFrameKind(kind)) return undefined;
  if (view.getUint8(offset + RESERVED_OFFSET) !== 0) return undefined;
  const header: FrameHeader = {
    storedBytes: view.getUint32(offset + 8, true),
    rawBytes: view.getUint32(offset + 12, true),
    firstLsn,
    recordCount: view.getUint32(offset + 24, true),
    kind,
    codecId: view.getUint8(offset + 29),
    flags: view.getUint8(offset + 30),
    durableOffset: view.getUint32(offset + 32, true),
    chain: view.getUint32(offset + 36, true),
    timeMs,
  };
  return { header, digest };
}

function isFrameKind(value: number): value is FrameKind {
  return value >= FRAME_KIND.data && value <= FRAME_KIND.gap;
}
