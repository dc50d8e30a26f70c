/**
 * Simulated crashes: operations are counted, and from the chosen one on none gets through. What was done before stays
 * on disk, memory is gone.
 */
import assert from "node:assert/strict";

export class Crash extends Error {}

/** Counts operations and, from the chosen one on, lets none through. */
export class CrashPoint {
  readonly operations: string[] = [];
  readonly #at: number;

  constructor(at: number) {
    this.#at = at;
  }

  get happened(): boolean {
    return this.operations.length > this.#at;
  }

  readonly step = (name: string): void => {
    this.operations.push(name);
    if (this.happened) throw new Crash(name);
  };
}

/** Tries one crash point after the other, a few at once, until one lies behind the end of the work. */
export async function everyCrashPoint(tryPoint: (at: number) => Promise<boolean>): Promise<void> {
  const atOnce = 4;
  for (let from = 0; from < 500; from += atOnce) {
    const points = Array.from({ length: atOnce }, (_, index) => from + index);
    const happened = await Promise.all(points.map(tryPoint));
    if (happened.includes(false)) return;
  }
  assert.fail("the work never ends");
}
