/**
 * When the calls of a simulated disk take effect.
 *
 * The disk hands every call to a scheduler as a function to run later. In plain tests they run in order, as
 * microtasks. In a simulation a seeded scheduler picks the next one among all that are in flight, so that
 * calls overtake each other as they do on a real thread pool, and the same seed repeats the same order.
 */

import type { SeededRandom } from "./seeded-random.ts";

/** Decides when a call in flight takes effect. */
export interface CallScheduler {
  schedule(run: () => void): void;
}

/** Each call takes effect as a microtask of its own, in the order of the calls. */
export const immediateScheduler: CallScheduler = {
  schedule: (run) => queueMicrotask(run),
};

/** Holds every call back until {@link step} picks one. */
export class SteppedScheduler implements CallScheduler {
  readonly #random: SeededRandom;
  readonly #waiting: (() => void)[] = [];
  readonly #oldestFirstProbability: number;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#oldestFirstProbability = random.pick([0, 0.5, 0.9, 1]);
  }

  schedule(run: () => void): void {
    this.#waiting.push(run);
  }

  /** Calls that wait for their effect. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Lets one call take effect. Returns false when none waits. */
  step(): boolean {
    if (this.#waiting.length === 0) return false;
    const isOldest = this.#random.chance(this.#oldestFirstProbability);
    const index = isOldest ? 0 : this.#random.below(this.#waiting.length);
    const [run] = this.#waiting.splice(index, 1);
    run?.();
    return true;
  }
}
