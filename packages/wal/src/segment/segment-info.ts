/**
 * What the log knows about one segment: identity, extent, and how its frames are checked.
 *
 * Immutable; the active segment's changing extent lives in `SegmentWriter`.
 */
import { saltSeed } from "../format/checksum.ts";
import {
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  segmentHeaderDigest,
  type SegmentHeader,
} from "../format/segment-header.ts";
import type { ScanPosition } from "./frame-scanner.ts";
import { SegmentIndex } from "./segment-index.ts";

export interface SegmentInfo {
  readonly segmentId: number;
  readonly path: string;
  readonly firstLsn: number;
  readonly createdAtMs: number;
  readonly saltSeed: number;
  /** The encoded header, which marks repeat. */
  readonly headerBytes: Uint8Array;
  /** Checksum of the header: chain value of the first frame. */
  readonly headerDigest: number;
  readonly index: SegmentIndex;
}

/** A segment that will not change any more. */
export interface ClosedSegment extends SegmentInfo {
  /** Where its frames end, as far as the log is concerned. */
  readonly endOffset: number;
  /** LSN of its last record; `firstLsn - 1` when it holds none. */
  readonly lastLsn: number;
  /** Checksum of its last frame: what the successor's header repeats. */
  readonly closingDigest: number;
}

export function segmentInfo(path: string, header: SegmentHeader): SegmentInfo {
  const headerBytes = encodeSegmentHeader(header);
  const headerDigest = segmentHeaderDigest(headerBytes);
  return {
    segmentId: header.segmentId,
    path,
    firstLsn: header.firstLsn,
    createdAtMs: header.createdAtMs,
    saltSeed: saltSeed(header.salt),
    headerBytes,
    headerDigest,
    index: new SegmentIndex(firstPosition(header.firstLsn, headerDigest)),
  };
}

/** Where the frames of a segment begin. */
export function firstPosition(firstLsn: number, headerDigest: number): ScanPosition {
  return { offset: SEGMENT_HEADER_BYTES, nextLsn: firstLsn, chain: headerDigest };
}

/** The segment as it is when its frames end at a position. */
export function closedAt(info: SegmentInfo, end: ScanPosition): ClosedSegment {
  return {
    ...info,
    endOffset: end.offset,
    lastLsn: end.nextLsn - 1,
    closingDigest: end.chain,
  };
}
