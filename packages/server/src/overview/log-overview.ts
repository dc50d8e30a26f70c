/**
 * One log as the overview draws it: segments to scale, positions, cursors, who holds space. Pure.
 */
import type { SegmentStatus, WalMetrics, WalStatus } from "@walnut/wal";

/** One segment, or several old ones drawn as one. */
export interface SegmentOverview {
  readonly firstLsn: number;
  /** `firstLsn - 1` when there is no record in it. */
  readonly lastLsn: number;
  readonly sizeBytes: number;
  readonly createdAtMs: number;
  readonly isSealed: boolean;
  /** Files that this entry stands for: 1 but for the oldest entry of a very long log. */
  readonly files: number;
}

/** A log as one moment shows it. */
export interface LogOverview {
  readonly shard: number;
  readonly directory: string;
  readonly state: WalStatus["state"];
  readonly failure: string | null;
  readonly sizeBytes: number;
  /** Bytes free on the log's device for this user; `null` when the system did not say. */
  readonly freeBytes: number | null;
  readonly segmentCount: number;
  readonly segments: readonly SegmentOverview[];
  readonly positions: WalStatus["positions"] & { readonly flushedLsn: number };
  readonly cursors: WalStatus["cursors"];
  readonly spaceHolder: NonNullable<WalMetrics["spaceHolder"]> | null;
  readonly pendingBytes: number;
  readonly totals: {
    readonly records: number;
    readonly bytes: number;
    readonly writtenBytes: number;
    readonly syncs: number;
    readonly groups: number;
    readonly rotations: number;
    readonly releasedSegments: number;
  };
  /** Milliseconds per synced write and sync since the start; counts are per bucket, the last one open. */
  readonly syncMs: WalMetrics["syncMs"];
}

/** Segments that are listed one by one; what is older becomes one entry. */
export const MAX_LISTED_SEGMENTS = 200;

/** One log. */
export function logOverview(facts: {
  readonly shard: number;
  readonly status: WalStatus;
  readonly metrics: WalMetrics;
  readonly flushedLsn: number;
  readonly freeBytes: number | undefined;
}): LogOverview {
  const { status, metrics } = facts;
  return {
    shard: facts.shard,
    directory: status.directory,
    state: status.state,
    failure: status.failure ?? null,
    sizeBytes: metrics.sizeBytes,
    freeBytes: facts.freeBytes ?? null,
    segmentCount: status.segments.length,
    segments: listSegments(status.segments),
    positions: { ...status.positions, flushedLsn: facts.flushedLsn },
    cursors: status.cursors,
    spaceHolder: metrics.spaceHolder ?? null,
    pendingBytes: metrics.pendingBytes,
    totals: {
      records: metrics.appendedRecords,
      bytes: metrics.appendedBytes,
      writtenBytes: metrics.writtenBytes,
      syncs: metrics.syncs,
      groups: metrics.groups,
      rotations: metrics.rotations,
      releasedSegments: metrics.releasedSegments,
    },
    syncMs: metrics.syncMs,
  };
}

function listSegments(segments: readonly SegmentStatus[]): readonly SegmentOverview[] {
  const entries = segments.map((segment): SegmentOverview => {
    const { firstLsn, lastLsn, sizeBytes, createdAtMs, isSealed } = segment;
    return { firstLsn, lastLsn, sizeBytes, createdAtMs, isSealed, files: 1 };
  });
  const old = entries.slice(0, Math.max(0, entries.length - MAX_LISTED_SEGMENTS + 1));
  const [oldest] = old;
  const newestOld = old.at(-1);
  if (oldest === undefined || newestOld === undefined || old.length === 1) return entries;
  const together: SegmentOverview = {
    ...oldest,
    lastLsn: newestOld.lastLsn,
    sizeBytes: old.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    files: old.length,
  };
  return [together, ...entries.slice(old.length)];
}
