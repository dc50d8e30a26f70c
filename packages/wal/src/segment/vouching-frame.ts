/**
 * Looks behind broken bytes for a frame that vouches for them.
 *
 * A valid frame further on whose `durableOffset` lies beyond the broken place was written after that place was
 * on the device: the place is damaged, not torn. Frames are aligned and their checksum is bound to salt and
 * offset, so a search for the magic finds them and payload bytes cannot pass for them.
 */
import {
  decodeFrame,
  FRAME_ALIGNMENT_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC_BYTES,
  peekFrame,
} from "../format/frame.ts";
import type { StorageFile } from "../storage/storage.ts";
import { isPlausibleHeader } from "./frame-scanner.ts";

const CHUNK_BYTES = 1024 * 1024; // 1 MiB

/** What lies behind the end of the valid prefix. */
export interface RestOfSegment {
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
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const zeros = Buffer.alloc(CHUNK_BYTES);
  let endOffset = fromOffset;
  for (let offset = fromOffset; offset < fileBytes; offset += CHUNK_BYTES) {
    const length = Math.min(CHUNK_BYTES, fileBytes - offset);
    const read = await file.read(chunk, 0, length, offset);
    const bytes = chunk.subarray(0, read);
    if (!bytes.equals(zeros.subarray(0, read))) {
      endOffset = offset + indexAfterLastNonZero(bytes);
      const vouchedBy = await findVouching(file, saltSeed, bytes, offset, fromOffset, fileBytes);
      if (vouchedBy !== undefined) return { hasBytes: true, endOffset, vouchedBy };
    }
    if (read < length) break;
  }
  return { hasBytes: endOffset > fromOffset, endOffset, vouchedBy: undefined };
}

/** Tries every aligned magic in one chunk; chunks begin at multiples of 8, so no magic straddles two. */
async function findVouching(
  file: StorageFile,
  saltSeed: number,
  chunk: Buffer,
  chunkOffset: number,
  brokenOffset: number,
  fileBytes: number,
): Promise<RestOfSegment["vouchedBy"]> {
  let at = chunk.indexOf(FRAME_MAGIC_BYTES);
  while (at >= 0) {
    const offset = chunkOffset + at;
    if (offset % FRAME_ALIGNMENT_BYTES === 0) {
      const header = await decodeAt(file, saltSeed, offset, fileBytes);
      if (header !== undefined && header.durableOffset > brokenOffset) {
        return { offset, durableOffset: header.durableOffset, firstLsn: header.firstLsn };
      }
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
): Promise<{ readonly durableOffset: number; readonly firstLsn: number } | undefined> {
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
