/**
 * Brings the next segment into being: creation, the optional copy of doubtful frames, and the seal of its predecessor.
 *
 * The rename in step 2 is the one moment at which the log changes: before it the predecessor is the last segment, after
 * it the new header says where the predecessor ends. See docs/durability.md for the crash labels.
 */
import { encodeMarkFrame, FRAME_HEADER_BYTES, FRAME_KIND, sealFrame } from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from "../format/segment-header.ts";
import { formatSegmentName, PREWRITE_NAME } from "../format/segment-name.ts";
import { FrameScanner, type ScanPosition } from "../segment/frame-scanner.ts";
import { writeZeros } from "../segment/prewriter.ts";
import { segmentInfo, type ClosedSegment, type SegmentInfo } from "../segment/segment-info.ts";
import { orNoSpace } from "../storage/no-space.ts";
import { removeIfThere } from "../storage/replace-file.ts";
import { joinPath, type Storage, type StorageFile } from "../storage/storage.ts";

const COPY_CHUNK_BYTES = 1024 * 1024; // 1 MiB

/** Frames of an old segment that nothing vouches for, to be rewritten into the new one. */
export interface DoubtfulFrames {
  readonly segment: SegmentInfo;
  readonly from: ScanPosition;
  readonly endOffset: number;
}

/** A zero-filled file that waits to become a segment. */
export interface PreparedFile {
  readonly zeroBytes: number;
}

export interface CreatedSegment {
  readonly info: SegmentInfo;
  readonly file: StorageFile;
  readonly endOffset: number;
  readonly nextLsn: number;
  readonly chain: number;
  readonly prewrittenOffset: number;
}

/** Zero-fills and syncs the file that the next rotation will use. Replaces a leftover of the same name. */
export async function prepareFile(
  storage: Storage,
  directory: string,
  zeroBytes: number,
): Promise<PreparedFile> {
  const path = joinPath(directory, PREWRITE_NAME);
  await removeIfThere(storage, path);
  const file = await storage.createFile(path);
  try {
    await writeZeros(file, 0, zeroBytes);
    await file.syncAll();
  } finally {
    await file.close();
  }
  return { zeroBytes };
}

/**
 * Creates the segment of `header`, durable under its final name when it resolves.
 *
 * Steps, and what a crash right after each leaves behind:
 * 1. `next.prewrite` holds header and copied frames, synced: the log is unchanged, the leftover is replaced later
 *    (CRASH: next-segment-1)
 * 2. renamed: the log is unchanged, or continues in the new segment (CRASH: next-segment-2)
 * 3. directory synced: the log continues in the new segment (CRASH: next-segment-3)
 */
export async function createSegment(
  storage: Storage,
  directory: string,
  header: SegmentHeader,
  prepared: PreparedFile | undefined,
  doubtful: DoubtfulFrames | undefined,
): Promise<CreatedSegment> {
  const { zeroBytes } = prepared ?? (await orNoSpace(() => prepareFile(storage, directory, 0)));
  const preparedPath = joinPath(directory, PREWRITE_NAME);
  const path = joinPath(directory, formatSegmentName(header.segmentId));
  const info = segmentInfo(path, header);

  // Up to the rename a full disk costs nothing but the unfinished file. Behind it the outcome is the directory's.
  const end = await orNoSpace(() => fillPrepared(storage, preparedPath, info, doubtful));
  await orNoSpace(() => storage.rename(preparedPath, path));
  await storage.syncDirectory(directory);
  return {
    info,
    file: await storage.openFile(path, "write"),
    endOffset: end.offset,
    nextLsn: end.nextLsn,
    chain: end.chain,
    prewrittenOffset: Math.max(zeroBytes, end.offset),
  };
}

async function fillPrepared(
  storage: Storage,
  preparedPath: string,
  info: SegmentInfo,
  doubtful: DoubtfulFrames | undefined,
): Promise<ScanPosition> {
  const file = await storage.openFile(preparedPath, "write");
  try {
    await file.write([info.headerBytes], 0);
    const end = await copyFrames(storage, doubtful, info, file);
    await file.syncAll();
    return end;
  } finally {
    await file.close();
  }
}

/**
 * Marks a segment as followed by another and cuts it to its length. The successor must be durable: a crash here leaves a
 * predecessor that is too long or lacks its seal, and the successor's header is right about it (CRASH: next-segment-4).
 */
export async function sealSegment(
  storage: Storage,
  segment: ClosedSegment,
  timeMs: number,
): Promise<void> {
  const seal = encodeMarkFrame(
    {
      kind: FRAME_KIND.seal,
      firstLsn: segment.lastLsn + 1,
      durableOffset: segment.endOffset,
      chain: segment.closingDigest,
      timeMs,
    },
    segment.headerBytes,
    (segment.saltSeed ^ segment.endOffset) >>> 0,
  );
  const file = await storage.openFile(segment.path, "write");
  try {
    await file.write([seal.bytes], segment.endOffset);
    await file.truncate(segment.endOffset + seal.bytes.byteLength);
    await file.syncAll();
  } finally {
    await file.close();
  }
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
async function copyFrames(
  storage: Storage,
  doubtful: DoubtfulFrames | undefined,
  target: SegmentInfo,
  targetFile: StorageFile,
): Promise<ScanPosition> {
  let offset = SEGMENT_HEADER_BYTES;
  let nextLsn = target.firstLsn;
  let chain = target.headerDigest;
  if (doubtful === undefined) return { offset, nextLsn, chain };
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
      if (frame.header.kind !== FRAME_KIND.data) continue;
      const start = frame.bodyStart - FRAME_HEADER_BYTES;
      const bytes = Uint8Array.from(frame.bytes.subarray(start, start + frame.lengthBytes));
      target.index.note(offset, nextLsn, chain);
      const header = { ...frame.header, chain, durableOffset: SEGMENT_HEADER_BYTES };
      chain = sealFrame(bytes, 0, header, (target.saltSeed ^ offset) >>> 0);
      await targetFile.write([bytes], offset);
      offset += frame.lengthBytes;
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
