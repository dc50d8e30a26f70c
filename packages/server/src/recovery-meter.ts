/**
 * How fast recovery is and when it will be done, from reports of how far it is.
 *
 * The rate is that of the last seconds, so that a wait for a flush shows. It has no clock of its own and does not know
 * what is recovered.
 */
import type { RecoveryProgress } from "./server-options.ts";

/** How far recovery is, how fast, and when this step will be done. */
export interface RecoveryView extends RecoveryProgress {
  /** Of this step. `undefined` while it is too early to say. */
  readonly bytesPerSecond: number | undefined;
  /** Until the end of this step; rounded up. `undefined` while it is too early to say, or nothing moves. */
  readonly etaSeconds: number | undefined;
  /** Since recovery began. */
  readonly elapsedMs: number;
}

interface Sample {
  readonly atMs: number;
  readonly bytesDone: number;
}

const MS_PER_SECOND = 1_000;
/** The rate is that of so long. */
const WINDOW_MS = 5_000;
/** Samples are no closer than this. */
const SAMPLE_MS = 100;
/** A rate over less time says nothing. */
const MIN_SPAN_MS = 200;

const NOTHING_DONE: RecoveryProgress = {
  phase: "scan",
  segmentsDone: 0,
  segmentsTotal: 0,
  bytesDone: 0,
  bytesTotal: 0,
  records: 0,
  rows: 0,
};

/** Takes reports and answers questions about them. */
export class RecoveryMeter {
  readonly #monotonicMs: () => number;
  readonly #startedMs: number;
  #progress: RecoveryProgress = NOTHING_DONE;
  #samples: Sample[] = [];

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#startedMs = monotonicMs();
    this.#samples.push({ atMs: this.#startedMs, bytesDone: 0 });
  }

  /** Recovery has come further, or to its next step. */
  report(progress: RecoveryProgress): void {
    const atMs = this.#monotonicMs();
    const sample = { atMs, bytesDone: progress.bytesDone };
    if (progress.phase !== this.#progress.phase) this.#samples = [sample];
    this.#progress = progress;
    const last = this.#samples.at(-1);
    if (last !== undefined && atMs - last.atMs < SAMPLE_MS) return;
    this.#samples.push(sample);
    while (atMs - (this.#samples[1]?.atMs ?? atMs) > WINDOW_MS) this.#samples.shift();
  }

  view(): RecoveryView {
    const nowMs = this.#monotonicMs();
    const bytesPerSecond = this.#rate(nowMs);
    const { bytesDone, bytesTotal } = this.#progress;
    const leftBytes = Math.max(0, bytesTotal - bytesDone);
    const isMoving = bytesPerSecond !== undefined && bytesPerSecond > 0;
    return {
      ...this.#progress,
      bytesPerSecond,
      etaSeconds: isMoving ? Math.ceil(leftBytes / bytesPerSecond) : undefined,
      elapsedMs: nowMs - this.#startedMs,
    };
  }

  #rate(nowMs: number): number | undefined {
    const [oldest] = this.#samples;
    if (oldest === undefined || nowMs - oldest.atMs < MIN_SPAN_MS) return undefined;
    const bytes = this.#progress.bytesDone - oldest.bytesDone;
    return Math.round((bytes * MS_PER_SECOND) / (nowMs - oldest.atMs));
  }
}
