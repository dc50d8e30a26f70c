/**
 * What a start found and did, and how far it is: of one shard, and of several that recover side by side.
 *
 * Counts are added, times are not: shards recover at the same time, so the longest one is what a person waited.
 */
import type { RecoveryProgress } from "./server-options.ts";

/** What start-up found and did. */
export interface RecoverySummary {
  /** Segments of the log that were there. */
  readonly segments: number;
  /** Records replayed: those that Parquet did not hold. */
  readonly records: number;
  readonly rows: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Bytes of an unfinished last write that were cut off. */
  readonly tornTailBytes: number;
}

/** One summary of several recoveries that ran at the same time. */
export function sumRecoveries(summaries: readonly RecoverySummary[]): RecoverySummary {
  const sum = (read: (summary: RecoverySummary) => number): number =>
    summaries.reduce((total, summary) => total + read(summary), 0);
  return {
    segments: sum((summary) => summary.segments),
    records: sum((summary) => summary.records),
    rows: sum((summary) => summary.rows),
    bytes: sum((summary) => summary.bytes),
    durationMs: Math.max(0, ...summaries.map((summary) => summary.durationMs)),
    tornTailBytes: sum((summary) => summary.tornTailBytes),
  };
}

/** Progress of several recoveries as one. In the phase "scan" as long as one of them is. */
export class ProgressSum {
  readonly #onProgress: (progress: RecoveryProgress) => void;
  readonly #current = new Map<number, RecoveryProgress["phase"]>();
  /** The last report of each phase of each recovery: one that scans no more has still scanned. */
  readonly #reports = {
    scan: new Map<number, RecoveryProgress>(),
    replay: new Map<number, RecoveryProgress>(),
  };

  constructor(onProgress: (progress: RecoveryProgress) => void) {
    this.#onProgress = onProgress;
  }

  /** Takes the progress of the recovery with a number, and tells the sum. */
  advance(number: number, progress: RecoveryProgress): void {
    this.#current.set(number, progress.phase);
    this.#reports[progress.phase].set(number, progress);
    const phase = [...this.#current.values()].includes("scan") ? "scan" : "replay";
    const counted = [...this.#reports[phase].values()];
    const sum = (read: (step: RecoveryProgress) => number): number =>
      counted.reduce((total, step) => total + read(step), 0);
    this.#onProgress({
      phase,
      segmentsDone: sum((step) => step.segmentsDone),
      segmentsTotal: sum((step) => step.segmentsTotal),
      bytesDone: sum((step) => step.bytesDone),
      bytesTotal: sum((step) => step.bytesTotal),
      records: sum((step) => step.records),
      rows: sum((step) => step.rows),
    });
  }
}
