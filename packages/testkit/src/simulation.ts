/**
 * Runs asynchronous code on a simulated disk and a virtual clock, one event at a time, the same way each time.
 *
 * The loop: let all promises settle that can; then let one disk call in flight take effect, or, when none is
 * in flight, let the next timer run. Between two events nothing moves, so "the state now" is well defined:
 * that is where the crash explorer stops to ask what a crash would leave. When nothing is in flight, no
 * timer is set and the code is still not done, it waits for something that can never come: a hang.
 *
 * The code under test must not use real timers or real I/O.
 */

import { SteppedScheduler } from "./call-scheduler.ts";
import { combineSeeds, SeededRandom } from "./seeded-random.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import { VirtualClock, type VirtualTimer } from "./virtual-clock.ts";
import type { Storage } from "@walnut/wal";

/** What code under simulation may use of the world: the shape of the engine's `WalEnvironment`. */
export interface SimulatedEnvironment {
  readonly storage: Storage;
  nowMs(): number;
  monotonicMs(): number;
  setTimer(delayMs: number, callback: () => void): VirtualTimer;
  /** Runs `callback` soon, after the promise jobs that are due now. */
  defer(callback: () => void): void;
  randomBytes(length: number): Uint8Array;
}

/** How a run ended. */
export type SimulationEnd<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "hung" }
  | { readonly kind: "stopped" };

/** What a simulation is made of. */
export interface SimulationOptions {
  readonly seed: number;
  /** A disk from before (an image after a crash). Default: an empty one. */
  readonly disk?: SimulatedDisk;
  /** Puts something between the code and the disk: faults, traces, deliberate bugs. */
  readonly wrapStorage?: (disk: SimulatedDisk, seed: number) => Storage;
}

/** Runs in a row in which only timers ran and nothing touched the disk, after which the code is hung. */
const MAX_IDLE_TIMERS = 2_000;

/** One simulated machine from its start to its end. */
export class Simulation {
  readonly disk: SimulatedDisk;
  readonly clock: VirtualClock = new VirtualClock();
  readonly environment: SimulatedEnvironment;
  readonly #scheduler: SteppedScheduler;
  readonly #random: SeededRandom;
  readonly #deferred: (() => void)[] = [];

  constructor(options: SimulationOptions) {
    const seed = options.seed;
    this.#random = new SeededRandom(combineSeeds(seed, "steps"));
    this.#scheduler = new SteppedScheduler(new SeededRandom(combineSeeds(seed, "scheduler")));
    this.disk = (options.disk ?? new SimulatedDisk()).withScheduler(this.#scheduler);
    const bytes = new SeededRandom(combineSeeds(seed, "bytes"));
    const { clock } = this;
    this.environment = {
      storage: options.wrapStorage?.(this.disk, seed) ?? this.disk,
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
      defer: (callback) => void this.#deferred.push(callback),
      randomBytes: (length) => bytes.bytes(length),
    };
  }

  /**
   * Runs `main` to its end.
   *
   * @param beforeEvent - called before each event, when nothing moves; `true` ends the run there. The disk
   *   events counted so far are in `disk.events`.
   */
  async run<T>(
    main: (environment: SimulatedEnvironment) => Promise<T>,
    beforeEvent?: () => Promise<boolean> | boolean,
  ): Promise<SimulationEnd<T>> {
    let end: SimulationEnd<T> | undefined;
    main(this.environment).then(
      (value) => (end = { kind: "done", value }),
      (error: unknown) => (end = { kind: "failed", error }),
    );
    let idleTimers = 0;
    for (;;) {
      await settlePromises();
      if (end !== undefined) return end;
      const stop = beforeEvent?.() ?? false;
      if (stop === true || (stop !== false && (await stop))) return { kind: "stopped" };
      if (this.#runDeferred()) continue;
      if (this.#scheduler.waiting > 0) {
        idleTimers = 0;
        // A disk takes its time, and timers may fall due meanwhile.
        this.clock.advance(this.#random.chance(0.1) ? this.#random.between(1, 30) : 0.1);
        this.#scheduler.step();
      } else if (idleTimers > MAX_IDLE_TIMERS || !this.clock.runNextTimer()) {
        // Nothing can come any more, unless the code waits for something real (a stream, a compression).
        if (await this.#realWorldMoves(() => end !== undefined)) continue;
        return { kind: "hung" };
      } else {
        idleTimers += 1;
      }
    }
  }

  /** Deferred work runs in order, but a disk call may be answered before it. */
  #runDeferred(): boolean {
    if (this.#deferred.length === 0) return false;
    if (this.#scheduler.waiting > 0 && this.#random.chance(0.3)) return false;
    this.#deferred.shift()?.();
    return true;
  }

  async #realWorldMoves(hasEnded: () => boolean): Promise<boolean> {
    for (let turn = 0; turn < 20; turn += 1) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (hasEnded() || this.#scheduler.waiting > 0) return true;
    }
    return false;
  }
}

/**
 * Resolves when every promise that can settle has. A tick set from a microtask runs after all microtasks,
 * including those that they queue; this costs a fraction of a turn of the event loop.
 */
async function settlePromises(): Promise<void> {
  await new Promise<void>(deferBehindMicrotasks);
}

function deferBehindMicrotasks(resolve: () => void): void {
  queueMicrotask(() => process.nextTick(resolve));
}
