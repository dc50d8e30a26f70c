/**
 * The management routes of the log, under `/api/wal/` and `/api/v1/wal/`: status, files, health.
 *
 * They gather facts and leave the wording to wal-report.ts.
 */
import { readdir, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import type { ServerStorage } from "../server-storage.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import {
  walFilesReport,
  walHealthReport,
  walStatusReport,
  type WalFileFacts,
} from "../wal-report.ts";
import type { Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";

/** What the management routes need. */
export interface WalRoutesOptions {
  readonly storage: () => ServerStorage;
  readonly options: ResolvedServerOptions;
}

const PREFIXES = ["/api/wal", "/api/v1/wal"];
const RECOVERED_SUFFIX = ".recovered";

/** `status`, `files` and `health` under both prefixes. */
export function walRoutes(context: WalRoutesOptions): readonly Route[] {
  function status(exchange: Exchange): void {
    const { own, wal, durabilityText } = context.storage();
    const report = walStatusReport(wal.status(), { workerId: own.shard, durabilityText });
    exchange.json(200, JSON.stringify(report));
  }

  async function files(exchange: Exchange): Promise<void> {
    const { directory, segments } = context.storage().wal.status();
    const active = await fileFacts(segments.map((segment) => segment.path));
    const recovered = await fileFacts(await recoveredPaths(directory));
    exchange.json(200, JSON.stringify(walFilesReport({ directory, active, recovered })));
  }

  async function health(exchange: Exchange): Promise<void> {
    const { wal, store } = context.storage();
    const walStatus = wal.status();
    const device = await statfs(walStatus.directory);
    const { flushes } = store.stats();
    const report = walHealthReport({
      status: walStatus,
      options: context.options,
      freeBytes: device.bavail * device.bsize,
      memoryBytes: store.memoryBytes(),
      flushFailures: flushes.failures,
      lastFlushError: flushes.lastError,
      unflushedRecords: Math.max(0, wal.positions.appendedLsn - store.flushedLsn),
    });
    exchange.json(200, JSON.stringify(report));
  }

  return PREFIXES.flatMap((prefix) => [
    route("wal_status", `${prefix}/status`, status),
    route("wal_files", `${prefix}/files`, files),
    route("wal_health", `${prefix}/health`, health),
  ]);
}

function route(name: string, path: string, handle: Route["handle"]): Route {
  return { name, path, handle, method: "GET", access: "read", availability: "ready" };
}

/** Facts of files; those that were released meanwhile are left out. */
async function fileFacts(paths: readonly string[]): Promise<readonly WalFileFacts[]> {
  const found = await Promise.all(
    paths.map(async (path): Promise<WalFileFacts | undefined> => {
      const facts = await stat(path).catch(() => undefined);
      if (facts === undefined) return undefined;
      const name = path.slice(path.lastIndexOf("/") + 1);
      return { name, path, sizeBytes: facts.size, modifiedMs: facts.mtimeMs };
    }),
  );
  return found.filter((facts) => facts !== undefined);
}

/** Logs that a recovery has set aside. */
async function recoveredPaths(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory).catch((): string[] => []); // No directory, no files.
  return names
    .filter((name) => name.endsWith(RECOVERED_SUFFIX))
    .map((name) => join(directory, name));
}
