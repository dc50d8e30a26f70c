/**
 * What one open log tells about its work: counters and histograms, and the events for tracing.
 *
 * The layers call a method here after something has happened, once per group, never per record. It has no effect on them.
 */
import {
  EventChannel,
  type CommitEvent,
  type FailureEvent,
  type RecoverEvent,
  type ReleaseEvent,
  type RotateEvent,
} from "./events.ts";
import { growingBounds, Histogram } from "./histogram.ts";

/** Counters since the log was opened. */
export interface LogTotals {
  readonly writtenBytes: number;
  readonly frames: number;
  readonly groups: number;
  readonly syncs: number;
  readonly rotations: number;
  readonly releasedSegments: number;
}

/** From 50 us to 13 s, each bound one and a half times the one before. */
const LATENCY_BOUNDS_MS = growingBounds(0.05, 1.5, 32);
/** Powers of two from 1 to 65,536. */
const COUNT_BOUNDS = growingBounds(1, 2, 17);
/** Powers of four from 256 B to 256 MiB. */
const BYTES_BOUNDS = growingBounds(256, 4, 11);

export class WalObserver {
  /** Writes of the active segment that were synced, marks included, and syncs by themselves; milliseconds. */
  readonly syncMs: Histogram = new Histogram(LATENCY_BOUNDS_MS);
  readonly groupRecords: Histogram = new Histogram(COUNT_BOUNDS);
  readonly groupBytes: Histogram = new Histogram(BYTES_BOUNDS);
  readonly #directory: string;
  readonly #monotonicMs: () => number;
  readonly #totals = {
    writtenBytes: 0,
    frames: 0,
    groups: 0,
    syncs: 0,
    rotations: 0,
    releasedSegments: 0,
  };
  readonly #recover = new EventChannel<RecoverEvent>("walnut.wal.recover");
  readonly #commit = new EventChannel<CommitEvent>("walnut.wal.commit");
  readonly #rotate = new EventChannel<RotateEvent>("walnut.wal.rotate");
  readonly #release = new EventChannel<ReleaseEvent>("walnut.wal.release");
  readonly #failure = new EventChannel<FailureEvent>("walnut.wal.failure");

  constructor(directory: string, monotonicMs: () => number) {
    this.#directory = directory;
    this.#monotonicMs = monotonicMs;
  }

  get totals(): LogTotals {
    return this.#totals;
  }

  nowMs(): number {
    return this.#monotonicMs();
  }

  recovered(facts: Omit<RecoverEvent, "directory">): void {
    if (!this.#recover.hasSubscribers) return;
    const { segments, records, tornTailBytes, rewrittenRecords, verdict, durationMs } = facts;
    this.#recover.publish({
      directory: this.#directory,
      segments,
      records,
      tornTailBytes,
      rewrittenRecords,
      verdict,
      durationMs,
    });
  }

  /** A group is in the file, and on the device if `isSynced`. */
  groupWritten(group: Omit<CommitEvent, "directory" | "durationMs">, startedMs: number): void {
    const totals = this.#totals;
    totals.groups++;
    totals.frames += group.frames;
    totals.writtenBytes += group.writtenBytes;
    if (group.isSynced) totals.syncs++;
    this.groupRecords.add(group.lastLsn - group.firstLsn + 1);
    this.groupBytes.add(group.writtenBytes);
    if (!this.#commit.hasSubscribers) return;
    this.#commit.publish({
      directory: this.#directory,
      ...group,
      durationMs: this.#monotonicMs() - startedMs,
    });
  }

  /** A sync for its own sake: by interval, by call, not for a group. */
  logSynced(): void {
    this.#totals.syncs++;
  }

  /** The device has taken a synced write, or a sync. */
  deviceSynced(startedMs: number): void {
    this.syncMs.add(this.#monotonicMs() - startedMs);
  }

  segmentClosed(): void {
    this.#totals.rotations++;
  }

  segmentStarted(segment: Omit<RotateEvent, "directory" | "durationMs">, startedMs: number): void {
    if (!this.#rotate.hasSubscribers) return;
    const { segmentId, firstLsn, previousSegmentId } = segment;
    this.#rotate.publish({
      directory: this.#directory,
      segmentId,
      firstLsn,
      previousSegmentId,
      durationMs: this.#monotonicMs() - startedMs,
    });
  }

  segmentsReleased(segmentIds: readonly number[], firstLsn: number): void {
    this.#totals.releasedSegments += segmentIds.length;
    if (!this.#release.hasSubscribers) return;
    this.#release.publish({ directory: this.#directory, segmentIds, firstLsn });
  }

  failed(failure: Omit<FailureEvent, "directory">): void {
    if (!this.#failure.hasSubscribers) return;
    this.#failure.publish({ directory: this.#directory, ...failure });
  }
}
