import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  afterEnd,
  MAX_FAILED_STARTS,
  NO_RESTARTS,
  restartDelayMs,
  type RestartHistory,
} from "../../src/workers/restart-policy.ts";

function delays(runs: readonly Parameters<typeof afterEnd>[1][]): readonly (number | undefined)[] {
  let history: RestartHistory = NO_RESTARTS;
  return runs.map((run) => {
    history = afterEnd(history, run);
    return restartDelayMs(history);
  });
}

suite("restarts of a worker", () => {
  test("are at once, then later and later, up to a limit, for as long as it starts", () => {
    const crash = { wasReady: true, durationMs: 100 };
    const found = delays(Array.from({ length: 12 }, () => crash));
    assert.deepEqual(found.slice(0, 4), [0, 250, 500, 1_000]);
    assert.equal(found.at(-1), 15_000);
  });

  test("begin anew after a steady run", () => {
    const crash = { wasReady: true, durationMs: 100 };
    const steady = { wasReady: true, durationMs: 60_000 };
    assert.deepEqual(delays([crash, crash, steady, crash]), [0, 250, 0, 250]);
  });

  test("end when it does not start at all", () => {
    const failed = { wasReady: false, durationMs: 60_000 };
    const ready = { wasReady: true, durationMs: 10 };
    const failures = Array.from({ length: MAX_FAILED_STARTS - 1 }, () => failed);
    const found = delays([...failures, ready, ...failures, failed]);
    assert.equal(found.slice(0, -1).includes(undefined), false);
    assert.equal(found.at(-1), undefined);
  });
});
