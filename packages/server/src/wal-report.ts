/**
 * What the management API tells about the log: status, files, health. Pure; the facts are handed in.
 *
 * Member names are those that tools for this API already read; members of our own come beside them.
 */
import type { WalStatus } from "@walnut/wal";
import type { ResolvedServerOptions } from "./server-options.ts";

/** A file of the log, or one that recovery set aside. */
export interface WalFileFacts {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** What health is judged by. */
export interface WalHealthFacts {
  readonly status: WalStatus;
  readonly options: ResolvedServerOptions;
  /** Free bytes on the device of the log, for this user. */
  readonly freeBytes: number;
  readonly memoryBytes: number;
  readonly flushFailures: number;
  readonly lastFlushError: string | undefined;
  /** Records that only the log holds. */
  readonly unflushedRecords: number;
}

const BYTES_PER_MIB = 1_048_576;
const MS_PER_SECOND = 1_000;
/** Decimals of sizes in MiB: to the byte would be noise, a small log must not read 0. */
const MIB_DECIMALS = 3;
/** Segments that must fit on the device: the active one, the prepared one, and room for a flush. */
const MIN_FREE_SEGMENTS = 4;
const MEMORY_WARNING_SHARE = 0.8;

/** Body of `/api/wal/status`. */
export function walStatusReport(
  status: WalStatus,
  facts: {
    readonly workerId: number;
    /** Level and what it survives, in words. */
    readonly durabilityText: string;
  },
): object {
  const active = activeSegment(status);
  return {
    enabled: status.durability !== "off",
    configuration: {
      sync_mode: status.durability,
      worker_id: facts.workerId,
      current_file: active?.path ?? null,
      directory: status.directory,
      survives: facts.durabilityText,
    },
    stats: {
      current_size_mb: toMib(active?.sizeBytes ?? 0),
      current_age_seconds: Math.floor((status.activeSegmentAgeMs ?? 0) / MS_PER_SECOND),
      total_entries: status.totals.appendedRecords,
      total_bytes: status.totals.appendedBytes,
      total_syncs: status.totals.syncs,
      total_rotations: status.totals.rotations,
      written_bytes: status.totals.writtenBytes,
    },
    positions: status.positions,
    cursors: status.cursors,
    segments: status.segments.length,
    state: status.state,
    failure: status.failure ?? null,
  };
}

/** Body of `/api/wal/files`. */
export function walFilesReport(facts: {
  readonly directory: string;
  readonly active: readonly WalFileFacts[];
  readonly recovered: readonly WalFileFacts[];
}): object {
  const totalBytes = [...facts.active, ...facts.recovered].reduce(
    (sum, file) => sum + file.sizeBytes,
    0,
  );
  return {
    active: facts.active.map(fileReport),
    recovered: facts.recovered.map(fileReport),
    total_size_mb: toMib(totalBytes),
    wal_directory: facts.directory,
  };
}

/** Body of `/api/wal/health`. Limits come from the configuration, never from constants of their own. */
export function walHealthReport(facts: WalHealthFacts): object {
  const findings = findWalProblems(facts);
  const { status } = facts;
  return {
    healthy: findings.length === 0,
    wal_enabled: status.durability !== "off",
    issues: findings.map((finding) => finding.issue),
    recommendations: findings.map((finding) => finding.recommendation),
    stats_summary: {
      segments: status.segments.length,
      size_mb: toMib(status.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0)),
      free_mb: toMib(facts.freeBytes),
      unflushed_records: facts.unflushedRecords,
      memory_mb: toMib(facts.memoryBytes),
      flush_failures: facts.flushFailures,
      total_entries: status.totals.appendedRecords,
      total_syncs: status.totals.syncs,
    },
  };
}

/** Something that is not as it should be, and what to do about it. */
export interface WalFinding {
  readonly issue: string;
  readonly recommendation: string;
}

/** Everything that is not as it should be; empty when all is well. */
export function findWalProblems(facts: WalHealthFacts): readonly WalFinding[] {
  const { status, options } = facts;
  const findings: WalFinding[] = [];
  if (status.state === "poisoned") {
    findings.push({
      issue: `the log refuses writes: ${status.failure ?? "a write failed"}`,
      recommendation:
        "check the disk and its free space, then restart; recovery decides what is kept",
    });
  }
  if (status.releaseFailure !== undefined) {
    findings.push({
      issue: `space of flushed rows is not released: ${status.releaseFailure}`,
      recommendation:
        "it is tried again with every flush; check the permissions of the log's directory",
    });
  }
  const neededBytes = MIN_FREE_SEGMENTS * options.segmentSizeBytes;
  if (facts.freeBytes < neededBytes) {
    findings.push({
      issue: `${toMib(facts.freeBytes)} MiB free on the log's device`,
      recommendation: `free space: at least ${toMib(neededBytes)} MiB, ${MIN_FREE_SEGMENTS} segments`,
    });
  }
  if (facts.lastFlushError !== undefined) {
    findings.push({
      issue: `flushing to Parquet fails: ${facts.lastFlushError}`,
      recommendation:
        "rows stay in memory and in the log and are tried again; look at the server's log",
    });
  }
  if (facts.memoryBytes >= MEMORY_WARNING_SHARE * options.maxMemoryBytes) {
    findings.push({
      issue: `${toMib(facts.memoryBytes)} MiB of rows wait for their flush`,
      recommendation: `writes are refused at ${toMib(options.maxMemoryBytes)} MiB (maxMemoryBytes)`,
    });
  }
  return findings;
}

function activeSegment(status: WalStatus): WalStatus["segments"][number] | undefined {
  return status.segments.findLast((segment) => !segment.isSealed);
}

function fileReport(file: WalFileFacts): object {
  return {
    name: file.name,
    size_mb: toMib(file.sizeBytes),
    modified: Math.floor(file.modifiedMs / MS_PER_SECOND),
    path: file.path,
    size_bytes: file.sizeBytes,
  };
}

function toMib(bytes: number): number {
  return Number((bytes / BYTES_PER_MIB).toFixed(MIB_DECIMALS));
}
