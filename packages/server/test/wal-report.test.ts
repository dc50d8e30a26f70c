import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../src/errors.ts";
import type { ShardLog } from "../src/wal-administration/wal-questions.ts";
import {
  gather,
  walCursorsReport,
  walFilesReport,
  walHealthReport,
  walRecoveryReport,
  walStatsReport,
  walStatusReport,
} from "../src/wal-report.ts";
import { segmentStatus, walStatus } from "./wal-status-facts.ts";

const MIB = 1_048_576;

function shardLog(shard: number, changes: Partial<ShardLog> = {}): ShardLog {
  return {
    shard,
    status: walStatus(),
    durabilityText: "words",
    flushedLsn: 4_990,
    groups: 100,
    waiters: 0,
    syncMs: { count: 4_000, mean: 0.5, p50: 0.4, p99: 3, max: 9 },
    spaceHolder: { cursor: "parquet", lsn: 4_990, lagRecords: 10, lagBytes: 900, lagMs: 1_500 },
    ...changes,
  };
}

/** As a client gets it. */
function sent(report: object): Record<string, never> {
  return JSON.parse(JSON.stringify(report));
}

function ofShards(...entries: ShardLog[]): { entries: ShardLog[]; unavailable: [] } {
  return { entries, unavailable: [] };
}

suite("gather", () => {
  test("puts shards in order and names workers without an answer", () => {
    const error = new ServerError("SERVER_NOT_READY", "starting");
    const { entries, unavailable } = gather<{ shard: number }>([
      { worker: 1, kind: "answered", answer: [{ shard: 1 }, { shard: 4 }] },
      { worker: 2, kind: "failed", error },
      { worker: 3, kind: "answered", answer: [{ shard: 3 }] },
    ]);
    assert.deepEqual(entries, [{ shard: 1 }, { shard: 3 }, { shard: 4 }]);
    assert.deepEqual(unavailable, [{ worker: 2, code: "SERVER_NOT_READY", message: "starting" }]);
  });
});

suite("walStatusReport", () => {
  test("of one log has the members and numbers that tools for this API read", () => {
    const report = sent(walStatusReport(ofShards(shardLog(1))));
    const { enabled, configuration, stats } = report as Record<string, Record<string, unknown>>;
    assert.equal(enabled, true);
    assert.equal(configuration?.["sync_mode"], "fdatasync");
    assert.equal(configuration?.["worker_id"], 1);
    assert.equal(configuration?.["current_file"], "/data/wal/worker-1/2.wal");
    assert.deepEqual(stats, {
      current_size_mb: 45.2,
      current_age_seconds: 1_850,
      total_entries: 5_000,
      total_bytes: 47_382_528,
      total_syncs: 4_000,
      total_rotations: 2,
      written_bytes: 48_000_000,
      segments: 2,
    });
  });

  test("of several logs sums them, and tells which one has failed", () => {
    const failed = shardLog(2, { status: walStatus({ state: "poisoned", failure: "EIO" }) });
    const report = sent(walStatusReport(ofShards(shardLog(1), failed)));
    const { stats, state, failure, workers } = report as unknown as {
      stats: { total_entries: number; current_age_seconds: number };
      state: string;
      failure: string;
      workers: { worker_id: number; state: string }[];
    };
    assert.equal(stats.total_entries, 10_000);
    assert.equal(stats.current_age_seconds, 1_850);
    assert.equal(state, "poisoned");
    assert.equal(failure, "EIO");
    assert.deepEqual(
      workers.map(({ worker_id, state: own }) => [worker_id, own]),
      [
        [1, "open"],
        [2, "poisoned"],
      ],
    );
  });

  test("names the newest file after a start, before another one is begun", () => {
    const status = walStatus({ segments: [segmentStatus(1), segmentStatus(2)] });
    const report = sent(walStatusReport(ofShards(shardLog(1, { status }))));
    const { configuration } = report as Record<string, Record<string, unknown>>;
    assert.equal(configuration?.["current_file"], "/data/wal/worker-1/2.wal");
  });

  test("is not enabled at level off, and has no file before the first write", () => {
    const status = walStatus({ durability: "off", segments: [], activeSegmentAgeMs: undefined });
    const report = sent(walStatusReport(ofShards(shardLog(1, { status }))));
    const { enabled, configuration, stats } = report as Record<string, Record<string, unknown>>;
    assert.equal(enabled, false);
    assert.equal(configuration?.["current_file"], null);
    assert.equal(stats?.["current_size_mb"], 0);
    assert.equal(stats?.["current_age_seconds"], 0);
  });
});

suite("walStatsReport", () => {
  test("has the numbers of status side by side, and times of syncs by worker", () => {
    const report = sent(walStatsReport(ofShards(shardLog(1), shardLog(2)))) as unknown as {
      total_syncs: number;
      sync_mode: string;
      workers: { sync_ms: object }[];
    };
    assert.equal(report.total_syncs, 8_000);
    assert.equal(report.sync_mode, "fdatasync");
    assert.deepEqual(report.workers[1]?.sync_ms, {
      count: 4_000,
      mean: 0.5,
      p50: 0.4,
      p99: 3,
      max: 9,
    });
  });
});

suite("walFilesReport", () => {
  test("lists active and recovered files with MiB and seconds, and their sum", () => {
    const file = { name: "a", path: "/w/a", sizeBytes: MIB, modifiedMs: 1_696_775_400_999 };
    const entries = [{ shard: 1, directory: "/w", active: [file], recovered: [file] }];
    const entry = {
      name: "a",
      path: "/w/a",
      size_mb: 1,
      modified: 1_696_775_400,
      size_bytes: MIB,
      worker_id: 1,
    };
    assert.deepEqual(walFilesReport({ entries, unavailable: [] }), {
      active: [entry],
      recovered: [entry],
      total_size_mb: 2,
      wal_directory: "/w",
      workers: [{ worker_id: 1, wal_directory: "/w" }],
      unavailable: [],
    });
  });
});

suite("walHealthReport", () => {
  const limits = {
    minFreeBytes: MIB,
    maxMemoryBytes: MIB,
    maxUnflushedAgeMs: 60_000,
    maxLogBytes: undefined,
  };
  const shard = {
    shard: 1,
    problems: [{ issue: "it is slow", recommendation: "wait" }],
    segments: 2,
    sizeBytes: MIB,
    freeBytes: 7 * MIB,
    memoryBytes: MIB,
    unflushedRecords: 3,
    flushFailures: 1,
    appendedRecords: 10,
    syncs: 5,
  };

  test("is degraded by a problem of any worker, and says of which", () => {
    const entries = [
      { ...shard, problems: [] },
      { ...shard, shard: 2, freeBytes: 5 * MIB },
    ];
    const report = sent(
      walHealthReport(
        { entries, unavailable: [] },
        { isEnabled: true, limits, troubledWorkers: [] },
      ),
    );
    assert.equal(report["healthy"], false);
    assert.equal(report["status"], "degraded");
    assert.deepEqual(report["issues"], ["worker 2: it is slow"]);
    assert.deepEqual(report["recommendations"], ["wait"]);
    assert.equal((report["stats_summary"] as unknown as { free_mb: number }).free_mb, 5);
  });

  test("is degraded by a worker without an answer, and by one that does not run", () => {
    const gathered = {
      entries: [{ ...shard, problems: [] }],
      unavailable: [{ worker: 2, code: "SERVER_NOT_READY", message: "starting" }],
    };
    const report = sent(
      walHealthReport(gathered, {
        isEnabled: true,
        limits,
        troubledWorkers: ["worker 3 is recovering its log"],
      }),
    );
    assert.equal(report["healthy"], false);
    assert.equal((report["issues"] as unknown as string[]).length, 2);
  });
});

suite("walRecoveryReport", () => {
  const start = {
    startedAtMs: 1_000,
    outcome: "recovered",
    durationMs: 12.4,
    segments: 2,
    records: 3,
    rows: 4,
    bytes: 5,
    tornTailBytes: 6,
  } as const;

  test("has the starts of all shards, newest first", () => {
    const failure = { code: "WAL_CORRUPT", message: "frames" };
    const report = sent(
      walRecoveryReport({
        entries: [
          { shard: 1, starts: [start] },
          { shard: 2, starts: [{ ...start, startedAtMs: 2_000, outcome: "failed", failure }] },
          { shard: 3, starts: [], unreadable: "no" },
        ],
        unavailable: [],
      }),
    ) as unknown as { history: { worker_id: number; damage: object }[]; [name: string]: unknown };
    assert.deepEqual(
      report.history.map(({ worker_id }) => worker_id),
      [2, 1],
    );
    assert.deepEqual(report.history[0]?.damage, failure);
    assert.equal(report["last_recovery"], "1970-01-01T00:00:02.000Z");
    assert.equal(report["total_recovered"], 1);
    assert.deepEqual(report["unreadable"], ["no"]);
  });
});

suite("walCursorsReport", () => {
  test("says who holds space", () => {
    const report = sent(walCursorsReport(ofShards(shardLog(1)))) as unknown as {
      cursors: object[];
    };
    assert.deepEqual(report.cursors, [
      {
        worker_id: 1,
        name: "parquet",
        lsn: 4_990,
        lag_records: 10,
        lag_bytes: 900,
        lag_seconds: 1.5,
        holds_space: true,
      },
    ]);
  });
});
