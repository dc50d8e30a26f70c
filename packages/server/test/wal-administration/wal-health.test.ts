import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { resolveServerOptions } from "../../src/resolve-server-options.ts";
import {
  findWalProblems,
  walHealthLimits,
  type WalHealthFacts,
} from "../../src/wal-administration/wal-health.ts";
import { segmentStatus, walStatus } from "../wal-status-facts.ts";

const MIB = 1_048_576;

suite("findWalProblems", () => {
  const options = resolveServerOptions({});
  const limits = walHealthLimits(options);
  const healthy: WalHealthFacts = {
    status: walStatus(),
    options,
    freeBytes: limits.minFreeBytes,
    memoryBytes: 0,
    lackOfRoom: undefined,
    lastFlushError: undefined,
    oldestUnflushedAgeMs: options.flushAgeMs,
  };

  test("finds nothing when nothing is wrong", () => {
    assert.deepEqual(findWalProblems(healthy), []);
  });

  const problems: readonly [string, Partial<WalHealthFacts>][] = [
    ["a log that refuses writes", { status: walStatus({ state: "poisoned", failure: "EIO" }) }],
    ["space that is not released", { status: walStatus({ releaseFailure: "EACCES" }) }],
    ["a disk that forgets", { status: walStatus({ warnings: ["stored in memory"] }) }],
    ["too little free space", { freeBytes: limits.minFreeBytes - 1 }],
    ["writes without room", { lackOfRoom: "the log had no room" }],
    ["failing flushes", { lastFlushError: "EIO" }],
    ["rows that pile up", { memoryBytes: options.maxMemoryBytes }],
    ["rows that wait too long", { oldestUnflushedAgeMs: limits.maxUnflushedAgeMs + 1 }],
  ];
  for (const [name, changes] of problems) {
    test(`finds ${name}, and says what to do`, () => {
      const found = findWalProblems({ ...healthy, ...changes });
      assert.equal(found.length, 1);
      assert.ok(found[0]?.issue !== "" && found[0]?.recommendation !== "");
    });
  }

  test("takes its limits from the configuration", () => {
    const small = resolveServerOptions({
      segmentSizeBytes: MIB,
      maxLogBytes: 10 * MIB,
      flushAgeMs: 20_000,
      maxMemoryBytes: 100 * MIB,
    });
    assert.deepEqual(walHealthLimits(small), {
      minFreeBytes: 4 * MIB,
      maxMemoryBytes: 80 * MIB,
      maxUnflushedAgeMs: 200_000,
      maxLogBytes: 8 * MIB,
    });
    const status = walStatus({ segments: [segmentStatus(1, { sizeBytes: 8 * MIB })] });
    assert.equal(findWalProblems({ ...healthy, options: small, status }).length, 1);
    assert.equal(findWalProblems({ ...healthy, status }).length, 0);
  });
});
