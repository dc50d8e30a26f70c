/** What a queue knows of its items, in any order of events. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SeededRandom } from "@walnut/testkit";
import { DeliveryState } from "../src/delivery-state.ts";

suite("the state of a queue", () => {
  test("moves on over what is done without a gap", () => {
    const state = new DeliveryState(10);
    for (const lsn of [11, 12, 13]) state.handOut(lsn);
    assert.equal(state.finish(13), 10);
    assert.equal(state.finish(11), 11);
    assert.equal(state.unfinished, 1);
    assert.equal(state.finish(12), 13);
    assert.ok(state.isDone(13) && !state.isDone(14));
  });

  test("counts deliveries", () => {
    const state = new DeliveryState(0);
    assert.deepEqual([state.handOut(1), state.handOut(1), state.handOut(2)], [1, 2, 1]);
  });

  test("passes over what was dropped, and counts what nobody had", () => {
    const state = new DeliveryState(0);
    state.handOut(1);
    state.handOut(2);
    state.finish(2);
    assert.equal(state.skipTo(5), 3);
    assert.equal(state.doneLsn, 5);
    assert.equal(state.finish(1), 5);
  });

  test("ends with everything done, whatever the order", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = new SeededRandom(seed);
      const state = new DeliveryState(0);
      const out = Array.from({ length: 40 }, (_, index) => index + 1);
      for (const lsn of out) state.handOut(lsn);
      const done = new Set<number>();
      while (out.length > 0) {
        const [lsn = 0] = out.splice(random.below(out.length), 1);
        done.add(lsn);
        let expected = 0;
        while (done.has(expected + 1)) expected += 1;
        assert.equal(state.finish(lsn), expected);
      }
      assert.equal(state.unfinished, 0);
    }
  });
});
