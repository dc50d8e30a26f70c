/**
 * Time that passes only when the test says so.
 *
 * Timers run in the order of their due time, then of their creation. A timer set while another runs is
 * honoured in the same advance when it falls due within it. Knows nothing of disks or of real time.
 */

/** A timer that can be taken back. */
export interface VirtualTimer {
  cancel(): void;
}

interface Scheduled {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Wall clock, monotonic clock and timers under the control of a test. */
export class VirtualClock {
  readonly #startWallMs: number;
  #elapsedMs = 0;
  #created = 0;
  readonly #timers = new Set<Scheduled>();

  /** @param startWallMs - what {@link nowMs} answers at first; a fixed date, so that runs repeat */
  constructor(startWallMs: number = Date.UTC(2026, 0, 1)) {
    this.#startWallMs = startWallMs;
  }

  /** Wall clock, in whole milliseconds since 1970. */
  nowMs(): number {
    return this.#startWallMs + Math.floor(this.#elapsedMs);
  }

  /** Milliseconds since this clock was made. */
  monotonicMs(): number {
    return this.#elapsedMs;
  }

  /** Runs `callback` once, when at least `delayMs` have passed. */
  setTimer(delayMs: number, callback: () => void): VirtualTimer {
    if (!Number.isFinite(delayMs)) throw new RangeError(`setTimer(${delayMs})`);
    this.#created += 1;
    const dueMs = this.#elapsedMs + Math.max(0, delayMs);
    const scheduled: Scheduled = { dueMs, order: this.#created, callback };
    this.#timers.add(scheduled);
    return { cancel: () => void this.#timers.delete(scheduled) };
  }

  /** Timers that have not run and were not cancelled. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer falls due, or `undefined` when none is set. */
  get nextTimerInMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : Math.max(0, next.dueMs - this.#elapsedMs);
  }

  /** Lets `ms` pass and runs every timer that falls due, each at its own time. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`advance(${ms})`);
    const targetMs = this.#elapsedMs + ms;
    for (;;) {
      const next = this.#next();
      if (next === undefined || next.dueMs > targetMs) break;
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
      next.callback();
    }
    this.#elapsedMs = targetMs;
  }

  /** Goes forward to the next timer and runs that one alone. Returns false when there is none. */
  runNextTimer(): boolean {
    const next = this.#next();
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#elapsedMs = Math.max(this.#elapsedMs, next.dueMs);
    next.callback();
    return true;
  }

  #next(): Scheduled | undefined {
    let next: Scheduled | undefined;
    for (const timer of this.#timers) {
      if (
        next === undefined ||
        timer.dueMs < next.dueMs ||
        (timer.dueMs === next.dueMs && timer.order < next.order)
      ) {
        next = timer;
      }
    }
    return next;
  }
}
