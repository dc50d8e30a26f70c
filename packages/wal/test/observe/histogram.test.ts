/** Histograms: bounds are inclusive, counts add up, snapshots stand still. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { growingBounds, Histogram } from "../../src/observe/histogram.ts";

suite("Histogram", () => {
  test("counts each value in the first bucket whose bound it does not exceed", () => {
    const histogram = new Histogram([1, 2, 4]);
    for (const value of [0, 1, 1.5, 2, 3, 4, 5, 1000]) histogram.add(value);
    assert.deepEqual(histogram.snapshot(), {
      bounds: [1, 2, 4],
      counts: [2, 2, 2, 2],
      count: 8,
      sum: 1016.5,
      max: 1000,
    });
  });

  test("agrees with a linear search", () => {
    const bounds = growingBounds(0.05, 1.5, 32);
    const histogram = new Histogram(bounds);
    const expected = Array.from({ length: bounds.length + 1 }, () => 0);
    for (let index = 0; index < 2_000; index++) {
      const value = 0.01 * 1.008 ** index;
      histogram.add(value);
      const at = bounds.findIndex((bound) => value <= bound);
      const bucket = at < 0 ? bounds.length : at;
      expected[bucket] = (expected[bucket] ?? 0) + 1;
    }
    assert.deepEqual(histogram.snapshot().counts, expected);
  });

  test("gives snapshots that do not change", () => {
    const histogram = new Histogram([1]);
    const before = histogram.snapshot();
    histogram.add(1);
    assert.deepEqual(before.counts, [0, 0]);
    assert.equal(before.count, 0);
    assert.equal(histogram.count, 1);
    assert.equal(histogram.sum, 1);
  });

  test("of nothing is all zeros", () => {
    const { counts, count, sum, max } = new Histogram([]).snapshot();
    assert.deepEqual({ counts, count, sum, max }, { counts: [0], count: 0, sum: 0, max: 0 });
  });
});

suite("growingBounds", () => {
  test("multiplies from the start", () => {
    assert.deepEqual(growingBounds(1, 4, 4), [1, 4, 16, 64]);
  });
});
