/**
 * Turns a run of frames in a commit buffer into the bytes that go to the file.
 *
 * Without codec and encryption the frames are sealed where they are: nothing is copied. With a codec each body is compressed, and
 * stored as it is where compression does not shrink it; encryption comes after that.
 */
import type { CommitBuffer, FrameSpan } from "../commit/commit-buffer.ts";
import type { Codec } from "../codec/codecs.ts";
import type { FrameEncryptor } from "../encryption/frame-cipher.ts";
import { ENCRYPTION_OVERHEAD_BYTES } from "../format/encrypted-body.ts";
import {
  FRAME_FLAG_BATCH_CONTINUES,
  FRAME_FLAG_ENCRYPTED,
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

/** Encodes consecutive frames of one buffer as they are, in place. */
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

/** What bodies go through on their way to the file; at least one of the two. */
export interface BodyStages {
  readonly codec: Codec | undefined;
  readonly encryptor: FrameEncryptor | undefined;
}

/**
 * As {@link encodeRun}, with bodies compressed, encrypted or both, in fresh memory. A promise only where a body is large enough to
 * be compressed on another thread: a small group begins its write without a turn in between.
 */
export function encodePackedRun(
  { codec, encryptor }: BodyStages,
  buffer: CommitBuffer,
  frames: readonly FrameSpan[],
  context: EncodeContext,
  note: NoteFrame,
): EncodedRun | Promise<EncodedRun> {
  const bodies = frames.map((frame) => compressBody(codec, buffer, frame));
  const assemble = (all: readonly CompressedBody[]): EncodedRun =>
    assembleRun(encryptor, frames, all, context, note);
  const ready: CompressedBody[] = [];
  for (const body of bodies) if (!(body instanceof Promise)) ready.push(body);
  if (ready.length === bodies.length) return assemble(ready);
  return Promise.all(bodies.map((body) => Promise.resolve(body))).then(assemble);
}

/** A body that compression made smaller, or as it was. */
interface CompressedBody {
  readonly codecId: number;
  readonly bytes: Uint8Array;
}

function assembleRun(
  encryptor: FrameEncryptor | undefined,
  frames: readonly FrameSpan[],
  bodies: readonly CompressedBody[],
  context: EncodeContext,
  note: NoteFrame,
): EncodedRun {
  const overheadBytes = encryptor === undefined ? 0 : ENCRYPTION_OVERHEAD_BYTES;
  let lengthBytes = 0;
  for (const { bytes } of bodies) lengthBytes += frameLengthBytes(bytes.byteLength + overheadBytes);
  const output = Buffer.allocUnsafeSlow(lengthBytes);
  let at = 0;
  let chain = context.chain;
  let nextLsn = 0;
  for (const [index, frame] of frames.entries()) {
    const body = bodies[index];
    if (body === undefined) throw new RangeError("one body per frame");
    const offset = context.offset + at;
    note(offset, frame.firstLsn, chain);
    const storedBytes = body.bytes.byteLength + overheadBytes;
    const plain = frameHeader(frame, { ...context, chain }, body.codecId, storedBytes);
    const header =
      encryptor === undefined ? plain : { ...plain, flags: plain.flags | FRAME_FLAG_ENCRYPTED };
    if (encryptor === undefined) output.set(body.bytes, at + FRAME_HEADER_BYTES);
    else encryptor.encrypt(body.bytes, header, output, at + FRAME_HEADER_BYTES);
    chain = sealFrame(output, at, header, (context.saltSeed ^ offset) >>> 0);
    at += frameLengthBytes(storedBytes);
    nextLsn = frame.firstLsn + frame.recordCount;
  }
  return { slices: [output], lengthBytes, digest: chain, nextLsn };
}

function compressBody(
  codec: Codec | undefined,
  buffer: CommitBuffer,
  frame: FrameSpan,
): CompressedBody | Promise<CompressedBody> {
  const start = frame.start + FRAME_HEADER_BYTES;
  const raw = buffer.bytes.subarray(start, start + frame.bodyBytes);
  if (codec === undefined) return { codecId: 0, bytes: raw };
  const keepSmaller = (packed: Uint8Array): CompressedBody =>
    packed.byteLength < raw.byteLength
      ? { codecId: codec.id, bytes: packed }
      : { codecId: 0, bytes: raw };
  return raw.byteLength >= ASYNC_COMPRESS_BYTES
    ? codec.compressAsync(raw).then(keepSmaller)
    : keepSmaller(codec.compress(raw));
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
