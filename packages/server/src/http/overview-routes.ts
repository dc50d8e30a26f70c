/**
 * `GET /api/v1/overview`: all that the web console shows, in one answer.
 *
 * Answers in every phase: while the log is recovered it tells how far that is. Gathers facts; the words and sums are
 * those of overview/.
 */
import type { WalMetrics, WalStatus } from "@walnut/wal";
import * as z from "zod";
import type { ByteBudget } from "../byte-budget.ts";
import { ServerError } from "../errors.ts";
import { freeBytesOf } from "../free-bytes.ts";
import { REFUSAL_IS_TOLD_MS } from "../log-room.ts";
import { logOverview } from "../overview/log-overview.ts";
import { combineOverview, storeOverview, type WorkerReport } from "../overview/overview.ts";
import type { ForwarderWatch } from "../overview/forwarder-watch.ts";
import type { TableCounters } from "../overview/table-counters.ts";
import { busiestTables, joinTables } from "../overview/table-overview.ts";
import { WALNUT_VERSION } from "../package-version.ts";
import type { RequestCounts } from "../server-metrics.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import type { ServerState } from "../server-state.ts";
import type { ServerStorage } from "../server-storage.ts";
import type { ShardStorage } from "../shard-storage.ts";
import type { TableStoreStats } from "../store/store-stats.ts";
import { findWalProblems, type WalProblem } from "../wal-administration/wal-health.ts";
import type { Question, WorkerGroup } from "../workers/worker-group.ts";
import type { Exchange } from "./exchange.ts";
import { OVERVIEW_PARAMETERS } from "./overview-schemas.ts";
import type { Route } from "./router.ts";

/** What the overview is made of. */
export interface OverviewRoutesOptions {
  readonly group: WorkerGroup;
  readonly options: ResolvedServerOptions;
  readonly state: ServerState;
  /** `undefined` until recovery has opened it. */
  readonly storage: () => ServerStorage | undefined;
  readonly budget: ByteBudget;
  readonly activeRequests: () => number;
  readonly requestCounts: () => Promise<RequestCounts>;
  readonly tableCounters: TableCounters;
  /** The agent beside the server; `undefined` where the configuration names none. */
  readonly forwarder: ForwarderWatch | undefined;
  readonly nowMs: () => number;
}

/** What every worker is asked. */
const OVERVIEW: Question<{ readonly maxTables: number }, WorkerReport> = { name: "overview" };
/** A worker that hangs must not keep the console from the others. */
const ASK_TIMEOUT_MS = 2_000;
const MICROSECONDS_PER_SECOND = 1_000_000;

/** `/api/v1/overview`. */
export function overviewRoutes(context: OverviewRoutesOptions): readonly Route[] {
  const { group, options } = context;
  group.answer(OVERVIEW, ({ maxTables }) => describeWorker(context, maxTables));

  async function overview(exchange: Exchange): Promise<void> {
    const maxTables = parseTables(exchange.parameters);
    const [answers, forwarder] = await Promise.all([
      group.askAll(OVERVIEW, { maxTables }, { timeoutMs: ASK_TIMEOUT_MS }),
      context.forwarder?.look() ?? null,
    ]);
    const frame = {
      version: WALNUT_VERSION,
      nowMs: context.nowMs(),
      durability: options.durability,
      survives: context.storage()?.durabilityText ?? null,
      limits: {
        memoryBytes: options.maxMemoryBytes,
        inFlightBytes: options.maxInFlightBytes,
        segmentBytes: options.segmentSizeBytes,
        flushAgeMs: options.flushAgeMs,
      },
      forwarder,
    };
    const answer = combineOverview(frame, answers, maxTables);
    exchange.json(200, JSON.stringify(answer), { "Cache-Control": "no-store" });
  }
  return [
    {
      name: "overview",
      method: "GET",
      path: "/api/v1/overview",
      access: "read",
      availability: "always",
      handle: overview,
    },
  ];
}

/** What this process says about itself. */
async function describeWorker(
  context: OverviewRoutesOptions,
  maxTables: number,
): Promise<WorkerReport> {
  const { state, budget, options } = context;
  const requests = await context.requestCounts();
  const shards = await Promise.all((context.storage()?.shards ?? []).map(readShard));
  const { user, system } = process.cpuUsage();
  const stats = shards.map((shard) => shard.stats);
  return {
    worker: {
      worker: context.group.worker,
      processId: process.pid,
      phase: state.phase,
      startedAtMs: state.startedAtMs,
      residentBytes: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / MICROSECONDS_PER_SECOND,
      requests: {
        inFlight: context.activeRequests(),
        inFlightBytes: budget.usedBytes,
        ...requests,
      },
      progress: state.recovery,
      recovery: context.storage()?.recovery ?? null,
      logs: shards.map((shard) => logOverview({ ...shard, flushedLsn: shard.stats.flushedLsn })),
      store: stats.length === 0 ? null : storeOverview(stats),
      findings: shards.flatMap((shard) => findProblems(options, shard)),
    },
    ...busiestTables(
      joinTables(
        context.tableCounters.snapshot(),
        stats.flatMap(({ tables }) => tables),
      ),
      maxTables,
    ),
  };
}

/** A shard at one moment. */
interface ShardFacts {
  readonly shard: number;
  readonly status: WalStatus;
  readonly metrics: WalMetrics;
  readonly stats: TableStoreStats;
  /** `undefined` when the system did not say. */
  readonly freeBytes: number | undefined;
  readonly lackOfRoom: string | undefined;
}

async function readShard({ shard, wal, store, room }: ShardStorage): Promise<ShardFacts> {
  const status = wal.status();
  const freeBytes = await freeBytesOf(status.directory);
  const lackOfRoom = await room.findLack(REFUSAL_IS_TOLD_MS);
  return { shard, status, metrics: wal.metrics(), stats: store.stats(), freeBytes, lackOfRoom };
}

function findProblems(options: ResolvedServerOptions, facts: ShardFacts): readonly WalProblem[] {
  const { status, stats, freeBytes, lackOfRoom } = facts;
  return findWalProblems({
    status,
    options,
    // What the system does not say is not a problem of the server.
    freeBytes: freeBytes ?? Infinity,
    lackOfRoom,
    memoryBytes: stats.bytesInMemory,
    lastFlushError: stats.flushes.lastError,
    oldestUnflushedAgeMs: stats.oldestUnflushedAgeMs,
  });
}

function parseTables(parameters: URLSearchParams): number {
  const parsed = OVERVIEW_PARAMETERS.safeParse(Object.fromEntries(parameters));
  if (parsed.success) return parsed.data.tables;
  throw new ServerError("SERVER_INVALID_REQUEST", z.prettifyError(parsed.error));
}
