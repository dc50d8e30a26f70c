/**
 * Brings the next segment into being: creation, the frames that are carried into it, and the seal of its predecessor.
 *
 * The rename in step 2 is the one moment at which the log changes: before it the predecessor is the last segment, after
 * it the new header says where the predecessor ends. See docs/durability.md for the crash labels.
 */
import { encodeMarkFrame, FRAME_KIND } from "../format/frame.ts";
import type { SegmentHeader } from "../format/segment-header.ts";
import { formatSegmentName, PREWRITE_NAME } from "../format/segment-name.ts";
import type { ScanPosition } from "../segment/frame-scanner.ts";
import { writeZeros } from "../segment/prewriter.ts";
import { segmentInfo, type ClosedSegment, type SegmentInfo } from "../segment/segment-info.ts";
import { ifThereIsSpace, orNoSpace } from "../storage/system-error.ts";
import { removeIfThere } from "../storage/replace-file.ts";
import { joinPath, type Storage, type StorageFile } from "../storage/storage.ts";
import { carryNothing, type CarryFrames } from "./carry-frames.ts";

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
 * 1. `next.prewrite` holds header and carried frames, synced: the log is unchanged, the leftover is replaced later
 *    (CRASH: next-segment-1)
 * 2. renamed: the log is unchanged, or continues in the new segment (CRASH: next-segment-2)
 * 3. directory synced: the log continues in the new segment (CRASH: next-segment-3)
 */
export async function createSegment(
  storage: Storage,
  directory: string,
  header: SegmentHeader,
  prepared: PreparedFile | undefined,
  carry: CarryFrames | undefined,
): Promise<CreatedSegment> {
  const { zeroBytes } = prepared ?? (await orNoSpace(() => prepareFile(storage, directory, 0)));
  const preparedPath = joinPath(directory, PREWRITE_NAME);
  const path = joinPath(directory, formatSegmentName(header.segmentId));
  const info = segmentInfo(path, header);

  // Up to the rename a full disk costs nothing but the unfinished file. Behind it the outcome is the directory's.
  const end = await orNoSpace(() => fillPrepared(storage, preparedPath, info, carry));
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
  carry: CarryFrames | undefined,
): Promise<ScanPosition> {
  const file = await storage.openFile(preparedPath, "write");
  try {
    await file.write([info.headerBytes], 0);
    const end = await (carry ?? carryNothing)(info, file);
    await file.syncAll();
    return end;
  } finally {
    await file.close();
  }
}

/** The header of the segment behind `previous`, or of a log's first. Pure. */
export function headerAfter(
  previous: ClosedSegment | undefined,
  own: Pick<SegmentHeader, "segmentId" | "firstLsn" | "salt" | "createdAtMs">,
): SegmentHeader {
  return {
    ...own,
    previousSegmentId: previous?.segmentId ?? 0,
    previousEndOffset: previous?.endOffset ?? 0,
    previousDigest: previous?.closingDigest ?? 0,
  };
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

/** Seals the predecessor of a segment that was just created. Without room it stays unsealed: the next open makes up for it. */
export async function sealPredecessor(
  storage: Storage,
  predecessor: ClosedSegment,
  created: CreatedSegment,
  timeMs: number,
): Promise<void> {
  try {
    await ifThereIsSpace(() => sealSegment(storage, predecessor, timeMs));
  } catch (error) {
    await created.file.close();
    throw error;
  }
}
