/**
 * Builds the bytes of a segment out of a list of frames, for tests of what reads segments.
 *
 * Written against docs/format.md with the engine's own encoders; the golden files check that those do not change.
 */
import { saltSeed } from "../src/format/checksum.ts";
import {
  FRAME_FLAG_BATCH_CONTINUES,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  frameLengthBytes,
  sealFrame,
  type FrameHeader,
} from "../src/format/frame.ts";
import { encodeRecordHead, RECORD_HEAD_BYTES } from "../src/format/record.ts";
import {
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  segmentHeaderDigest,
  type SegmentHeader,
} from "../src/format/segment-header.ts";
import { segmentInfo, type SegmentInfo } from "../src/segment/segment-info.ts";

export interface FrameSpec {
  readonly kind?: "data" | "attest" | "seal";
  /** Records of a data frame. */
  readonly payloads?: readonly Uint8Array[];
  readonly continues?: boolean;
  /** "all": everything before this frame was durable; default "none" (the segment header only). */
  readonly durable?: "all" | "none";
  /** Fields to write as they are, right or wrong. */
  readonly overrides?: Partial<FrameHeader>;
  /** Body to store instead of the encoded records (with `overrides` that fit). */
  readonly storedBody?: Uint8Array;
}

export interface BuiltFrame {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly digest: number;
  readonly header: FrameHeader;
}

export interface BuiltSegment {
  readonly bytes: Uint8Array;
  readonly header: SegmentHeader;
  readonly headerDigest: number;
  readonly frames: readonly BuiltFrame[];
  readonly endOffset: number;
  readonly closingDigest: number;
  readonly nextLsn: number;
  readonly saltSeed: number;
  infoFor(path: string): SegmentInfo;
}

export interface SegmentSpec {
  readonly header?: Partial<SegmentHeader>;
  readonly frames?: readonly FrameSpec[];
  /** Zeros behind the last frame. */
  readonly zeroBytes?: number;
}

export const DEFAULT_HEADER: SegmentHeader = {
  segmentId: 1,
  firstLsn: 1,
  salt: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  previousSegmentId: 0,
  previousEndOffset: 0,
  previousDigest: 0,
  createdAtMs: Date.UTC(2026, 0, 1),
};

/** Body of a data frame with these records, all of kind 0. */
export function encodeBody(payloads: readonly Uint8Array[]): Uint8Array {
  const parts = payloads.map((payload) => {
    const record = new Uint8Array(RECORD_HEAD_BYTES + payload.byteLength);
    const head = encodeRecordHead(payload.byteLength, 0);
    new DataView(record.buffer).setUint32(0, head, true);
    record.set(payload, RECORD_HEAD_BYTES);
    return record;
  });
  return Uint8Array.from(Buffer.concat(parts));
}

export function buildSegment(spec: SegmentSpec = {}): BuiltSegment {
  const header: SegmentHeader = { ...DEFAULT_HEADER, ...spec.header };
  const headerBytes = encodeSegmentHeader(header);
  const headerDigest = segmentHeaderDigest(headerBytes);
  const seed = saltSeed(header.salt);
  const parts: Uint8Array[] = [headerBytes];
  const frames: BuiltFrame[] = [];
  let offset = SEGMENT_HEADER_BYTES;
  let chain = headerDigest;
  let nextLsn = header.firstLsn;
  for (const frameSpec of spec.frames ?? []) {
    const { bytes, fields } = encodeFrame(frameSpec, headerBytes, { offset, chain, nextLsn });
    const digest = sealFrame(bytes, 0, fields, (seed ^ offset) >>> 0);
    frames.push({ offset, lengthBytes: bytes.byteLength, digest, header: fields });
    parts.push(bytes);
    offset += bytes.byteLength;
    chain = digest;
    nextLsn += fields.recordCount;
  }
  parts.push(new Uint8Array(spec.zeroBytes ?? 0));
  return {
    bytes: Uint8Array.from(Buffer.concat(parts)),
    header,
    headerDigest,
    frames,
    endOffset: offset,
    closingDigest: chain,
    nextLsn,
    saltSeed: seed,
    infoFor: (path) => segmentInfo(path, header),
  };
}

/** A header that follows on `previous`, cut at its end or where `endOffset` and `digest` say. */
export function headerAfter(previous: BuiltSegment): Partial<SegmentHeader> {
  return {
    segmentId: previous.header.segmentId + 1,
    firstLsn: previous.nextLsn,
    salt: Uint8Array.from(previous.header.salt, (byte) => (byte * 7 + 3) & 0xff),
    previousSegmentId: previous.header.segmentId,
    previousEndOffset: previous.endOffset,
    previousDigest: previous.closingDigest,
  };
}

function encodeFrame(
  spec: FrameSpec,
  headerBytes: Uint8Array,
  place: { readonly offset: number; readonly chain: number; readonly nextLsn: number },
): { readonly bytes: Uint8Array; readonly fields: FrameHeader } {
  const payloads = spec.payloads ?? [];
  const isMark = spec.kind === "attest" || spec.kind === "seal";
  const body = spec.storedBody ?? (isMark ? headerBytes : encodeBody(payloads));
  const bytes = new Uint8Array(frameLengthBytes(body.byteLength));
  bytes.set(body, FRAME_HEADER_BYTES);
  const fields: FrameHeader = {
    storedBytes: body.byteLength,
    rawBytes: body.byteLength,
    firstLsn: place.nextLsn,
    recordCount: payloads.length,
    kind: FRAME_KIND[spec.kind ?? "data"],
    codecId: 0,
    flags: spec.continues === true ? FRAME_FLAG_BATCH_CONTINUES : 0,
    durableOffset: spec.durable === "all" ? place.offset : SEGMENT_HEADER_BYTES,
    chain: place.chain,
    timeMs: DEFAULT_HEADER.createdAtMs,
    ...spec.overrides,
  };
  return { bytes, fields };
}
