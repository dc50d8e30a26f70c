import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { WalStatus } from "@walnut/wal";
import { resolveServerOptions } from "../src/resolve-server-options.ts";
import {
  walFilesReport,
  walHealthReport,
  walStatusReport,
  type WalHealthFacts,
} from "../src/wal-report.ts";

const MIB = 1_048_576;

function walStatus(changes: Partial<WalStatus> = {}): WalStatus {
  const path = "/data/wal/worker-1/2.wal";
  return {
    directory: "/data/wal/worker-1",
    durability: "fdatasync",
    volume: { type: "ext4", isVolatile: false, isNetwork: false },
    survives: "a power loss",
    warnings: [],
    encryptionKeyId: undefined,
    state: "open",
    failure: undefined,
    positions: { firstLsn: 1, appendedLsn: 5_000, writtenLsn: 5_000, durableLsn: 5_000 },
    segments: [
      { ...segment(1), isSealed: true },
      { ...segment(2), path, sizeBytes: 45.2 * MIB, isSealed: false },
    ],
    cursors: [{ name: "parquet", lsn: 4_990 }],
    totals: {
      appendedRecords: 5_000,
      appendedBytes: 47_382_528,
      writtenBytes: 48_000_000,
      frames: 5_000,
      syncs: 4_000,
      rotations: 2,
      releasedSegments: 1,
    },
    pendingBytes: 0,
    activeSegmentAgeMs: 1_850_999,
    releaseFailure: undefined,
    dropped: undefined,
    waitingForRoom: 0,
    ...changes,
  };
}

function segment(segmentId: number): WalStatus["segments"][number] {
  return {
    segmentId,
    name: `${segmentId}.wal`,
    path: `/data/wal/worker-1/${segmentId}.wal`,
    sizeBytes: 10 * MIB,
    firstLsn: 1,
    lastLsn: 1,
    createdAtMs: 0,
    isSealed: true,
  };
}

suite("walStatusReport", () => {
  test("has the members that tools for this API read", () => {
    const report = walStatusReport(walStatus(), { workerId: 1, durabilityText: "words" });
    const { enabled, configuration, stats } = JSON.parse(JSON.stringify(report));
    assert.equal(enabled, true);
    assert.equal(configuration.sync_mode, "fdatasync");
    assert.equal(configuration.worker_id, 1);
    assert.equal(configuration.current_file, "/data/wal/worker-1/2.wal");
    assert.equal(stats.current_size_mb, 45.2);
    assert.equal(stats.current_age_seconds, 1_850);
    assert.equal(stats.total_entries, 5_000);
    assert.equal(stats.total_bytes, 47_382_528);
    assert.equal(stats.total_syncs, 4_000);
    assert.equal(stats.total_rotations, 2);
  });

  test("is not enabled at level off, and has no file before the first write", () => {
    const status = walStatus({ durability: "off", segments: [], activeSegmentAgeMs: undefined });
    const report = walStatusReport(status, { workerId: 1, durabilityText: "" });
    const { enabled, configuration, stats } = JSON.parse(JSON.stringify(report));
    assert.equal(enabled, false);
    assert.equal(configuration.current_file, null);
    assert.equal(stats.current_size_mb, 0);
    assert.equal(stats.current_age_seconds, 0);
  });
});

suite("walFilesReport", () => {
  test("lists active and recovered files with MiB and seconds, and their sum", () => {
    const file = { name: "a", path: "/w/a", sizeBytes: MIB, modifiedMs: 1_696_775_400_999 };
    const report = walFilesReport({ directory: "/w", active: [file], recovered: [file] });
    const entry = {
      name: "a",
      path: "/w/a",
      size_mb: 1,
      modified: 1_696_775_400,
      size_bytes: MIB,
    };
    assert.deepEqual(report, {
      active: [entry],
      recovered: [entry],
      total_size_mb: 2,
      wal_directory: "/w",
    });
  });
});

suite("walHealthReport", () => {
  const options = resolveServerOptions({});
  const healthy: WalHealthFacts = {
    status: walStatus(),
    options,
    freeBytes: 4 * options.segmentSizeBytes,
    memoryBytes: 0,
    flushFailures: 0,
    lastFlushError: undefined,
    unflushedRecords: 10,
  };

  function judge(changes: Partial<WalHealthFacts>): { healthy: boolean; issues: string[] } {
    const report = JSON.parse(JSON.stringify(walHealthReport({ ...healthy, ...changes })));
    assert.equal(report.issues.length, report.recommendations.length);
    assert.equal(report.wal_enabled, true);
    return report;
  }

  test("is healthy when nothing is wrong", () => {
    assert.deepEqual(judge({}).issues, []);
    assert.equal(judge({}).healthy, true);
  });

  const problems: readonly [string, Partial<WalHealthFacts>][] = [
    ["a log that refuses writes", { status: walStatus({ state: "poisoned", failure: "EIO" }) }],
    ["space that is not released", { status: walStatus({ releaseFailure: "EACCES" }) }],
    ["too little free space", { freeBytes: 4 * options.segmentSizeBytes - 1 }],
    ["failing flushes", { lastFlushError: "EIO" }],
    ["rows that pile up", { memoryBytes: options.maxMemoryBytes }],
  ];
  for (const [name, changes] of problems) {
    test(`names ${name}`, () => {
      const { healthy: isHealthy, issues } = judge(changes);
      assert.equal(isHealthy, false);
      assert.equal(issues.length, 1);
    });
  }
});
