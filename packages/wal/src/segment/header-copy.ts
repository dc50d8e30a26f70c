/**
 * Finds a segment's header again when its own place is damaged: marks carry a copy.
 */
import { saltSeed } from "../format/checksum.ts";
import { decodeFrame, FRAME_HEADER_BYTES, frameLengthBytes } from "../format/frame.ts";
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from "../format/segment-header.ts";
import type { StorageFile } from "../storage/storage.ts";

const MARK_BYTES: number = frameLengthBytes(SEGMENT_HEADER_BYTES);
const SEARCH_CHUNK_BYTES = 1024 * 1024; // 1 MiB
/** The header of segment `segmentId` from one of its marks, or `undefined` when no mark has survived. */
export async function findHeaderCopy(
  file: StorageFile,
  fileBytes: number,
  segmentId: number,
): Promise<SegmentHeader | undefined> {
  const chunk = Buffer.alloc(Math.min(SEARCH_CHUNK_BYTES, fileBytes));
  const stepBytes = SEARCH_CHUNK_BYTES - MARK_BYTES;
  for (let offset = 0; offset < fileBytes; offset += stepBytes) {
    const length = Math.min(chunk.byteLength, fileBytes - offset);
    const read = await file.read(chunk, 0, length, offset);
    const header = headerIn(chunk.subarray(0, read), offset, segmentId);
    if (header !== undefined) return header;
  }
  return undefined;
}

/**
 * A header copy inside a mark that is valid under that very header: a payload may hold a header of another log, but not one whose
 * salt makes the bytes around it a frame at this offset.
 */
function headerIn(bytes: Buffer, fileOffset: number, segmentId: number): SegmentHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = bytes.indexOf("WLNT"); at >= 0; at = bytes.indexOf("WLNT", at + 1)) {
    const start = at - FRAME_HEADER_BYTES;
    if (start < 0 || at + SEGMENT_HEADER_BYTES > bytes.byteLength) continue;
    const result = decodeSegmentHeader(bytes.subarray(at, at + SEGMENT_HEADER_BYTES));
    if (result.kind !== "valid" || result.header.segmentId !== segmentId) continue;
    const seed = (saltSeed(result.header.salt) ^ (fileOffset + start)) >>> 0;
    if (decodeFrame(bytes, view, start, MARK_BYTES, seed) !== undefined) return result.header;
  }
  return undefined;
}
