import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { addHistograms, latencyBetween } from "../src/app/latency.ts";
import type { Histogram } from "../src/overview.ts";

const BOUNDS = [1, 2, 4];

function histogram(...counts: number[]): Histogram {
  return { bounds: BOUNDS, counts, count: counts.reduce((a, b) => a + b, 0), sum: 0 };
}

suite("latencyBetween", () => {
  test("looks only at what came in between", () => {
    const { count, p50, p99, max } = latencyBetween(
      histogram(1000, 0, 0, 0),
      histogram(1000, 0, 100, 0),
    );
    assert.equal(count, 100);
    assert.equal(p50, 3);
    assert.ok(p99 !== undefined && Math.abs(p99 - 3.98) < 1e-9);
    assert.equal(max, 4);
  });

  test("knows nothing where nothing happened", () => {
    const nothing = { count: 0, p50: undefined, p99: undefined, max: undefined };
    assert.deepEqual(latencyBetween(histogram(5, 0, 0, 0), histogram(5, 0, 0, 0)), nothing);
  });

  test("begins anew with a process that counts from 0", () => {
    assert.equal(latencyBetween(histogram(0, 0, 50, 0), histogram(3, 0, 0, 0)).count, 3);
    assert.equal(latencyBetween(undefined, histogram(2, 0, 0, 0)).p50, 0.5);
  });

  test("does not invent values above the last bound", () => {
    const { p99, max } = latencyBetween(undefined, histogram(0, 0, 0, 7));
    assert.deepEqual([p99, max], [4, 4]);
  });
});

suite("addHistograms", () => {
  test("sums those of several workers", () => {
    const { counts, count } = addHistograms([histogram(1, 2, 3, 4), histogram(1, 1, 1, 1)]);
    assert.deepEqual(counts, [2, 3, 4, 5]);
    assert.equal(count, 14);
  });

  test("of nobody is empty", () => {
    assert.deepEqual(addHistograms([]).counts, []);
  });
});
