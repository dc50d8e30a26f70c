import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { VirtualClock } from "@walnut/testkit";
import { Maintenance, type MaintenanceOptions } from "../../src/commit/maintenance.ts";

interface Bench {
  readonly clock: VirtualClock;
  readonly maintenance: Maintenance;
  /** What was run, with the millisecond at which it was. */
  readonly runs: string[];
  /** Time at which the segment that is "active" was begun. */
  segmentStartMs: number | undefined;
}

function bench(options: Partial<MaintenanceOptions> = {}): Bench {
  const clock = new VirtualClock();
  const runs: string[] = [];
  const note = (what: string) => (): Promise<void> => {
    runs.push(`${what}@${clock.monotonicMs()}`);
    return Promise.resolve();
  };
  const self: Bench = {
    clock,
    runs,
    segmentStartMs: undefined,
    maintenance: new Maintenance({
      tasks: {
        sync: note("sync"),
        attest: note("attest"),
        rotate: note("rotate"),
        activeAgeMs: () =>
          self.segmentStartMs === undefined ? undefined : clock.monotonicMs() - self.segmentStartMs,
      },
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
      idle: () => void note("idle")(),
      exclusive: (task) => task(),
      attestDelayMs: 0,
      segmentMaxAgeMs: 0,
      syncIntervalMs: 100,
      syncIntervalBytes: 1000,
      ...options,
    }),
  };
  return self;
}

suite("sync within an interval", () => {
  test("comes within the interval of the first append, however many follow", () => {
    const { clock, maintenance, runs } = bench();
    for (let time = 0; time < 1000; time += 10) {
      maintenance.onAppend(1, true);
      clock.advance(10);
    }
    // Every append at t must have a sync in (t, t + 100].
    const syncs = runs.map((run) => Number(run.slice("sync@".length)));
    for (let time = 0; time < 900; time += 10) {
      assert.ok(
        syncs.some((sync) => sync > time && sync <= time + 100),
        `append at ${time}`,
      );
    }
    assert.ok(runs.length <= 25, `${runs.length} syncs`);
  });

  test("comes at once when the bytes are reached", () => {
    const { maintenance, runs } = bench();
    maintenance.onAppend(999, true);
    assert.deepEqual(runs, []);
    maintenance.onAppend(1, true);
    assert.deepEqual(runs, ["sync@0"]);
    maintenance.onAppend(999, true);
    assert.deepEqual(runs, ["sync@0"]);
  });

  test("counts bytes anew after a sync by other means", () => {
    const { maintenance, runs } = bench();
    maintenance.onAppend(999, true);
    maintenance.onSynced();
    maintenance.onAppend(999, true);
    assert.deepEqual(runs, []);
  });

  test("does not come for appends that do not ask for it", () => {
    const { clock, maintenance, runs } = bench();
    maintenance.onAppend(5000, false);
    clock.advance(10_000);
    assert.deepEqual(runs, []);
    assert.equal(clock.pendingTimers, 0);
  });
});

suite("attest when idle", () => {
  test("comes once, after a whole delay without appends", () => {
    const { clock, maintenance, runs } = bench({ attestDelayMs: 100 });
    maintenance.onAppend(1, false);
    clock.advance(1000);
    assert.deepEqual(runs, ["attest@200"]);
    assert.equal(clock.pendingTimers, 0);
  });

  test("gives memory back behind it", async () => {
    const { clock, maintenance, runs } = bench({ attestDelayMs: 100 });
    maintenance.onAppend(1, false);
    clock.advance(200);
    await Promise.resolve();
    assert.deepEqual(runs, ["attest@200", "idle@200"]);
  });

  test("waits while appends keep coming", () => {
    const { clock, maintenance, runs } = bench({ attestDelayMs: 100 });
    for (let time = 0; time < 1000; time += 50) {
      maintenance.onAppend(1, false);
      clock.advance(50);
    }
    assert.deepEqual(runs, []);
    clock.advance(200);
    assert.equal(runs.length, 1);
  });

  test("is armed again by the next append", () => {
    const { clock, maintenance, runs } = bench({ attestDelayMs: 100 });
    maintenance.onAppend(1, false);
    clock.advance(1000);
    maintenance.onAppend(1, false);
    clock.advance(1000);
    assert.equal(runs.length, 2);
  });

  test("is off with a delay of 0", () => {
    const { clock, maintenance } = bench();
    maintenance.onAppend(1, false);
    assert.equal(clock.pendingTimers, 0);
  });
});

suite("rotation by age", () => {
  test("comes when the active segment is as old as it may be", () => {
    const self = bench({ segmentMaxAgeMs: 1000 });
    self.segmentStartMs = 0;
    self.maintenance.onAppend(1, false);
    self.clock.advance(999);
    assert.deepEqual(self.runs, []);
    self.clock.advance(1);
    assert.deepEqual(self.runs, ["rotate@1000"]);
  });

  test("waits for the rest of the age when a younger segment is active by then", () => {
    const self = bench({ segmentMaxAgeMs: 1000 });
    self.maintenance.onAppend(1, false);
    self.segmentStartMs = 700;
    self.clock.advance(5000);
    assert.deepEqual(self.runs, ["rotate@1700"]);
  });

  test("sleeps when nothing is active", () => {
    const self = bench({ segmentMaxAgeMs: 1000 });
    self.maintenance.onAppend(1, false);
    self.clock.advance(5000);
    assert.deepEqual(self.runs, []);
    assert.equal(self.clock.pendingTimers, 0);
  });
});

suite("stop", () => {
  test("cancels every timer and starts nothing any more", () => {
    const { clock, maintenance, runs } = bench({ attestDelayMs: 100, segmentMaxAgeMs: 1000 });
    maintenance.onAppend(1, true);
    assert.equal(clock.pendingTimers, 3);
    maintenance.stop();
    assert.equal(clock.pendingTimers, 0);
    clock.advance(10_000);
    assert.deepEqual(runs, []);
  });
});

suite("a failing task", () => {
  test("is no unhandled rejection: the log that it poisoned says so", async () => {
    const { clock, maintenance } = bench({
      exclusive: () => Promise.reject(new Error("poisoned")),
    });
    maintenance.onAppend(1, true);
    clock.advance(1000);
    await new Promise<void>((resolve) => setImmediate(resolve));
  });
});
