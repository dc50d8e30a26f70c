import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  formatBytes,
  progressText,
  recoveryText,
  serveBanner,
  type ServeFacts,
} from "../src/serve-text.ts";

const NOTHING = { segments: 0, records: 0, rows: 0, bytes: 0, durationMs: 12, tornTailBytes: 0 };
const FACTS: ServeFacts = {
  version: "1.2.3",
  url: "http://127.0.0.1:8000",
  dataDirectory: "/data",
  processId: 4711,
  workerIds: [],
  durabilityText: "fdatasync: survives",
  token: { source: "file", token: "secret", path: "/data/token" },
  recovery: NOTHING,
  isLoopback: true,
};

suite("serveBanner", () => {
  test("says where, what level, what was recovered, and how to write and read", () => {
    const text = serveBanner(FACTS, true);
    for (const part of [FACTS.url, FACTS.dataDirectory, FACTS.durabilityText, "curl", "SELECT"]) {
      assert.ok(text.includes(part), part);
    }
  });

  test("shows the token only in the run that made it, and only to a person", () => {
    assert.equal(serveBanner(FACTS, true).includes("secret"), false);
    assert.ok(serveBanner(FACTS, true).includes('"Authorization: Bearer $(cat /data/token)"'));
    const option = serveBanner({ ...FACTS, token: { source: "option", token: "secret" } }, true);
    assert.equal(option.includes("secret"), false);
    const token = { source: "created", token: "secret", path: "/data/token" } as const;
    assert.ok(serveBanner({ ...FACTS, token }, true).includes("Authorization: Bearer secret"));
    const unseen = serveBanner({ ...FACTS, token }, false);
    assert.equal(unseen.includes("secret"), false, "output that nobody looks at may be a log");
    assert.ok(unseen.includes('"Authorization: Bearer $(cat /data/token)"'));
  });

  test("warns when other machines can reach the port", () => {
    assert.equal(serveBanner(FACTS, true).includes("other machines"), false);
    assert.ok(serveBanner({ ...FACTS, isLoopback: false }, true).includes("other machines"));
  });
});

suite("recoveryText", () => {
  test("counts what was replayed and what was cut", () => {
    assert.match(recoveryText(NOTHING), /^nothing to replay/);
    const recovery = { segments: 1, records: 12, rows: 60_000, bytes: 3_145_728 };
    assert.equal(
      recoveryText({ ...recovery, durationMs: 1_250, tornTailBytes: 512 }),
      "12 records, 60,000 rows, 3.0 MiB from 1 segment in 1.3 s; " +
        "an unfinished write of 512 bytes at the end was cut",
    );
  });
});

suite("progressText", () => {
  test("names the step and the counts", () => {
    const progress = {
      phase: "replay",
      segmentsDone: 1,
      segmentsTotal: 3,
      bytesDone: 512,
      bytesTotal: 2_048,
      records: 1,
      rows: 5,
      bytesPerSecond: 200,
      etaSeconds: 8,
      elapsedMs: 1_500,
    } as const;
    assert.equal(
      progressText(progress),
      "recovering, replaying the log: 25 % of 2.0 KiB, segment 2 of 3, 5 rows, 8 s to go (1.5 s)",
    );
  });
});

suite("formatBytes", () => {
  test("chooses the unit", () => {
    assert.deepEqual([0, 1_023, 1_024, 1_048_576, 5 * 1_024 ** 4].map(formatBytes), [
      "0 bytes",
      "1023 bytes",
      "1.0 KiB",
      "1.0 MiB",
      "5.0 TiB",
    ]);
  });
});
