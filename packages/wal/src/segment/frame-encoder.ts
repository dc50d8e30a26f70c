/**
 * Turns a run of frames in a commit buffer into the bytes that go to the file.
 *
 * Without codec the frames are sealed where they are: nothing is copied. With a codec each body is compressed, and
 * stored as it is where compression does not shrink it.
 */
import type { CommitBuffer, FrameSpan } from "../commit/commit-buffer.ts";
import type { Codec } from "../codec/codecs.ts";
import {
  FRAME_FLAG_BATCH_CONTINUES,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  frameLengthBytes,
  sealFrame,
  type FrameHeader,
} from "../format/frame.ts";

/** Where the frames go and what they carry of the segment's state. */
export interface EncodeContext {
  readonly offset: number;
  readonly saltSeed: number;
  readonly chain: number;
  readonly durableOffset: number;
  readonly timeMs: number;
}

export interface EncodedRun {
  readonly slices: readonly Uint8Array[];
  readonly lengthBytes: number;
  /** Checksum of the last frame. */
  readonly digest: number;
  readonly nextLsn: number;
}

/** Told where each frame begins. */
export type NoteFrame = (offset: number, firstLsn: number, chain: number) => void;

/** Bodies from this size are compressed off the main thread. */
const ASYNC_COMPRESS_BYTES = 64 * 1024; // 64 KiB

/** Encodes consecutive frames of one buffer without compression, in place. */
export function encodeRun(
  buffer: CommitBuffer,
  frames: readonly FrameSpan[],
  context: EncodeContext,
  note: NoteFrame,
): EncodedRun {
  const first = frames[0]?.start ?? 0;
  let end = first;
  let chain = context.chain;
  let nextLsn = 0;
  for (const frame of frames) {
    const offset = context.offset + frame.start - first;
    note(offset, frame.firstLsn, chain);
    const header = frameHeader(frame, { ...context, chain }, 0, frame.bodyBytes);
    chain = sealFrame(buffer.bytes, frame.start, header, (context.saltSeed ^ offset) >>> 0);
    end = frame.start + frameLengthBytes(frame.bodyBytes);
    nextLsn = frame.firstLsn + frame.recordCount;
  }
  const slice = buffer.bytes.subarray(first, end);
  return { slices: [slice], lengthBytes: end - first, digest: chain, nextLsn };
}

/** As {@link encodeRun}, with compressed bodies in fresh memory. */
export async function encodeCompressedRun(
  codec: Codec,
  buffer: CommitBuffer,
  frames: readonly FrameSpan[],
  context: EncodeContext,
  note: NoteFrame,
): Promise<EncodedRun> {
  const bodies = await Promise.all(frames.map((frame) => compressBody(codec, buffer, frame)));
  let lengthBytes = 0;
  for (const body of bodies) lengthBytes += frameLengthBytes(body.bytes.byteLength);
  const output = Buffer.allocUnsafeSlow(lengthBytes);
  let at = 0;
  let chain = context.chain;
  let nextLsn = 0;
  for (const [index, frame] of frames.entries()) {
    const body = bodies[index];
    if (body === undefined) throw new RangeError("one body per frame");
    const offset = context.offset + at;
    note(offset, frame.firstLsn, chain);
    output.set(body.bytes, at + FRAME_HEADER_BYTES);
    const header = frameHeader(frame, { ...context, chain }, body.codecId, body.bytes.byteLength);
    chain = sealFrame(output, at, header, (context.saltSeed ^ offset) >>> 0);
    at += frameLengthBytes(body.bytes.byteLength);
    nextLsn = frame.firstLsn + frame.recordCount;
  }
  return { slices: [output], lengthBytes, digest: chain, nextLsn };
}

interface StoredBody {
  readonly codecId: number;
  readonly bytes: Uint8Array;
}

async function compressBody(
  codec: Codec,
  buffer: CommitBuffer,
  frame: FrameSpan,
): Promise<StoredBody> {
  const start = frame.start + FRAME_HEADER_BYTES;
  const raw = buffer.bytes.subarray(start, start + frame.bodyBytes);
  const packed =
    raw.byteLength >= ASYNC_COMPRESS_BYTES ? await codec.compressAsync(raw) : codec.compress(raw);
  return packed.byteLength < raw.byteLength
    ? { codecId: codec.id, bytes: packed }
    : { codecId: 0, bytes: raw };
}

function frameHeader(
  frame: FrameSpan,
  context: EncodeContext,
  codecId: number,
  storedBytes: number,
): FrameHeader {
  return {
    storedBytes,
    rawBytes: frame.bodyBytes,
    firstLsn: frame.firstLsn,
    recordCount: frame.recordCount,
    kind: FRAME_KIND.data,
    codecId,
    flags: frame.continues ? FRAME_FLAG_BATCH_CONTINUES : 0,
    durableOffset: context.durableOffset,
    chain: context.chain,
    timeMs: context.timeMs,
  };
}
