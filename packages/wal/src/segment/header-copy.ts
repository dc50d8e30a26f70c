/**
 * Finds a copy of a segment's damaged header: every attest and seal frame carries one.
 *
 * A copy counts only when the frame around it is valid under the salt of that very header, at that very offset: a payload may
 * hold a header of another log, and cannot pass for one.
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
const CHUNK_BYTES = 1024 * 1024; // 1 MiB

/** The header of segment `segmentId`, or `undefined` when no mark in the file carries a copy. */
export async function findHeaderCopy(
  file: StorageFile,
  segmentId: number,
): Promise<SegmentHeader | undefined> {
  const fileBytes = await file.size();
  const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, fileBytes));
  // Chunks overlap by one mark, so that none is cut in two.
  for (let offset = 0; offset < fileBytes; offset += CHUNK_BYTES - MARK_BYTES) {
    const read = await file.read(chunk, 0, Math.min(CHUNK_BYTES, fileBytes - offset), offset);
    const header = headerIn(chunk.subarray(0, read), offset, segmentId);
    if (header !== undefined) return header;
  }
  return undefined;
}

function headerIn(bytes: Buffer, offset: number, segmentId: number): SegmentHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = bytes.indexOf("WLNT"); at >= 0; at = bytes.indexOf("WLNT", at + 1)) {
    const start = at - FRAME_HEADER_BYTES;
    if (start < 0 || start + MARK_BYTES > bytes.byteLength) continue;
    const result = decodeSegmentHeader(bytes.subarray(at, at + SEGMENT_HEADER_BYTES));
    if (result.kind !== "valid" || result.header.segmentId !== segmentId) continue;
    const seed = (saltSeed(result.header.salt) ^ (offset + start)) >>> 0;
    if (decodeFrame(bytes, view, start, MARK_BYTES, seed) !== undefined) return result.header;
  }
  return undefined;
}
