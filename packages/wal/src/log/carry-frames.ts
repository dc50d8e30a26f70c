/**
 * Frames that a new segment begins with because they are taken over from an old one.
 *
 * Two cases: after a crash, the frames that nothing vouches for; after a truncation at the back, the records of the cut frame
 * that stay. Both are written under the new segment's salt and offsets before it gets its name.
 */
import type { FrameEncryptor } from "../encryption/frame-cipher.ts";
import { ENCRYPTION_OVERHEAD_BYTES } from "../format/encrypted-body.ts";
import {
  encodeGapFrame,
  FRAME_FLAG_ENCRYPTED,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  frameLengthBytes,
  sealFrame,
} from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { FrameScanner, type ScannedFrame, type ScanPosition } from "../segment/frame-scanner.ts";
import { firstPosition, type SegmentInfo } from "../segment/segment-info.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";

/** Writes frames behind the header of a new segment; returns where they end. Not synced. */
export type CarryFrames = (target: SegmentInfo, file: StorageFile) => Promise<ScanPosition>;

const COPY_CHUNK_BYTES = 1024 * 1024; // 1 MiB

/** Frames of an old segment that nothing vouches for, to be rewritten into the new one. */
export interface DoubtfulFrames {
  readonly segment: SegmentInfo;
  readonly from: ScanPosition;
  readonly endOffset: number;
}

/** The first records of a frame whose others are truncated. */
export interface FrameHead {
  readonly firstLsn: number;
  readonly recordCount: number;
  readonly timeMs: number;
  /** Neither compressed nor encrypted; `undefined` where the records were lost to damage. */
  readonly body: Uint8Array | undefined;
}

/** A segment that begins empty. */
export const carryNothing: CarryFrames = (target) =>
  Promise.resolve(firstPosition(target.firstLsn, target.headerDigest));

/** Takes over doubtful frames of the segment before. */
export function carryDoubtful(storage: Storage, doubtful: DoubtfulFrames): CarryFrames {
  return (target, file) => copyDoubtful(storage, doubtful, target, file);
}

/** Takes over the records of a cut frame that stay, encrypted with the newest key where there is one. */
export function carryHead(head: FrameHead, encryptor?: FrameEncryptor): CarryFrames {
  return async (target, file) => {
    const offset = SEGMENT_HEADER_BYTES;
    const seed = (target.saltSeed ^ offset) >>> 0;
    const nextLsn = head.firstLsn + head.recordCount;
    if (head.body === undefined) {
      const gap = smallestGap(head, target.headerDigest, seed);
      await file.write([gap.bytes], offset);
      return { offset: offset + gap.bytes.byteLength, nextLsn, chain: gap.chain };
    }
    const rawBytes = head.body.byteLength;
    const storedBytes = rawBytes + (encryptor === undefined ? 0 : ENCRYPTION_OVERHEAD_BYTES);
    const bytes = new Uint8Array(frameLengthBytes(storedBytes));
    const header = {
      storedBytes,
      rawBytes,
      firstLsn: head.firstLsn,
      recordCount: head.recordCount,
      kind: FRAME_KIND.data,
      codecId: 0,
      flags: encryptor === undefined ? 0 : FRAME_FLAG_ENCRYPTED,
      durableOffset: offset,
      chain: target.headerDigest,
      timeMs: head.timeMs,
    };
    if (encryptor === undefined) bytes.set(head.body, FRAME_HEADER_BYTES);
    else encryptor.encrypt(head.body, header, bytes, FRAME_HEADER_BYTES);
    const chain = sealFrame(bytes, 0, header, seed);
    await file.write([bytes], offset);
    return { offset: offset + bytes.byteLength, nextLsn, chain };
  };
}

/**
 * Writes the bytes of a range over themselves and syncs: pages that a failed sync had marked clean become dirty and reach the device
 * now, or the sync fails. Needs no space. A crash in between leaves the old or the same bytes.
 */
export async function rewriteInPlace(
  storage: Storage,
  path: string,
  fromOffset: number,
  endOffset: number,
): Promise<void> {
  const file = await storage.openFile(path, "write");
  try {
    const chunk = new Uint8Array(Math.min(endOffset - fromOffset, COPY_CHUNK_BYTES));
    for (let offset = fromOffset; offset < endOffset; offset += chunk.byteLength) {
      const length = Math.min(chunk.byteLength, endOffset - offset);
      const read = await file.read(chunk, 0, length, offset);
      if (read !== length) throw new Error(`${path} became shorter while it was being recovered`);
      await file.write([chunk.subarray(0, length)], offset);
    }
    await file.syncAll();
  } finally {
    await file.close();
  }
}

/** Rewrites frames under the new segment's salt and offsets; records, times and codecs stay as they are. */
async function copyDoubtful(
  storage: Storage,
  doubtful: DoubtfulFrames,
  target: SegmentInfo,
  targetFile: StorageFile,
): Promise<ScanPosition> {
  let offset = SEGMENT_HEADER_BYTES;
  let nextLsn = target.firstLsn;
  let chain = target.headerDigest;
  const source = await storage.openFile(doubtful.segment.path, "read");
  try {
    const scanner = new FrameScanner({
      file: source,
      saltSeed: doubtful.segment.saltSeed,
      start: doubtful.from,
      limitOffset: doubtful.endOffset,
    });
    for (;;) {
      const frame = await scanner.next();
      if (frame === undefined) break;
      // Marks of the old segment mean nothing in the new one; a gap does: its LSNs are gone there as well.
      if (frame.header.recordCount === 0) continue;
      target.index.note(offset, nextLsn, chain);
      const carried = carryFrame(frame, chain, (target.saltSeed ^ offset) >>> 0);
      await targetFile.write([carried.bytes], offset);
      chain = carried.chain;
      offset += carried.bytes.byteLength;
      nextLsn += frame.header.recordCount;
    }
    if (scanner.position.offset !== doubtful.endOffset) {
      throw new Error(
        `${doubtful.segment.path} changed while it was being recovered, at offset ${scanner.position.offset}`,
      );
    }
  } finally {
    await source.close();
  }
  return { offset, nextLsn, chain };
}

interface CarriedFrame {
  readonly bytes: Uint8Array;
  /** What the next frame carries. */
  readonly chain: number;
}

/** One frame under another chain and seed. */
function carryFrame(frame: ScannedFrame, chain: number, seed: number): CarriedFrame {
  const { header } = frame;
  if (header.kind === FRAME_KIND.gap) return smallestGap(header, chain, seed);
  const start = frame.bodyStart - FRAME_HEADER_BYTES;
  const bytes = Uint8Array.from(frame.bytes.subarray(start, start + frame.lengthBytes));
  const carried = { ...header, chain, durableOffset: SEGMENT_HEADER_BYTES };
  return { bytes, chain: sealFrame(bytes, 0, carried, seed) };
}

/** What was lost has no bytes to be carried: the smallest gap says as much. */
function smallestGap(
  lost: { readonly firstLsn: number; readonly recordCount: number; readonly timeMs: number },
  chain: number,
  seed: number,
): CarriedFrame {
  const bytes = encodeGapFrame(
    {
      lengthBytes: FRAME_HEADER_BYTES,
      firstLsn: lost.firstLsn,
      lostRecords: lost.recordCount,
      resumeChain: 0,
      chain,
      timeMs: lost.timeMs,
    },
    seed,
  );
  return { bytes, chain: 0 };
}
