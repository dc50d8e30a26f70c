/** Everything over HTTP about rows that are in Parquet: each group of routes has its own file. */
import { RetentionDirectory } from "../retention/retention-directory.ts";
import { retentionMetrics } from "../retention/retention-metrics.ts";
import { Retention } from "../retention/retention.ts";
import type { MetricSource } from "../server-metrics.ts";
import type { ResolvedServerOptions, ServerLogger } from "../server-options.ts";
import type { ServerStorage } from "../server-storage.ts";
import type { WorkerGroup } from "../workers/worker-group.ts";
import { answerCompaction, compactionRoutes } from "./compaction-routes.ts";
import { answerDelete, deleteRoutes } from "./delete-routes.ts";
import { ExportService } from "./export-routes.ts";
import {
  answerRetention,
  retentionRoutes,
  type RetentionRoutesOptions,
} from "./retention-routes.ts";
import type { Route } from "./router.ts";

/** What the service needs. */
export interface DataLifeServiceOptions {
  readonly options: ResolvedServerOptions;
  readonly dataDirectory: string;
  readonly group: WorkerGroup;
  readonly storage: () => ServerStorage;
}

/** Routes, answers to other workers, and retention in the background. */
export class DataLifeService {
  readonly #context: RetentionRoutesOptions & {
    readonly storage: () => ServerStorage;
    readonly logger: ServerLogger;
  };
  readonly #exports: ExportService;

  constructor({ options, dataDirectory, group, storage }: DataLifeServiceOptions) {
    const { logger, retentionDefaultDays: defaultDays, retentionIntervalMs: intervalMs } = options;
    const directory = new RetentionDirectory(dataDirectory);
    const retention = new Retention({
      directory,
      worker: group.worker,
      defaultDays,
      intervalMs,
      stores: () => storage().shards.map(({ store }) => store),
      wallClockMs: () => Date.now(),
      monotonicMs: () => performance.now(),
      logger,
    });
    this.#context = { storage, group, directory, retention, defaultDays, logger };
    this.#exports = new ExportService({ storage, group, dataDirectory, logger });
  }

  /** Says how this worker answers what these routes ask all workers. Once, at start. */
  answerQuestions(): void {
    answerCompaction(this.#context);
    answerDelete(this.#context);
    answerRetention(this.#context);
    this.#exports.answerQuestions();
  }

  routes(): readonly Route[] {
    return [
      ...compactionRoutes(this.#context),
      ...deleteRoutes(this.#context),
      ...retentionRoutes(this.#context),
      ...this.#exports.routes(),
    ];
  }

  metrics(): readonly MetricSource[] {
    return retentionMetrics(() => this.#context.retention.stats);
  }

  /** Begins the work in the background. The storage is open. */
  start(): void {
    this.#context.retention.start();
    this.#exports.start();
  }

  /** Ends it. */
  async stop(): Promise<void> {
    await this.#exports.stop();
    await this.#context.retention.stop();
  }
}
