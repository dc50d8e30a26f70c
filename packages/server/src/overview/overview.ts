/**
 * The server at one moment as one value, for a console that asks every second.
 *
 * Each worker describes itself ({@link WorkerReport}); {@link combineOverview} makes one answer of them: tables and
 * counters summed, logs side by side. Counters grow from the start of a worker; whoever wants a rate takes the
 * difference of two answers. Bounded: tables beyond the busiest and segments beyond the newest are summed. Pure.
 */
import type { HistogramSnapshot } from "@walnut/wal";
import type { ServerPhase } from "../server-state.ts";
import type { RecoveryView } from "../recovery-meter.ts";
import type { RecoverySummary } from "../recovery-summary.ts";
import type { TableStoreStats } from "../store/store-stats.ts";
import type { WalProblem } from "../wal-administration/wal-health.ts";
import type { WorkerAnswer } from "../workers/worker-group.ts";
import type { LogOverview } from "./log-overview.ts";
import { mergeTables, type TablesOverview } from "./table-overview.ts";

/** Requests of one worker, counted since its start. */
export interface RequestOverview {
  readonly inFlight: number;
  readonly inFlightBytes: number;
  /** Accepted writes, their rows, and the bytes of their bodies after decompression. */
  readonly writes: number;
  readonly rows: number;
  readonly bytes: number;
  /** Answers by HTTP status. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** Refusals by error code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds of write requests, refused ones included. */
  readonly writeMs: Pick<HistogramSnapshot, "bounds" | "counts" | "count" | "sum">;
}

/** Rows on their way to Parquet, and in it. */
export interface StoreOverview {
  readonly tables: number;
  readonly rowsInMemory: number;
  readonly bytesInMemory: number;
  readonly oldestUnflushedAgeMs: number;
  readonly files: number;
  readonly rowsOnDisk: number;
  readonly bytesOnDisk: number;
  readonly flushes: {
    readonly flushes: number;
    readonly flushedRows: number;
    readonly flushedFiles: number;
    readonly flushedBytes: number;
    readonly failures: number;
    readonly lastError: string | null;
  };
}

/** One worker at one moment. */
export interface WorkerOverview {
  readonly worker: number;
  readonly processId: number;
  readonly phase: ServerPhase;
  readonly startedAtMs: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly requests: RequestOverview;
  /** How far the start has come. */
  readonly progress: RecoveryView;
  /** What the last start did; `null` until it is done. */
  readonly recovery: RecoverySummary | null;
  /** Its own log first, then those that it has adopted; none until recovery has opened them. */
  readonly logs: readonly LogOverview[];
  /** `null` until recovery has opened it. */
  readonly store: StoreOverview | null;
  readonly findings: readonly WalProblem[];
}

/** A worker with its tables, before they are put together with those of the others. */
export interface WorkerReport extends TablesOverview {
  readonly worker: WorkerOverview;
}

/** Facts that all workers share. */
export interface OverviewFrame {
  readonly version: string;
  readonly nowMs: number;
  readonly durability: string;
  /** What the level survives, in words; `null` while it is not known. */
  readonly survives: string | null;
  readonly limits: {
    readonly memoryBytes: number;
    readonly inFlightBytes: number;
    readonly segmentBytes: number;
    readonly flushAgeMs: number;
  };
}

/** Answer of `GET /api/v1/overview`. */
export interface Overview extends OverviewFrame, TablesOverview {
  /** "ready" when all workers are and nothing is wrong with them. */
  readonly status: "ready" | "degraded" | Exclude<ServerPhase, "ready">;
  readonly workers: readonly WorkerOverview[];
  /** Workers that did not answer, and why. */
  readonly silent: readonly { readonly worker: number; readonly reason: string }[];
}

/** One answer of what every worker says about itself. */
export function combineOverview(
  frame: OverviewFrame,
  answers: readonly WorkerAnswer<WorkerReport>[],
  maxTables: number,
): Overview {
  const reports = answers.flatMap((one) => (one.kind === "answered" ? one.answer : []));
  const silent = answers.flatMap((one) =>
    one.kind === "failed" ? { worker: one.worker, reason: one.error.message } : [],
  );
  const workers = reports.map(({ worker }) => worker);
  return {
    ...frame,
    status: silent.length > 0 ? "degraded" : statusOf(workers),
    ...mergeTables(reports, maxTables),
    workers,
    silent,
  };
}

/** Stores of several shards as one. */
export function storeOverview(stores: readonly TableStoreStats[]): StoreOverview {
  const sum = (read: (stats: TableStoreStats) => number): number =>
    stores.reduce((total, stats) => total + read(stats), 0);
  return {
    tables: sum(({ tables }) => tables.length),
    rowsInMemory: sum(({ rowsInMemory }) => rowsInMemory),
    bytesInMemory: sum(({ bytesInMemory }) => bytesInMemory),
    oldestUnflushedAgeMs: Math.max(...stores.map((stats) => stats.oldestUnflushedAgeMs)),
    files: sum(({ files }) => files),
    rowsOnDisk: sum(({ rowsOnDisk }) => rowsOnDisk),
    bytesOnDisk: sum(({ bytesOnDisk }) => bytesOnDisk),
    flushes: {
      flushes: sum(({ flushes }) => flushes.flushes),
      flushedRows: sum(({ flushes }) => flushes.flushedRows),
      flushedFiles: sum(({ flushes }) => flushes.flushedFiles),
      flushedBytes: sum(({ flushes }) => flushes.flushedBytes),
      failures: sum(({ flushes }) => flushes.failures),
      lastError:
        stores.find(({ flushes }) => flushes.lastError !== undefined)?.flushes.lastError ?? null,
    },
  };
}

function statusOf(workers: readonly WorkerOverview[]): Overview["status"] {
  const notReady = workers.find(({ phase }) => phase !== "ready")?.phase;
  if (notReady !== undefined && notReady !== "ready") return notReady;
  return workers.some(({ findings }) => findings.length > 0) ? "degraded" : "ready";
}
