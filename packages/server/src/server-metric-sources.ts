/**
 * The numbers that live outside the request path, as sources for /metrics: phase, budget, log, store.
 *
 * Each source is read when metrics are rendered. Numbers of the storage are absent until recovery has
 * opened it.
 */
import type { ByteBudget } from "./byte-budget.ts";
import type { HistogramSource } from "./histogram-source.ts";
import type { WriteCounts, WriteLedger } from "./idempotency/known-writes.ts";
import type { RequestHandler } from "./http/request-handler.ts";
import { objectMetrics } from "./objects/object-metrics.ts";
import type { MetricSource } from "./server-metrics.ts";
import type { ServerPhase, ServerState } from "./server-state.ts";
import type { Membership } from "./workers/membership.ts";
import type { ServerStorage } from "./server-storage.ts";
import type { DataLifeStats } from "./store/data-life.ts";

const MS_PER_SECOND = 1_000;
const MICROSECONDS_PER_SECOND = 1_000_000;
const PHASES: readonly ServerPhase[] = ["recovering", "ready", "stopping", "failed", "closed"];

/** Where the numbers are. */
export interface MetricParts {
  readonly state: ServerState;
  readonly budget: ByteBudget;
  readonly handler: RequestHandler;
  readonly ledger: WriteLedger;
  readonly membership: Membership;
  /** `undefined` until recovery has opened it. */
  readonly storage: () => ServerStorage | undefined;
}

/** All of them. */
export function serverMetricSources(
  parts: MetricParts,
): readonly (MetricSource | HistogramSource)[] {
  return [
    ...workerMetrics(parts.membership),
    ...requestMetrics(parts),
    ...knownWriteMetrics(parts.ledger),
    ...storageMetrics(parts.storage),
  ];
}

/** Numbers of the process and of requests in flight. */
function requestMetrics({ state, budget, handler }: MetricParts): readonly MetricSource[] {
  return [
    {
      ...gauge("phase", "1 for the phase the server is in", () => phases(state.phase)),
      label: "phase",
    },
    gauge("http_requests_in_flight", "Requests being served", () => handler.activeRequests),
    gauge("in_flight_bytes", "Bytes of request bodies in memory", () => budget.usedBytes),
    gauge("in_flight_limit_bytes", "Limit of in_flight_bytes", () => budget.limitBytes),
    gauge("start_time_seconds", "Unix time of the start", () => state.startedAtMs / MS_PER_SECOND),
    gauge("resident_memory_bytes", "Resident memory of the process", () =>
      process.memoryUsage.rss(),
    ),
    counter("cpu_seconds_total", "CPU time of the process", () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / MICROSECONDS_PER_SECOND;
    }),
  ];
}

/** Numbers of the writes that are remembered so that they are stored once: of the whole server, see workers/worker-metrics.ts. */
function knownWriteMetrics(ledger: WriteLedger): readonly MetricSource[] {
  // Without the process that knows there is no number, and the others are still to be had.
  const counts = (): Promise<WriteCounts | undefined> =>
    ledger.countWrites().catch(() => undefined);
  return [
    gauge(
      "idempotency_keys",
      "Keys and producers remembered",
      async () => (await counts())?.remembered,
    ),
    counter(
      "idempotency_evicted_total",
      "Keys and producers forgotten before their window was over",
      async () => (await counts())?.evicted,
    ),
  ];
}

/** Numbers of this process as one of several workers. */
function workerMetrics({ group, supervision }: Membership): readonly MetricSource[] {
  return [
    counter("worker_restarts_total", "Times that the worker was started again", () => {
      const own = supervision()?.workers.find(({ worker }) => worker === group.worker);
      return own?.restarts ?? 0;
    }),
    // Counted by whoever puts the numbers of all workers together, see workers/worker-metrics.ts.
    gauge("workers_unavailable", "Workers whose numbers are missing here", () => 0),
  ];
}

/** Numbers of the log, of recovery and of the table store. */
function storageMetrics(
  storage: () => ServerStorage | undefined,
): readonly (MetricSource | HistogramSource)[] {
  return [
    ...walMetrics(storage),
    ...recoveryMetrics(storage),
    ...storeMetrics(storage),
    ...dataLifeMetrics(storage),
    ...objectMetrics({
      uploads: () => storage()?.uploads,
      cache: () => storage()?.objects?.cache.stats,
    }),
  ];
}

function walMetrics(
  storage: () => ServerStorage | undefined,
): readonly (MetricSource | HistogramSource)[] {
  const wal = () => storage()?.wal.metrics();
  return [
    counter("wal_records_total", "Records appended", () => wal()?.appendedRecords),
    counter("wal_payload_bytes_total", "Bytes of records appended", () => wal()?.appendedBytes),
    counter("wal_written_bytes_total", "Bytes written to segments", () => wal()?.writtenBytes),
    counter("wal_syncs_total", "Syncs of segments", () => wal()?.syncs),
    counter("wal_groups_total", "Groups written, one write each", () => wal()?.groups),
    counter("wal_frames_total", "Frames written", () => wal()?.frames),
    counter(
      "wal_released_segments_total",
      "Segments removed after their rows were flushed",
      () => wal()?.releasedSegments,
    ),
    gauge("wal_pending_bytes", "Bytes waiting for the disk", () => wal()?.pendingBytes),
    gauge("wal_waiters", "Appends waiting for the disk", () => wal()?.waiters),
    gauge("wal_buffers_in_use", "Commit buffers that hold something", () => wal()?.buffersInUse),
    counter("wal_rotations_total", "Segments sealed", () => wal()?.rotations),
    gauge("wal_segments", "Segments on disk", () => wal()?.segments),
    gauge("wal_size_bytes", "Bytes of segments on disk", () => wal()?.sizeBytes),
    gauge("wal_first_lsn", "Lowest LSN still in the log", () => wal()?.firstLsn),
    gauge("wal_appended_lsn", "Highest LSN appended", () => wal()?.appendedLsn),
    gauge("wal_durable_lsn", "Highest LSN that survives a power loss", () => wal()?.durableLsn),
    gauge("wal_held_bytes", "Bytes behind the lowest cursor", () => wal()?.spaceHolder?.lagBytes),
    gauge("wal_held_seconds", "Time since the lowest cursor moved", () => {
      const lagMs = wal()?.spaceHolder?.lagMs;
      return lagMs === undefined ? undefined : lagMs / MS_PER_SECOND;
    }),
    {
      kind: "histogram",
      name: "wal_sync_seconds",
      help: "Time of synced writes and syncs of segments",
      unit: 1 / MS_PER_SECOND,
      read: () => wal()?.syncMs,
    },
    {
      kind: "histogram",
      name: "wal_group_records",
      help: "Records of a group",
      unit: 1,
      read: () => wal()?.groupRecords,
    },
    gauge("wal_poisoned", "1 when the log refuses writes until a restart", () => {
      const isPoisoned = wal()?.isPoisoned;
      return isPoisoned === undefined ? undefined : Number(isPoisoned);
    }),
  ];
}

function recoveryMetrics(storage: () => ServerStorage | undefined): readonly MetricSource[] {
  const recovery = () => storage()?.recovery;
  return [
    gauge("recovery_seconds", "Time the last start needed", () => {
      const durationMs = recovery()?.durationMs;
      return durationMs === undefined ? undefined : durationMs / MS_PER_SECOND;
    }),
    gauge("recovery_records", "Records replayed by the last start", () => recovery()?.records),
    gauge("recovery_rows", "Rows replayed by the last start", () => recovery()?.rows),
    gauge(
      "recovery_torn_tail_bytes",
      "Bytes cut off by the last start",
      () => recovery()?.tornTailBytes,
    ),
  ];
}

function storeMetrics(storage: () => ServerStorage | undefined): readonly MetricSource[] {
  const stats = () => storage()?.store.stats();
  const flushes = () => stats()?.flushes;
  return [
    gauge("flushed_lsn", "Every row up to this LSN is in Parquet", () => stats()?.flushedLsn),
    gauge("memory_rows", "Rows that are not in Parquet yet", () => stats()?.rowsInMemory),
    gauge(
      "memory_bytes",
      "Bytes of rows that are not in Parquet yet",
      () => stats()?.bytesInMemory,
    ),
    gauge("oldest_unflushed_seconds", "Age of the oldest row that is not in Parquet", () => {
      const ageMs = stats()?.oldestUnflushedAgeMs;
      return ageMs === undefined ? undefined : ageMs / MS_PER_SECOND;
    }),
    gauge("tables", "Tables", () => stats()?.tables.length),
    gauge("parquet_files", "Parquet files in the catalog", () => stats()?.files),
    gauge("parquet_rows", "Rows in Parquet", () => stats()?.rowsOnDisk),
    gauge("parquet_bytes", "Bytes of Parquet files", () => stats()?.bytesOnDisk),
    counter("flushes_total", "Flushes to Parquet", () => flushes()?.flushes),
    counter("flushed_rows_total", "Rows flushed to Parquet", () => flushes()?.flushedRows),
    counter("flushed_files_total", "Parquet files written", () => flushes()?.flushedFiles),
    counter("flushed_bytes_total", "Bytes of Parquet written", () => flushes()?.flushedBytes),
    counter("flush_failures_total", "Flushes that failed", () => flushes()?.failures),
  ];
}

/** What happens to rows that are in Parquet, in all shards of this process. */
function dataLifeMetrics(storage: () => ServerStorage | undefined): readonly MetricSource[] {
  const total = (read: (stats: DataLifeStats) => number) => (): number | undefined =>
    storage()?.shards.reduce((sum, { store }) => sum + read(store.dataLife.stats), 0);
  return [
    counter(
      "compactions_total",
      "Merges of small files",
      total((stats) => stats.compaction.compactions),
    ),
    counter(
      "compacted_files_total",
      "Files merged into others",
      total((stats) => stats.compaction.sourceFiles),
    ),
    counter(
      "compacted_bytes_total",
      "Bytes of files merged into others",
      total((stats) => stats.compaction.sourceBytes),
    ),
    counter(
      "compaction_written_bytes_total",
      "Bytes of files made by merges",
      total((stats) => stats.compaction.writtenBytes),
    ),
    counter(
      "compaction_failures_total",
      "Merges that failed",
      total((stats) => stats.compaction.failures),
    ),
    gauge(
      "removed_files",
      "Files that were replaced or deleted and wait for their queries",
      total((stats) => stats.removedFiles.waitingFiles),
    ),
    gauge(
      "removed_bytes",
      "Bytes of such files",
      total((stats) => stats.removedFiles.waitingBytes),
    ),
    counter(
      "freed_bytes_total",
      "Bytes of such files that are gone",
      total((stats) => stats.removedFiles.freedBytes),
    ),
  ];
}

function phases(current: ServerPhase): ReadonlyMap<string, number> {
  return new Map(PHASES.map((phase) => [phase, phase === current ? 1 : 0]));
}

function gauge(name: string, help: string, read: MetricSource["read"]): MetricSource {
  return { kind: "gauge", name, help, read };
}

function counter(name: string, help: string, read: MetricSource["read"]): MetricSource {
  return { kind: "counter", name, help, read };
}
