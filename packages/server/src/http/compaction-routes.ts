/**
 * Compaction over HTTP: `GET /api/v1/compaction` tells what was merged, `POST` merges what is due now.
 *
 * Both answer for all workers; one that does not answer is named with its error.
 */
import type { ServerStorage } from "../server-storage.ts";
import type { CompactionRun, CompactionStats } from "../store/compactor.ts";
import {
  everyAnswer,
  type Question,
  type WorkerAnswer,
  type WorkerGroup,
} from "../workers/worker-group.ts";
import type { Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";

/** Counters of one shard, as JSON. */
interface ShardCompaction {
  readonly shard: number;
  readonly compactions: number;
  readonly files_before: number;
  readonly files_after: number;
  readonly bytes_before: number;
  readonly bytes_after: number;
  readonly rows: number;
  readonly failures: number;
  readonly last_error?: string | null;
}

const COMPACTION_STATS: Question<object, readonly ShardCompaction[]> = { name: "compaction-stats" };
const COMPACT_NOW: Question<object, readonly ShardCompaction[]> = { name: "compact-now" };

/** A table with a day's small files takes seconds; one that was never merged takes longer. */
const COMPACT_TIMEOUT_MS = 600_000;

export interface CompactionRoutesOptions {
  readonly storage: () => ServerStorage;
  readonly group: WorkerGroup;
}

/** Says how this worker answers. Once, at start. */
export function answerCompaction({ storage, group }: CompactionRoutesOptions): void {
  group.answer(COMPACTION_STATS, () =>
    storage().shards.map(({ shard, store }) => {
      const { compaction } = store.dataLife.stats;
      return { ...shardAnswer(shard, compaction), last_error: compaction.lastError ?? null };
    }),
  );
  group.answer(COMPACT_NOW, async () => {
    const shards: ShardCompaction[] = [];
    // One after the other: each merge takes memory.
    for (const { shard, store } of storage().shards) {
      shards.push(shardAnswer(shard, await store.dataLife.compactor.compactNow()));
    }
    return shards;
  });
}

/** The two routes; `admin` each. */
export function compactionRoutes({ group }: CompactionRoutesOptions): readonly Route[] {
  async function stats(exchange: Exchange): Promise<void> {
    const answers = await group.askAll(COMPACTION_STATS, {});
    exchange.json(200, workersAnswer(answers, "shards"));
  }

  async function compact(exchange: Exchange): Promise<void> {
    const answers = await group.askAll(COMPACT_NOW, {}, { timeoutMs: COMPACT_TIMEOUT_MS });
    exchange.json(200, workersAnswer(answers, "shards"));
  }

  const common = { path: "/api/v1/compaction", access: "admin", availability: "ready" } as const;
  return [
    { name: "compaction", method: "GET", ...common, handle: stats },
    { name: "compact", method: "POST", ...common, handle: compact },
  ];
}

function shardAnswer(shard: number, run: CompactionRun | CompactionStats): ShardCompaction {
  return {
    shard,
    compactions: run.compactions,
    files_before: run.sourceFiles,
    files_after: run.compactions,
    bytes_before: run.sourceBytes,
    bytes_after: run.writtenBytes,
    rows: run.rows,
    failures: run.failures,
  };
}

/**
 * What every worker answered, as one list; those that failed are part of it.
 *
 * @throws {ServerError} the error of the first one when all of them failed: then nothing was done
 */
export function workersAnswer<Answer>(
  answers: readonly WorkerAnswer<Answer>[],
  name: "shards" | "result",
): string {
  if (answers.every((answer) => answer.kind === "failed")) everyAnswer(answers);
  const success = answers.every((answer) => answer.kind === "answered");
  const workers = answers.map((answer) =>
    answer.kind === "answered"
      ? { worker: answer.worker, [name]: answer.answer }
      : { worker: answer.worker, error: answer.error.message, code: answer.error.code },
  );
  return JSON.stringify({ success, workers });
}
