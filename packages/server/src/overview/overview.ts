/**
 * The server at one moment as one value, for a console that asks every second.
 *
 * Each worker describes itself ({@link WorkerReport}); {@link combineOverview} makes one answer of them: tables and
 * counters summed, logs side by side. Counters grow from the start of a worker; whoever wants a rate takes the
 * difference of two answers. Bounded: tables beyond the busiest and segments beyond the newest are summed. The answer's
 * types are those that the console reads. Pure.
 */
import type { Overview, StoreOverview, TablesOverview, WorkerOverview } from "@walnut/console";
import type { UploadStats } from "../objects/uploader.ts";
import type { TableStoreStats } from "../store/store-stats.ts";
import type { WorkerAnswer } from "../workers/worker-group.ts";
import { mergeTables } from "./table-overview.ts";

/** A worker with its tables, before they are put together with those of the others. */
export interface WorkerReport extends TablesOverview {
  readonly worker: WorkerOverview;
}

/** Facts that all workers share. */
export type OverviewFrame = Pick<
  Overview,
  "version" | "nowMs" | "durability" | "survives" | "limits" | "forwarder"
>;

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
    uploads: uploadOverview(stores.flatMap(({ uploads }) => uploads ?? [])),
  };
}

function uploadOverview(uploads: readonly UploadStats[]): StoreOverview["uploads"] {
  if (uploads.length === 0) return null;
  const sum = (read: (stats: UploadStats) => number): number =>
    uploads.reduce((total, stats) => total + read(stats), 0);
  return {
    pendingFiles: sum(({ pendingFiles }) => pendingFiles),
    pendingBytes: sum(({ pendingBytes }) => pendingBytes),
    oldestPendingMs: Math.max(...uploads.map(({ oldestPendingMs }) => oldestPendingMs)),
    uploadedFiles: sum(({ uploadedFiles }) => uploadedFiles),
    uploadedBytes: sum(({ uploadedBytes }) => uploadedBytes),
    failures: sum(({ failures }) => failures),
    lastError: uploads.find(({ lastError }) => lastError !== undefined)?.lastError ?? null,
  };
}

function statusOf(workers: readonly WorkerOverview[]): Overview["status"] {
  const notReady = workers.find(({ phase }) => phase !== "ready")?.phase;
  if (notReady !== undefined && notReady !== "ready") return notReady;
  return workers.some(({ findings }) => findings.length > 0) ? "degraded" : "ready";
}
