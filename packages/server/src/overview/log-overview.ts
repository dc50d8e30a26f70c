/**
 * One log as the overview draws it: segments to scale, positions, cursors, who holds space. Pure.
 */
import type { LogOverview, SegmentOverview } from "@walnut/console";
import type { SegmentStatus, WalMetrics, WalStatus } from "@walnut/wal";

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
