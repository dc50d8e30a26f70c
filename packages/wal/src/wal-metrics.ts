/**
 * Numbers of a log as one plain object, for whoever collects metrics. Names, units and meanings: docs/metrics.md, "Engine".
 */
import type { GuardedCommit } from "./capacity/guarded-commit.ts";
import type { GroupCommit } from "./commit/group-commit.ts";
import type { WalEnvironment } from "./environment.ts";
import type { CursorSet } from "./log/cursors.ts";
import type { SegmentedLog } from "./log/segmented-log.ts";
import { bytesBehind } from "./log/space-held.ts";
import type { HistogramSnapshot } from "./observe/histogram.ts";
import type { WalObserver } from "./observe/wal-observer.ts";
import type { WalPositions } from "./wal-status.ts";
import { wholeMs } from "./wall-clock.ts";

/** The cursor that keeps the most space from being released. */
export interface SpaceHolder {
  readonly cursor: string;
  /** What a restart would find it at. */
  readonly lsn: number;
  readonly lagRecords: number;
  /** Exact to 64 KiB, or to a segment that this process has not read. */
  readonly lagBytes: number;
  /** How long it has not moved, by the wall clock; 0 when there is nothing behind it. */
  readonly lagMs: number;
}

/** Counters begin with the opening of the log; the others are as of now. */
export interface WalMetrics extends WalPositions {
  readonly appendedRecords: number;
  readonly appendedBytes: number;
  readonly writtenBytes: number;
  readonly frames: number;
  readonly groups: number;
  /** Groups that began because enough was waiting; the others began when the event loop had gone round. */
  readonly eagerGroups: number;
  readonly syncs: number;
  readonly rotations: number;
  readonly releasedSegments: number;
  readonly pendingBytes: number;
  readonly waiters: number;
  readonly buffersInUse: number;
  readonly waitingForRoom: number;
  readonly droppedRecords: number;
  readonly segments: number;
  readonly sizeBytes: number;
  readonly cursors: number;
  readonly spaceHolder: SpaceHolder | undefined;
  /** Per synced write, and per sync; milliseconds. */
  readonly syncMs: HistogramSnapshot;
  readonly groupRecords: HistogramSnapshot;
  readonly groupBytes: HistogramSnapshot;
  readonly isPoisoned: boolean;
}

/** Parts of a log that metrics are made of. */
export interface MetricsParts {
  readonly environment: WalEnvironment;
  readonly observer: WalObserver;
  readonly log: SegmentedLog;
  readonly commit: GroupCommit;
  readonly guard: GuardedCommit | undefined;
  readonly cursors: CursorSet;
}

/** Metrics as of now. */
export function describeMetrics(
  parts: MetricsParts,
  facts: WalPositions & Pick<WalMetrics, "appendedRecords" | "appendedBytes">,
): WalMetrics {
  const { observer, log, commit, guard, cursors } = parts;
  const { closed, active } = log.state;
  return {
    ...facts,
    ...observer.totals,
    ...commit.load,
    waitingForRoom: guard?.waiting ?? 0,
    droppedRecords: guard === undefined ? 0 : guard.drops.oldestRecords + guard.drops.newestRecords,
    segments: closed.length + (active === undefined ? 0 : 1),
    sizeBytes: log.sizeBytes,
    cursors: cursors.positions().length,
    spaceHolder: spaceHolder(parts),
    syncMs: observer.syncMs.snapshot(),
    groupRecords: observer.groupRecords.snapshot(),
    groupBytes: observer.groupBytes.snapshot(),
    isPoisoned: commit.failure !== undefined,
  };
}

function spaceHolder({ cursors, log, environment }: MetricsParts): SpaceHolder | undefined {
  const [lowest] = cursors
    .positions()
    .toSorted((a, b) => a.durableLsn - b.durableLsn || a.movedAtMs - b.movedAtMs);
  if (lowest === undefined) return undefined;
  const lagRecords = Math.max(0, log.writtenLsn - lowest.durableLsn);
  return {
    cursor: lowest.name,
    lsn: lowest.durableLsn,
    lagRecords,
    lagBytes: bytesBehind(log.state, lowest.durableLsn),
    lagMs: lagRecords === 0 ? 0 : Math.max(0, wholeMs(environment) - lowest.movedAtMs),
  };
}
