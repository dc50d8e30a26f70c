import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ProcessSample } from "./process-watch.ts";
import { judgeSteadiness, type LatencySample } from "./soak-verdict.ts";

const MIB = 1_048_576;

/** Samples over ten minutes, of what a function of the share of the time says. */
function samplesOf(read: (share: number) => Partial<ProcessSample>): readonly ProcessSample[] {
  return Array.from({ length: 100 }, (_, index) => ({
    atMs: index * 6_000,
    residentBytes: 300 * MIB,
    openFiles: 60,
    ...read(index / 100),
  }));
}

function latenciesOf(read: (share: number) => number): readonly LatencySample[] {
  return Array.from({ length: 1_000 }, (_, index) => ({
    atMs: index * 600,
    ms: read(index / 1_000),
  }));
}

const FLAT = samplesOf(() => ({}));
const QUICK = latenciesOf(() => 20);

function missed(samples: readonly ProcessSample[], latencies: readonly LatencySample[]): string[] {
  return judgeSteadiness(samples, latencies)
    .filter(({ isGood }) => !isGood)
    .map(({ name }) => name);
}

suite("judgeSteadiness", () => {
  test("is content with a server that stays as it is, after a warm-up", () => {
    assert.deepEqual(missed(FLAT, QUICK), []);
    const warmingUp = samplesOf((share) => ({ residentBytes: share < 0.3 ? MIB : 300 * MIB }));
    assert.deepEqual(missed(warmingUp, QUICK), []);
  });

  test("sees memory that grows", () => {
    const leaking = samplesOf((share) => ({ residentBytes: (300 + 400 * share) * MIB }));
    assert.deepEqual(missed(leaking, QUICK), ["memory"]);
  });

  test("sees files that are not closed", () => {
    const leaking = samplesOf((share) => ({ openFiles: 60 + Math.floor(100 * share) }));
    assert.deepEqual(missed(leaking, QUICK), ["open files"]);
  });

  test("sees answers that take longer and longer", () => {
    const slowing = latenciesOf((share) => (share < 0.7 ? 20 : 400));
    assert.deepEqual(missed(FLAT, slowing), ["p99 of writes"]);
  });

  test("misses what it could not see", () => {
    assert.deepEqual(missed([], []), ["memory", "p99 of writes"]);
  });
});
