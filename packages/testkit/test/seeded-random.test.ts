import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { combineSeeds, SeededRandom } from "@walnut/testkit";

suite("SeededRandom", () => {
  test("repeats its stream for the same seed and differs for another", () => {
    const draw = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 20 }, () => random.uint32());
    };
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
  });

  test("spreads evenly over a small range", () => {
    const random = new SeededRandom(1);
    const counts = [0, 0, 0, 0, 0];
    for (let draw = 0; draw < 50_000; draw += 1) {
      const value = random.below(5);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    for (const count of counts) assert.ok(Math.abs(count - 10_000) < 500, String(counts));
  });

  test("keeps its bounds", () => {
    const random = new SeededRandom(2);
    for (let draw = 0; draw < 1_000; draw += 1) {
      const value = random.between(-2, 2);
      assert.ok(value >= -2 && value <= 2);
      assert.equal(random.below(1), 0);
    }
    assert.throws(() => random.below(0), RangeError);
    assert.throws(() => random.pick([]), RangeError);
  });

  test("similar seeds start with different numbers", () => {
    const first = new Set<number>();
    for (let seed = 0; seed < 1_000; seed += 1) first.add(new SeededRandom(seed).below(1_000_000));
    assert.ok(first.size > 990, String(first.size));
  });
});

suite("combineSeeds", () => {
  test("depends on every part and on their order", () => {
    assert.equal(combineSeeds(1, "a"), combineSeeds(1, "a"));
    assert.notEqual(combineSeeds(1, 2), combineSeeds(2, 1));
    assert.notEqual(combineSeeds(1, "a"), combineSeeds(1, "b"));
    assert.notEqual(combineSeeds(1), combineSeeds(1, 0));
  });
});
