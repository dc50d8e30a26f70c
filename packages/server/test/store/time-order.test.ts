import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { timeOrder } from "../../src/store/time-order.ts";

/** The order by definition. */
function expectedOrder(times: readonly number[]): number[] {
  return [...times.keys()].sort((a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b);
}

function assertOrdered(times: readonly number[]): void {
  const order = timeOrder(Float64Array.from(times)) ?? times.keys();
  assert.deepEqual([...order], expectedOrder(times));
}

suite("timeOrder", () => {
  test("has nothing to say about times in order", () => {
    for (const times of [[], [5], [1, 1, 2, 9]]) {
      assert.equal(timeOrder(Float64Array.from(times)), undefined);
    }
  });

  test("sorts any times, equal ones in order of arrival", () => {
    const time = fc.oneof(fc.nat(5), fc.integer({ min: 0, max: 3_599_999_999_999 }));
    fc.assert(fc.property(fc.array(time, { maxLength: 300 }), assertOrdered));
  });

  test("merges runs: apart, overlapping, equal, in any order and number", () => {
    const run = fc.record({
      start: fc.nat(400),
      step: fc.nat(3),
      length: fc.integer({ min: 40, max: 120 }),
    });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 9 }), (runs) => {
        assertOrdered(
          runs.flatMap(({ start, step, length }) =>
            Array.from({ length }, (_, index) => start + index * step),
          ),
        );
      }),
    );
  });
});
