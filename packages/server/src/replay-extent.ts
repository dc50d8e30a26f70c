/**
 * How much of the log a replay has to read, and how much of that lies behind it, in segments and bytes on disk. Pure.
 *
 * Inside of a segment records are taken to be of one size: a segment is small beside what is worth watching.
 */

/** The part of a segment that matters here. */
export interface SegmentExtent {
  readonly firstLsn: number;
  /** `firstLsn - 1` when it holds no record. */
  readonly lastLsn: number;
  readonly sizeBytes: number;
}

/** Done and in total. */
export interface ReplayExtent {
  readonly segmentsDone: number;
  readonly segmentsTotal: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** @param lsns - the first record of the replay, and the one that it will replay next */
export function replayExtent(
  segments: readonly SegmentExtent[],
  lsns: { readonly from: number; readonly next: number },
): ReplayExtent {
  const needed = segments.filter(
    ({ firstLsn, lastLsn }) => lastLsn >= lsns.from && lastLsn >= firstLsn,
  );
  let bytesDone = 0;
  let bytesTotal = 0;
  for (const segment of needed) {
    const startBytes = bytesBefore(segment, lsns.from);
    bytesTotal += segment.sizeBytes - startBytes;
    bytesDone += Math.max(0, bytesBefore(segment, lsns.next) - startBytes);
  }
  return {
    segmentsDone: needed.filter(({ lastLsn }) => lastLsn < lsns.next).length,
    segmentsTotal: needed.length,
    bytesDone,
    bytesTotal,
  };
}

/** Bytes of a segment before a record. */
function bytesBefore({ firstLsn, lastLsn, sizeBytes }: SegmentExtent, lsn: number): number {
  const share = (lsn - firstLsn) / (lastLsn - firstLsn + 1);
  return Math.round(sizeBytes * Math.min(1, Math.max(0, share)));
}
