/**
 * The management routes of the log, under `/api/wal/` and `/api/v1/wal/`, for all workers.
 *
 * Whoever gets the request asks every worker about its shards and words the answer (wal-report.ts). To look needs
 * `read`, to change `admin`. Looking goes on when a worker is missing and names it; a change that a worker did not
 * make is an error.
 */
import { ServerError } from "../errors.ts";
import { schemaProblem } from "../schema-problem.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import { walHealthLimits } from "../wal-administration/wal-health.ts";
import {
  WAL_CLEANUP,
  WAL_FILES,
  WAL_FLUSH,
  WAL_HEALTH,
  WAL_LOGS,
  WAL_ROTATE,
  WAL_STARTS,
  WAL_VERIFY,
} from "../wal-administration/wal-questions.ts";
import {
  gather,
  walCleanupReport,
  walCursorsReport,
  walFilesReport,
  walHealthReport,
  walRecoveryReport,
  walStatsReport,
  walStatusReport,
  walVerifyReport,
  type Gathered,
} from "../wal-report.ts";
import { troubledWorkers, type Supervision } from "../workers/supervision.ts";
import { everyAnswer, type Question, type WorkerGroup } from "../workers/worker-group.ts";
import type { Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";
import { WAL_CLEANUP_PARAMETERS } from "./wal-schemas.ts";

/** What the management routes need. */
export interface WalRoutesOptions {
  readonly group: WorkerGroup;
  readonly options: ResolvedServerOptions;
  /** What the primary knows of all workers; `undefined` without one. */
  readonly supervision: () => Supervision | undefined;
}

const PREFIXES = ["/api/wal", "/api/v1/wal"];
const DEFAULT_MAX_AGE_HOURS = 24;
const MS_PER_HOUR = 3_600_000;
/** A flush may write a lot, and a verification reads every byte of the log. */
const LONG_TIMEOUT_MS = 600_000;
const NOTHING = {};

/** What looks and what changes, under both prefixes. */
export function walRoutes({ group, options, supervision }: WalRoutesOptions): readonly Route[] {
  async function look<Entry extends { readonly shard: number }>(
    question: Question<object, readonly Entry[]>,
  ): Promise<Gathered<Entry>> {
    return gather(await group.askAll(question, NOTHING));
  }

  async function change<Input, Entry extends { readonly shard: number }>(
    question: Question<Input, readonly Entry[]>,
    input: Input,
  ): Promise<readonly Entry[]> {
    const answers = await group.askAll(question, input, { timeoutMs: LONG_TIMEOUT_MS });
    return everyAnswer(answers)
      .flat()
      .toSorted((a, b) => a.shard - b.shard);
  }

  async function health(): Promise<object> {
    const watched = supervision();
    return walHealthReport(await look(WAL_HEALTH), {
      troubledWorkers: watched === undefined ? [] : troubledWorkers(watched),
      isEnabled: options.durability !== "off",
      limits: walHealthLimits(options),
    });
  }

  async function cleanup(exchange: Exchange): Promise<object> {
    const { maxAgeHours, isDryRun } = cleanupParameters(exchange.parameters);
    const maxAgeMs = maxAgeHours * MS_PER_HOUR;
    const entries = await change(WAL_CLEANUP, { maxAgeMs, isDryRun });
    return walCleanupReport(entries, { maxAgeHours, isDryRun });
  }

  async function rotate(): Promise<object> {
    const entries = await change(WAL_ROTATE, NOTHING);
    const workers = entries.map(({ shard, ...done }) => ({ worker_id: shard, ...done }));
    return { success: true, workers };
  }

  async function flush(): Promise<object> {
    const entries = await change(WAL_FLUSH, NOTHING);
    const workers = entries.map(({ shard, flushedLsn, ...done }) => ({
      worker_id: shard,
      flushed_lsn: flushedLsn,
      ...done,
    }));
    return { success: true, workers };
  }

  return PREFIXES.flatMap((prefix) => [
    reading("wal_status", `${prefix}/status`, async () => walStatusReport(await look(WAL_LOGS))),
    reading("wal_stats", `${prefix}/stats`, async () => walStatsReport(await look(WAL_LOGS))),
    reading("wal_files", `${prefix}/files`, async () => walFilesReport(await look(WAL_FILES))),
    reading("wal_health", `${prefix}/health`, health),
    reading("wal_recovery", `${prefix}/recovery`, async () =>
      walRecoveryReport(await look(WAL_STARTS)),
    ),
    reading("wal_cursors", `${prefix}/cursors`, async () => walCursorsReport(await look(WAL_LOGS))),
    changing("wal_cleanup", `${prefix}/cleanup`, cleanup),
    changing("wal_rotate", `${prefix}/rotate`, rotate),
    changing("wal_flush", `${prefix}/flush`, flush),
    changing("wal_verify", `${prefix}/verify`, async () =>
      walVerifyReport(await change(WAL_VERIFY, NOTHING)),
    ),
  ]);
}

type Answerer = (exchange: Exchange) => Promise<object>;

function reading(name: string, path: string, answer: Answerer): Route {
  const handle = answering(answer);
  return { name, path, handle, method: "GET", access: "read", availability: "ready" };
}

function changing(name: string, path: string, answer: Answerer): Route {
  const handle = answering(answer);
  return { name, path, handle, method: "POST", access: "admin", availability: "ready" };
}

function answering(answer: Answerer): Route["handle"] {
  return async (exchange) => exchange.json(200, JSON.stringify(await answer(exchange)));
}

/** A misspelt parameter must not turn a dry run into a real one. */
function cleanupParameters(parameters: URLSearchParams): {
  readonly maxAgeHours: number;
  readonly isDryRun: boolean;
} {
  const given = Object.fromEntries(parameters);
  // Who sends the token as a parameter sends these as well.
  delete given["u"];
  delete given["p"];
  const parsed = WAL_CLEANUP_PARAMETERS.safeParse(given);
  if (!parsed.success) {
    throw new ServerError(
      "SERVER_INVALID_REQUEST",
      `${schemaProblem(parsed.error, "the query")}; ` +
        "expected max_age_hours=NUMBER and dry_run=true or false",
    );
  }
  const { max_age_hours: hours, dry_run: dryRun } = parsed.data;
  return {
    maxAgeHours: hours === undefined ? DEFAULT_MAX_AGE_HOURS : Number(hours),
    isDryRun: dryRun === "true",
  };
}
