import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { VirtualClock } from "@walnut/testkit";

suite("VirtualClock", () => {
  test("stands still until it is advanced", () => {
    const clock = new VirtualClock(1_000);
    assert.equal(clock.nowMs(), 1_000);
    assert.equal(clock.monotonicMs(), 0);
    clock.advance(2.5);
    assert.equal(clock.nowMs(), 1_002);
    assert.equal(clock.monotonicMs(), 2.5);
  });

  test("runs due timers by due time, then by age, each at its own time", () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const note = (name: string) => () => void seen.push(`${name}@${clock.monotonicMs()}`);
    clock.setTimer(20, note("late"));
    clock.setTimer(10, note("first"));
    clock.setTimer(10, note("second"));
    clock.setTimer(31, note("never"));
    clock.advance(30);
    assert.deepEqual(seen, ["first@10", "second@10", "late@20"]);
    assert.equal(clock.pendingTimers, 1);
    assert.equal(clock.nextTimerInMs, 1);
  });

  test("honours a timer that a timer sets within the same advance", () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    clock.setTimer(5, () => clock.setTimer(5, () => seen.push(clock.monotonicMs())));
    clock.advance(10);
    assert.deepEqual(seen, [10]);
  });

  test("does not run a cancelled timer", () => {
    const clock = new VirtualClock();
    const timer = clock.setTimer(1, () => assert.fail("ran"));
    timer.cancel();
    timer.cancel();
    clock.advance(10);
    assert.equal(clock.pendingTimers, 0);
    assert.equal(clock.runNextTimer(), false);
  });

  test("goes forward to the next timer alone", () => {
    const clock = new VirtualClock();
    let runs = 0;
    clock.setTimer(7, () => (runs += 1));
    clock.setTimer(9, () => (runs += 1));
    assert.equal(clock.runNextTimer(), true);
    assert.equal(runs, 1);
    assert.equal(clock.monotonicMs(), 7);
  });
});
