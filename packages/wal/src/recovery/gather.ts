/**
 * Reads what recovery decides upon: names, headers, the checkpoint, and one scan of the last segment. Writes nothing.
 */
import { decodeCheckpoint, type Checkpoint } from "../format/checkpoint-file.ts";
import { FRAME_FLAG_BATCH_CONTINUES, FRAME_KIND, frameLengthBytes } from "../format/frame.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { CHECKPOINT_NAME, parseSegmentName } from "../format/segment-name.ts";
import { FrameScanner, type ScanPosition } from "../segment/frame-scanner.ts";
import { firstPosition, type SegmentInfo } from "../segment/segment-info.ts";
import { examineRest, type RestOfSegment } from "../segment/lone-frame.ts";
import { readSmallFile } from "../storage/replace-file.ts";
import { joinPath, type Storage, type StorageFile } from "../storage/storage.ts";
import type { SegmentFileFacts } from "./chain-verdict.ts";
import type { TailFacts } from "./tail-verdict.ts";

export type CheckpointFacts =
  | { readonly kind: "none" }
  | { readonly kind: "valid"; readonly checkpoint: Checkpoint }
  | { readonly kind: "invalid" }
  | { readonly kind: "unsupported-version"; readonly version: number };

/** Told how many bytes have been scanned since the last call. */
export type ScanProgress = (bytes: number) => void;

export async function gatherCheckpoint(
  storage: Storage,
  directory: string,
): Promise<CheckpointFacts> {
  const bytes = await readSmallFile(storage, joinPath(directory, CHECKPOINT_NAME));
  return bytes === undefined ? { kind: "none" } : decodeCheckpoint(bytes);
}

export async function gatherSegments(
  storage: Storage,
  directory: string,
  names: readonly string[],
): Promise<readonly SegmentFileFacts[]> {
  const facts: SegmentFileFacts[] = [];
  for (const name of names) {
    const segmentId = parseSegmentName(name);
    if (segmentId === undefined) continue;
    const path = joinPath(directory, name);
    const file = await storage.openFile(path, "read");
    try {
      const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
      const read = await file.read(bytes, 0, SEGMENT_HEADER_BYTES, 0);
      const header = decodeSegmentHeader(bytes.subarray(0, read));
      facts.push({ segmentId, path, fileBytes: await file.size(), header });
    } finally {
      await file.close();
    }
  }
  return facts;
}

/** What one scan of a segment found. */
export interface TailScan {
  readonly facts: TailFacts;
  /** End of the last complete batch: what the log keeps. */
  readonly end: ScanPosition;
  /** Everything before this is vouched for by a frame of the prefix. */
  readonly vouched: ScanPosition;
  /** Where the first byte stands that is no part of a valid frame. */
  readonly brokenOffset: number;
  readonly rest: RestOfSegment;
}

/** Scans the last segment from its first frame to the end of the file. */
export async function gatherTail(
  storage: Storage,
  info: SegmentInfo,
  fileBytes: number,
  progress: ScanProgress,
): Promise<TailScan> {
  const file = await storage.openFile(info.path, "read");
  try {
    return await scanTail(file, info, fileBytes, progress);
  } finally {
    await file.close();
  }
}

async function scanTail(
  file: StorageFile,
  info: SegmentInfo,
  fileBytes: number,
  progress: ScanProgress,
): Promise<TailScan> {
  const start = firstPosition(info.firstLsn, info.headerDigest);
  const scanner = new FrameScanner({
    file,
    saltSeed: info.saltSeed,
    start,
    limitOffset: fileBytes,
  });
  // Frame boundaries from the vouched offset on; the first one is the vouched position.
  let boundaries: ScanPosition[] = [start];
  let vouchedOffset = start.offset;
  let end = start;
  let mark: TailFacts["mark"] = "none";
  for (;;) {
    const before = scanner.position;
    const frame = await scanner.next();
    if (frame === undefined) break;
    info.index.note(before.offset, before.nextLsn, before.chain);
    if (frame.header.durableOffset > vouchedOffset) {
      vouchedOffset = frame.header.durableOffset;
      boundaries = boundaries.filter((boundary) => boundary.offset >= vouchedOffset);
    }
    const after = scanner.position;
    boundaries.push(after);
    progress(frame.lengthBytes);
    if ((frame.header.flags & FRAME_FLAG_BATCH_CONTINUES) === 0) {
      end = after;
      mark = markOf(frame.header.kind);
    }
  }
  const brokenOffset = scanner.position.offset;
  const rest = await examineRest(file, info.saltSeed, brokenOffset, fileBytes);
  const first = boundaries[0];
  const vouched = first !== undefined && first.offset <= end.offset ? first : end;
  const facts: TailFacts = {
    header: "valid",
    rest: rest.vouchedBy !== undefined ? "vouched" : rest.hasBytes ? "junk" : "zeros",
    batch: end.offset === brokenOffset ? "complete" : "open",
    mark,
  };
  return { facts, end, vouched, brokenOffset, rest };
}

function markOf(kind: number): TailFacts["mark"] {
  if (kind === FRAME_KIND.attest) return "attest";
  return kind === FRAME_KIND.seal ? "seal" : "none";
}

/** How a closed segment relates to what its successor says about it. */
export type ClosingFacts =
  /** Ends with the seal that its successor's header describes. */
  | { readonly kind: "sealed" }
  /** No such seal, but every frame up to the end was verified: the crash came between successor and seal. */
  | { readonly kind: "verified" }
  /** Frames, digest or LSNs differ from what the successor says. */
  | { readonly kind: "mismatch"; readonly position: ScanPosition };

/** Where a closed segment must end, by its successor's header. */
export interface ExpectedEnd {
  readonly offset: number;
  readonly digest: number;
  readonly nextLsn: number;
}

const MARK_FRAME_BYTES = frameLengthBytes(SEGMENT_HEADER_BYTES);

/** Checks the seal, and the frames too when there is no seal or `verifiesFrames` asks for it. */
export async function gatherClosing(
  storage: Storage,
  info: SegmentInfo,
  expected: ExpectedEnd,
  fileBytes: number,
  verifiesFrames: boolean,
  progress: ScanProgress,
): Promise<ClosingFacts> {
  const file = await storage.openFile(info.path, "read");
  try {
    const isSealed = await hasSeal(file, info, expected, fileBytes);
    if (isSealed && !verifiesFrames) return { kind: "sealed" };
    const scanner = new FrameScanner({
      file,
      saltSeed: info.saltSeed,
      start: firstPosition(info.firstLsn, info.headerDigest),
      limitOffset: expected.offset,
    });
    for (;;) {
      const before = scanner.position;
      const frame = await scanner.next();
      if (frame === undefined) break;
      info.index.note(before.offset, before.nextLsn, before.chain);
      progress(frame.lengthBytes);
    }
    const { position } = scanner;
    const fits =
      position.offset === expected.offset &&
      position.chain === expected.digest &&
      position.nextLsn === expected.nextLsn;
    if (!fits) return { kind: "mismatch", position };
    return { kind: isSealed ? "sealed" : "verified" };
  } finally {
    await file.close();
  }
}

async function hasSeal(
  file: StorageFile,
  info: SegmentInfo,
  expected: ExpectedEnd,
  fileBytes: number,
): Promise<boolean> {
  if (fileBytes !== expected.offset + MARK_FRAME_BYTES) return false;
  const scanner = new FrameScanner({
    file,
    saltSeed: info.saltSeed,
    start: { offset: expected.offset, nextLsn: expected.nextLsn, chain: expected.digest },
    limitOffset: fileBytes,
    chunkBytes: MARK_FRAME_BYTES,
  });
  const frame = await scanner.next();
  return frame?.header.kind === FRAME_KIND.seal;
}
