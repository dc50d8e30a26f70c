/**
 * Frames behind broken bytes: valid by themselves, found by their magic.
 *
 * Recovery asks whether one of them vouches for the broken place: a `durableOffset` beyond it was written after that place was on
 * the device, so the place is damaged, not torn. Salvage asks where the next good frame begins. Frames are aligned and their
 * checksum is bound to salt and offset, so payload bytes cannot pass for them.
 */
import {
  decodeFrame,
  FRAME_ALIGNMENT_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC_BYTES,
  peekFrame,
  type FrameHeader,
} from "../format/frame.ts";
import type { StorageFile } from "../storage/storage.ts";
import { isPlausibleHeader } from "./frame-scanner.ts";

const CHUNK_BYTES = 1024 * 1024; // 1 MiB

/** A frame that is valid by itself; whether it follows from the frames before is not known. */
export interface LoneFrame {
  readonly header: FrameHeader;
  readonly offset: number;
}

/**
 * The first valid frame at or behind `fromOffset` that `accepts` takes, or `undefined`. Chunks are read at multiples of 8, so no
 * magic straddles two.
 */
export async function findFrame(
  file: StorageFile,
  saltSeed: number,
  range: { readonly fromOffset: number; readonly endOffset: number },
  accepts: (frame: LoneFrame) => boolean,
): Promise<LoneFrame | undefined> {
  const chunkBytes = Math.min(CHUNK_BYTES, Math.max(0, range.endOffset - range.fromOffset));
  const chunk = Buffer.alloc(chunkBytes);
  for (let offset = range.fromOffset; offset < range.endOffset; offset += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, range.endOffset - offset);
    const read = await file.read(chunk, 0, length, offset);
    const bytes = chunk.subarray(0, read);
    const found = await findInChunk(file, saltSeed, bytes, offset, range.endOffset, accepts);
    if (found !== undefined) return found;
    if (read < length) break;
  }
  return undefined;
}

/** What lies behind the end of the valid prefix. */
export interface RestOfSegment {
  /** Where the valid prefix ends. */
  readonly fromOffset: number;
  /** False when there is nothing but zeros. */
  readonly hasBytes: boolean;
  /** Offset behind the last byte that is not zero; the prefix end when there is none. */
  readonly endOffset: number;
  /** The first frame that vouches for bytes at or beyond the prefix end. */
  readonly vouchedBy:
    | { readonly offset: number; readonly durableOffset: number; readonly firstLsn: number }
    | undefined;
}

/** Examines the bytes from `fromOffset` (the end of the valid prefix) to the end of the file. */
export async function examineRest(
  file: StorageFile,
  saltSeed: number,
  fromOffset: number,
  fileBytes: number,
): Promise<RestOfSegment> {
  const chunkBytes = Math.min(CHUNK_BYTES, Math.max(0, fileBytes - fromOffset));
  const chunk = Buffer.alloc(chunkBytes);
  const zeros = Buffer.alloc(chunkBytes);
  let endOffset = fromOffset;
  for (let offset = fromOffset; offset < fileBytes; offset += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, fileBytes - offset);
    const read = await file.read(chunk, 0, length, offset);
    const bytes = chunk.subarray(0, read);
    if (!bytes.equals(zeros.subarray(0, read))) {
      endOffset = offset + indexAfterLastNonZero(bytes);
      const vouching = await findInChunk(
        file,
        saltSeed,
        bytes,
        offset,
        fileBytes,
        ({ header }) => header.durableOffset > fromOffset,
      );
      if (vouching !== undefined) {
        const { durableOffset, firstLsn } = vouching.header;
        const vouchedBy = { offset: vouching.offset, durableOffset, firstLsn };
        return { fromOffset, hasBytes: true, endOffset, vouchedBy };
      }
    }
    if (read < length) break;
  }
  return { fromOffset, hasBytes: endOffset > fromOffset, endOffset, vouchedBy: undefined };
}

/** Tries every aligned magic in one chunk. */
async function findInChunk(
  file: StorageFile,
  saltSeed: number,
  chunk: Buffer,
  chunkOffset: number,
  endOffset: number,
  accepts: (frame: LoneFrame) => boolean,
): Promise<LoneFrame | undefined> {
  let at = chunk.indexOf(FRAME_MAGIC_BYTES);
  while (at >= 0) {
    const offset = chunkOffset + at;
    if (offset % FRAME_ALIGNMENT_BYTES === 0) {
      const header = await decodeAt(file, saltSeed, offset, endOffset);
      if (header !== undefined && accepts({ header, offset })) return { header, offset };
    }
    at = chunk.indexOf(FRAME_MAGIC_BYTES, at + 1);
  }
  return undefined;
}

async function decodeAt(
  file: StorageFile,
  saltSeed: number,
  offset: number,
  fileBytes: number,
): Promise<FrameHeader | undefined> {
  const head = new Uint8Array(FRAME_HEADER_BYTES);
  const headRead = await file.read(head, 0, FRAME_HEADER_BYTES, offset);
  const headView = new DataView(head.buffer);
  const peek = peekFrame(headView, 0, headRead);
  if (peek.kind !== "candidate" || offset + peek.lengthBytes > fileBytes) return undefined;
  // Cheap test first: a length is read in full only for a header that could vouch for anything.
  if (headView.getUint32(32, true) > offset) return undefined;
  const bytes = new Uint8Array(peek.lengthBytes);
  const read = await file.read(bytes, 0, peek.lengthBytes, offset);
  if (read < peek.lengthBytes) return undefined;
  const view = new DataView(bytes.buffer);
  const seed = (saltSeed ^ offset) >>> 0;
  const decoded = decodeFrame(bytes, view, 0, peek.lengthBytes, seed);
  if (decoded === undefined || !isPlausibleHeader(decoded.header, offset)) return undefined;
  return decoded.header;
}

function indexAfterLastNonZero(bytes: Uint8Array): number {
  let index = bytes.byteLength;
  while (index > 0 && bytes[index - 1] === 0) index--;
  return index;
}
