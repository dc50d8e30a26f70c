import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ProgressSum, sumRecoveries } from "../src/recovery-summary.ts";
import type { RecoveryProgress } from "../src/server-options.ts";

function step(phase: "scan" | "replay", done: number, total: number): RecoveryProgress {
  const segments = { segmentsDone: 1, segmentsTotal: 2 };
  const bytes = { bytesDone: done, bytesTotal: total };
  const counts = phase === "scan" ? { records: 0, rows: 0 } : { records: 1, rows: 10 };
  return { phase, ...segments, ...bytes, ...counts };
}

suite("ProgressSum", () => {
  test("adds up, and scans as long as one does", () => {
    const told: RecoveryProgress[] = [];
    const sum = new ProgressSum((progress) => void told.push(progress));
    sum.advance(1, step("scan", 10, 100));
    sum.advance(2, step("scan", 20, 50));
    sum.advance(1, step("replay", 5, 40));
    sum.advance(2, step("replay", 1, 30));
    assert.deepEqual(
      told.map(({ phase, bytesDone, bytesTotal, rows }) => [phase, bytesDone, bytesTotal, rows]),
      [
        ["scan", 10, 100, 0],
        ["scan", 30, 150, 0],
        ["scan", 30, 150, 0],
        ["replay", 6, 70, 20],
      ],
    );
  });
});

suite("sumRecoveries", () => {
  test("adds counts and takes the longest time", () => {
    const one = { segments: 1, records: 2, rows: 3, bytes: 4, durationMs: 50, tornTailBytes: 6 };
    assert.deepEqual(sumRecoveries([one, { ...one, durationMs: 70 }]), {
      segments: 2,
      records: 4,
      rows: 6,
      bytes: 8,
      durationMs: 70,
      tornTailBytes: 12,
    });
  });
});
