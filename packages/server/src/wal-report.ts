/**
 * The answers of the management API about the log, for all shards of a server. Pure; the facts are handed in.
 *
 * Member names are those that tools for this API already read. Where such a member is about one log, it is the sum
 * over all shards (sizes, counters), the largest (ages), or that of the first shard (file, worker id); `workers` has
 * each shard by itself, and our own members. A worker that did not answer is named in `unavailable`.
 */
import type { SegmentStatus, WalStatus } from "@walnut/wal";
import type { CleanupCandidate, WalFileFacts } from "./wal-administration/archived-segments.ts";
import type {
  ShardCleanup,
  ShardFiles,
  ShardHealth,
  ShardLog,
  ShardStarts,
} from "./wal-administration/wal-questions.ts";
import type { ShardVerification } from "./wal-administration/log-verifier.ts";
import type { WalHealthLimits } from "./wal-administration/wal-health.ts";
import type { WorkerAnswer } from "./workers/worker-group.ts";

/** What the workers said, and who said nothing. */
export interface Gathered<Entry> {
  /** In the order of the shards. */
  readonly entries: readonly Entry[];
  readonly unavailable: readonly object[];
}

const BYTES_PER_MIB = 1_048_576;
const MS_PER_SECOND = 1_000;
/** Decimals of sizes in MiB and times in ms: to the byte would be noise, a small log must not read 0. */
const DECIMALS = 3;
/** Starts in an answer, over all shards. */
const MAX_STARTS = 100;

/** One list of the answers of several workers. */
export function gather<Entry extends { readonly shard: number }>(
  answers: readonly WorkerAnswer<readonly Entry[]>[],
): Gathered<Entry> {
  return {
    entries: answers
      .flatMap((result) => (result.kind === "answered" ? result.answer : []))
      .toSorted((a, b) => a.shard - b.shard),
    unavailable: answers.flatMap((result) =>
      result.kind === "failed"
        ? [{ worker: result.worker, code: result.error.code, message: result.error.message }]
        : [],
    ),
  };
}

/** Body of `status`. */
export function walStatusReport({ entries, unavailable }: Gathered<ShardLog>): object {
  const [first] = entries;
  const troubled = entries.find(({ status }) => status.state !== "open");
  return {
    enabled: first !== undefined && first.status.durability !== "off",
    configuration: configurationOf(first),
    stats: sumOf(entries),
    state: troubled?.status.state ?? "open",
    failure: troubled?.status.failure ?? null,
    workers: entries.map((entry) => ({
      worker_id: entry.shard,
      state: entry.status.state,
      failure: entry.status.failure ?? null,
      current_file: currentFile(entry),
      directory: entry.status.directory,
      stats: sumOf([entry]),
      positions: { ...entry.status.positions, flushedLsn: entry.flushedLsn },
      segments: entry.status.segments.length,
    })),
    unavailable,
  };
}

/** Body of `stats`: the numbers of `status` without nesting, and more of our own. */
export function walStatsReport({ entries, unavailable }: Gathered<ShardLog>): object {
  const [first] = entries;
  return {
    worker_id: first?.shard ?? null,
    current_file: currentFile(first),
    sync_mode: first?.status.durability ?? null,
    ...sumOf(entries),
    workers: entries.map((entry) => ({
      worker_id: entry.shard,
      ...sumOf([entry]),
      groups: entry.groups,
      frames: entry.status.totals.frames,
      released_segments: entry.status.totals.releasedSegments,
      pending_bytes: entry.status.pendingBytes,
      waiting_appends: entry.waiters,
      sync_ms: {
        count: entry.syncMs.count,
        mean: rounded(entry.syncMs.mean),
        p50: rounded(entry.syncMs.p50),
        p99: rounded(entry.syncMs.p99),
        max: rounded(entry.syncMs.max),
      },
    })),
    unavailable,
  };
}

/** Body of `files`. */
export function walFilesReport({ entries, unavailable }: Gathered<ShardFiles>): object {
  const active = entries.flatMap((entry) => entry.active.map((file) => fileReport(file, entry)));
  const recovered = entries.flatMap((entry) =>
    entry.recovered.map((file) => fileReport(file, entry)),
  );
  const totalBytes = [...active, ...recovered].reduce((sum, file) => sum + file.size_bytes, 0);
  return {
    active,
    recovered,
    total_size_mb: mib(totalBytes),
    wal_directory: entries[0]?.directory ?? null,
    workers: entries.map(({ shard, directory }) => ({
      worker_id: shard,
      wal_directory: directory,
    })),
    unavailable,
  };
}

/** Body of `health`. */
export function walHealthReport(
  { entries, unavailable }: Gathered<ShardHealth>,
  facts: {
    readonly isEnabled: boolean;
    readonly limits: WalHealthLimits;
    /** What the primary says of workers, each in a sentence. */
    readonly troubledWorkers: readonly string[];
  },
): object {
  const isOneOfMany = entries.length > 1;
  const problems = entries.flatMap(({ shard, problems: found }) =>
    found.map(({ issue, recommendation }) => ({
      issue: isOneOfMany ? `worker ${shard}: ${issue}` : issue,
      recommendation,
    })),
  );
  const missing = unavailable.map((one) => `a worker does not answer: ${JSON.stringify(one)}`);
  for (const issue of [...facts.troubledWorkers, ...missing]) {
    problems.push({
      issue,
      recommendation: "it is restarted by the server; look at the server's log if that goes on",
    });
  }
  const sum = (read: (entry: ShardHealth) => number): number =>
    entries.reduce((total, entry) => total + read(entry), 0);
  const { limits } = facts;
  return {
    healthy: problems.length === 0,
    status: problems.length === 0 ? "healthy" : "degraded",
    wal_enabled: facts.isEnabled,
    issues: problems.map(({ issue }) => issue),
    recommendations: problems.map(({ recommendation }) => recommendation),
    stats_summary: {
      segments: sum((entry) => entry.segments),
      size_mb: mib(sum((entry) => entry.sizeBytes)),
      free_mb: leastMib(entries.flatMap(({ freeBytes }) => freeBytes ?? [])),
      unflushed_records: sum((entry) => entry.unflushedRecords),
      memory_mb: mib(sum((entry) => entry.memoryBytes)),
      flush_failures: sum((entry) => entry.flushFailures),
      total_entries: sum((entry) => entry.appendedRecords),
      total_syncs: sum((entry) => entry.syncs),
    },
    limits: {
      min_free_mb: mib(limits.minFreeBytes),
      max_memory_mb: mib(limits.maxMemoryBytes),
      max_unflushed_seconds: limits.maxUnflushedAgeMs / MS_PER_SECOND,
      max_log_mb: limits.maxLogBytes === undefined ? null : mib(limits.maxLogBytes),
    },
  };
}

/** Body of `recovery`: the starts of all shards, newest first. */
export function walRecoveryReport({ entries, unavailable }: Gathered<ShardStarts>): object {
  const starts = entries
    .flatMap(({ shard, starts: ofShard }) => ofShard.map((start) => ({ shard, start })))
    .toSorted((a, b) => b.start.startedAtMs - a.start.startedAtMs || a.shard - b.shard)
    .map(({ shard, start }) => ({
      worker_id: shard,
      started: new Date(start.startedAtMs).toISOString(),
      outcome: start.outcome,
      duration_ms: Math.round(start.durationMs),
      files: start.segments,
      records: start.records,
      rows: start.rows,
      bytes: start.bytes,
      torn_tail_bytes: start.tornTailBytes,
      damage: start.failure ?? null,
    }));
  const unreadable = entries.flatMap(({ unreadable: reason }) => reason ?? []);
  return {
    history: starts.slice(0, MAX_STARTS),
    last_recovery: starts[0]?.started ?? null,
    total_recovered: starts.filter(({ outcome }) => outcome === "recovered").length,
    unreadable,
    unavailable,
  };
}

/** Body of `cursors`. */
export function walCursorsReport({ entries, unavailable }: Gathered<ShardLog>): object {
  return {
    cursors: entries.flatMap(({ shard, status, spaceHolder }) =>
      status.cursors.map(({ name, lsn }) => {
        const isLowest = spaceHolder?.cursor === name;
        return {
          worker_id: shard,
          name,
          lsn,
          lag_records: Math.max(0, status.positions.appendedLsn - lsn),
          lag_bytes: isLowest ? spaceHolder.lagBytes : null,
          lag_seconds: isLowest ? rounded(spaceHolder.lagMs / MS_PER_SECOND) : null,
          holds_space: isLowest && spaceHolder.lagRecords > 0,
        };
      }),
    ),
    unavailable,
  };
}

/** Body of `cleanup`. */
export function walCleanupReport(
  entries: readonly ShardCleanup[],
  { maxAgeHours, isDryRun }: { readonly maxAgeHours: number; readonly isDryRun: boolean },
): object {
  const files = entries.flatMap((entry) =>
    entry.files.map((file: CleanupCandidate) => ({
      ...fileReport(file, entry),
      reason: file.reason,
    })),
  );
  const freedMb = mib(files.reduce((sum, file) => sum + file.size_bytes, 0));
  const verb = isDryRun ? "would be removed" : "removed";
  return {
    deleted_count: isDryRun ? 0 : files.length,
    freed_mb: isDryRun ? 0 : freedMb,
    max_age_hours: maxAgeHours,
    message: `${files.length} archived ${files.length === 1 ? "segment" : "segments"} ${verb}, ${freedMb} MiB`,
    dry_run: isDryRun,
    files,
  };
}

/** Body of `verify`. */
export function walVerifyReport(entries: readonly ShardVerification[]): object {
  const damage = entries.flatMap(({ shard, verification }) =>
    verification.damage.map((place) => ({
      worker_id: shard,
      kind: place.kind,
      path: place.path,
      offset_bytes: place.offsetBytes,
      end_offset_bytes: place.endOffsetBytes,
      first_lsn: place.firstLsn ?? null,
      last_lsn: place.lastLsn ?? null,
      reason: place.reason,
    })),
  );
  return {
    valid: damage.length === 0,
    workers: entries.map(({ shard, durationMs, verification }) => ({
      worker_id: shard,
      directory: verification.directory,
      duration_ms: Math.round(durationMs),
      records: verification.records,
      verified_bytes: verification.verifiedBytes,
      first_lsn: verification.firstLsn,
      last_lsn: verification.lastLsn,
      unfinished_bytes:
        verification.unfinished === undefined
          ? 0
          : verification.unfinished.endOffsetBytes - verification.unfinished.offsetBytes,
      segments: verification.segments.map((segment) => ({
        path: segment.path,
        valid: segment.damagedBytes === 0,
        first_lsn: segment.firstLsn,
        last_lsn: segment.lastLsn,
        frames: segment.frames,
        records: segment.records,
        verified_bytes: segment.verifiedBytes,
        damaged_bytes: segment.damagedBytes,
      })),
    })),
    damage,
  };
}

function configurationOf(first: ShardLog | undefined): object {
  return {
    sync_mode: first?.status.durability ?? null,
    worker_id: first?.shard ?? null,
    current_file: currentFile(first),
    directory: first?.status.directory ?? null,
    survives: first?.durabilityText ?? null,
  };
}

function sumOf(entries: readonly ShardLog[]): object {
  const sum = (read: (status: WalStatus) => number): number =>
    entries.reduce((total, { status }) => total + read(status), 0);
  const ages = entries.map(({ status }) => status.activeSegmentAgeMs ?? 0);
  return {
    current_size_mb: mib(sum((status) => activeSegment(status)?.sizeBytes ?? 0)),
    current_age_seconds: Math.floor(Math.max(0, ...ages) / MS_PER_SECOND),
    total_entries: sum(({ totals }) => totals.appendedRecords),
    total_bytes: sum(({ totals }) => totals.appendedBytes),
    total_syncs: sum(({ totals }) => totals.syncs),
    total_rotations: sum(({ totals }) => totals.rotations),
    written_bytes: sum(({ totals }) => totals.writtenBytes),
    segments: sum(({ segments }) => segments.length),
  };
}

/** The newest file: after a start it is sealed, and the first write begins another one. */
function currentFile(entry: ShardLog | undefined): string | null {
  return entry?.status.segments.at(-1)?.path ?? null;
}

function activeSegment(status: WalStatus): SegmentStatus | undefined {
  return status.segments.findLast((segment) => !segment.isSealed);
}

interface FileReport {
  readonly name: string;
  readonly size_mb: number;
  readonly modified: number;
  readonly path: string;
  readonly size_bytes: number;
  readonly worker_id: number;
}

function fileReport(file: WalFileFacts, { shard }: { readonly shard: number }): FileReport {
  return {
    name: file.name,
    size_mb: mib(file.sizeBytes),
    modified: Math.floor(file.modifiedMs / MS_PER_SECOND),
    path: file.path,
    size_bytes: file.sizeBytes,
    worker_id: shard,
  };
}

/** `null` when there is none. */
function leastMib(bytes: readonly number[]): number | null {
  return bytes.length === 0 ? null : mib(Math.min(...bytes));
}

function mib(bytes: number): number {
  return rounded(bytes / BYTES_PER_MIB);
}

function rounded(value: number): number {
  return Number(value.toFixed(DECIMALS));
}
