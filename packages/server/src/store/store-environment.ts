/**
 * Time, for the store: the only clock and timers it has.
 *
 * Tests put a virtual one in its place; nothing below it calls `performance.now` or `setTimeout`.
 */

/** A timer that can be stopped. */
export interface StoreTimer {
  cancel(): void;
}

/** A monotonic clock and timers. */
export interface StoreClock {
  /** Milliseconds since some moment; never goes back. */
  nowMs(): number;
  /** Milliseconds since 1970, as far as this machine knows: may jump, and may be wrong. */
  wallClockMs(): number;
  /** Calls back once, not before `delayMs` have passed. */
  setTimer(delayMs: number, callback: () => void): StoreTimer;
}

/** The clock of this machine. Its timers do not keep the process alive. */
export const systemStoreClock: StoreClock = {
  nowMs: () => performance.now(),
  wallClockMs: () => Date.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
