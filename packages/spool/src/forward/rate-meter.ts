/**
 * How many a second, over the last ten: counts by whole seconds. Pure but for the clock that it is handed.
 */

const WINDOW_SECONDS = 10;
const MS_PER_SECOND = 1_000;

/** Counts events; asks the time of its caller. */
export class RateMeter {
  readonly #counts = new Map<number, number>();

  /** @param nowMs - a clock that never goes back */
  add(count: number, nowMs: number): void {
    const second = Math.floor(nowMs / MS_PER_SECOND);
    this.#counts.set(second, (this.#counts.get(second) ?? 0) + count);
    for (const old of this.#counts.keys()) {
      if (old >= second - WINDOW_SECONDS) break;
      this.#counts.delete(old);
    }
  }

  /** Events a second, without the second that is not over. */
  perSecond(nowMs: number): number {
    const second = Math.floor(nowMs / MS_PER_SECOND);
    let sum = 0;
    for (const [at, count] of this.#counts) {
      if (at < second && at >= second - WINDOW_SECONDS) sum += count;
    }
    return sum / WINDOW_SECONDS;
  }
}
