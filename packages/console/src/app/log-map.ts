/**
 * A log as a line from 0 to 1: where each segment begins and ends by bytes, and where an LSN is on it. Pure.
 */
import type { LogOverview, SegmentOverview } from "../overview.ts";

/** A segment on the line. */
export interface PlacedSegment {
  readonly segment: SegmentOverview;
  readonly start: number;
  readonly end: number;
}

/** A log laid out. */
export interface LogMap {
  readonly segments: readonly PlacedSegment[];
  /** Share of the line up to the end of the record; records of a segment are taken as equally long. */
  readonly placeOf: (lsn: number) => number;
}

/**
 * Lays out the segments of a log in proportion to their bytes. The active segment is followed by the room that it has
 * left up to `segmentBytes`.
 */
export function mapLog({ segments }: Pick<LogOverview, "segments">, segmentBytes: number): LogMap {
  const active = segments.find(({ isSealed }) => !isSealed);
  const roomBytes = active === undefined ? 0 : Math.max(0, segmentBytes - active.sizeBytes);
  const usedBytes = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const totalBytes = usedBytes + roomBytes;
  let bytes = 0;
  const placed = segments.map((segment): PlacedSegment => {
    const start = totalBytes === 0 ? 0 : bytes / totalBytes;
    bytes += segment.sizeBytes;
    return { segment, start, end: totalBytes === 0 ? 0 : bytes / totalBytes };
  });
  return { segments: placed, placeOf: (lsn) => placeOf(placed, lsn) };
}

function placeOf(placed: readonly PlacedSegment[], lsn: number): number {
  const [first] = placed;
  if (first === undefined || lsn < first.segment.firstLsn) return 0;
  for (const { segment, start, end } of placed) {
    const records = segment.lastLsn - segment.firstLsn + 1;
    if (records <= 0 || lsn > segment.lastLsn) continue;
    return start + ((end - start) * (lsn - segment.firstLsn + 1)) / records;
  }
  return placed.at(-1)?.end ?? 0;
}
