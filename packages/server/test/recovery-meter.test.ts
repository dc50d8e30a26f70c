import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { RecoveryMeter } from "../src/recovery-meter.ts";
import type { RecoveryProgress } from "../src/server-options.ts";

const MIB = 1_024 * 1_024;

function progress(phase: "scan" | "replay", doneMib: number, totalMib: number): RecoveryProgress {
  const segments = { segmentsDone: 0, segmentsTotal: 1 };
  const bytes = { bytesDone: doneMib * MIB, bytesTotal: totalMib * MIB };
  return { phase, ...segments, ...bytes, records: 0, rows: 0 };
}

suite("RecoveryMeter", () => {
  test("says nothing before it knows something", () => {
    const meter = new RecoveryMeter(() => 0);
    const { bytesTotal, bytesPerSecond, etaSeconds } = meter.view();
    assert.deepEqual([bytesTotal, bytesPerSecond, etaSeconds], [0, undefined, undefined]);
  });

  test("tells rate and time to go, of the step that is under way", () => {
    let nowMs = 1_000;
    const meter = new RecoveryMeter(() => nowMs);
    nowMs += 1_000;
    meter.report(progress("scan", 10, 100));
    assert.equal(meter.view().bytesPerSecond, 10 * MIB);
    assert.equal(meter.view().etaSeconds, 9);
    meter.report(progress("replay", 0, 40));
    assert.equal(meter.view().bytesPerSecond, undefined, "a new step, a new rate");
    nowMs += 500;
    meter.report(progress("replay", 10, 40));
    const view = meter.view();
    assert.deepEqual([view.bytesPerSecond, view.etaSeconds, view.elapsedMs], [20 * MIB, 2, 1_500]);
  });

  test("follows a change of speed, and a standstill", () => {
    let nowMs = 0;
    const meter = new RecoveryMeter(() => nowMs);
    for (let second = 1; second <= 10; second++) {
      nowMs = second * 1_000;
      meter.report(progress("scan", second * 10, 1_000));
    }
    for (let second = 1; second <= 10; second++) {
      nowMs = (10 + second) * 1_000;
      meter.report(progress("scan", 100 + second, 1_000));
    }
    const slow = meter.view().bytesPerSecond ?? 0;
    assert.ok(Math.abs(slow - MIB) < MIB / 10, String(slow));
    nowMs += 60_000;
    assert.ok((meter.view().bytesPerSecond ?? 0) < MIB / 10, "nothing was reported for a minute");
  });
});
