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

type Character = "in-order" | "shuffled" | "newest-first" | "some-slow";

/**
 * Holds every call back until {@link step} picks one.
 *
 * Each seed has a character: calls take effect in order, shuffled, mostly the newest first, or in order but
 * for some that take very long (a slow sync that everything else overtakes).
 */
export class SteppedScheduler implements CallScheduler {
  readonly #random: SeededRandom;
  readonly #character: Character;
  #waitingCalls: { readonly run: () => void; dueStep: number }[] = [];
  #steps = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#character = random.pick(["in-order", "shuffled", "newest-first", "some-slow"] as const);
  }

  schedule(run: () => void): void {
    const isSlow = this.#character === "some-slow" && this.#random.chance(0.2);
    const dueStep = this.#steps + (isSlow ? this.#random.between(5, 60) : 0);
    this.#waitingCalls.push({ run, dueStep });
  }

  /** Calls that wait for their effect. */
  get waiting(): number {
    return this.#waitingCalls.length;
  }

  /** Lets one call take effect. Returns false when none waits. */
  step(): boolean {
    if (this.#waitingCalls.length === 0) return false;
    this.#steps += 1;
    const [call] = this.#waitingCalls.splice(this.#pick(), 1);
    call?.run();
    return true;
  }

  #pick(): number {
    const count = this.#waitingCalls.length;
    switch (this.#character) {
      case "in-order":
        return 0;
      case "shuffled":
        return this.#random.below(count);
      case "newest-first":
        return this.#random.chance(0.95) ? count - 1 : 0;
      case "some-slow": {
        const due = this.#waitingCalls.findIndex((call) => call.dueStep <= this.#steps);
        return Math.max(0, due);
      }
    }
  }
}
