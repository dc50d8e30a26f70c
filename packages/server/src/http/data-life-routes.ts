/** Everything over HTTP about rows that are in Parquet: each group of routes has its own file. */
import { RetentionDirectory } from "../retention/retention-directory.ts";
import { Retention } from "../retention/retention.ts";
import type { ResolvedServerOptions, ServerLogger } from "../server-options.ts";
import type { ServerStorage } from "../server-storage.ts";
import type { WorkerGroup } from "../workers/worker-group.ts";
import { answerCompaction, compactionRoutes } from "./compaction-routes.ts";
import { answerDelete, deleteRoutes } from "./delete-routes.ts";
import { exportRoutes } from "./export-routes.ts";
import {
  answerRetention,
  retentionRoutes,
  type RetentionRoutesOptions,
} from "./retention-routes.ts";
import type { Route } from "./router.ts";

/** What these routes need. */
export interface DataLifeRoutesOptions extends RetentionRoutesOptions {
  readonly storage: () => ServerStorage;
  readonly logger: ServerLogger;
}

/** Makes what the routes need, for one worker. */
export function makeDataLife({
  options,
  dataDirectory,
  group,
  storage,
}: {
  readonly options: ResolvedServerOptions;
  readonly dataDirectory: string;
  readonly group: WorkerGroup;
  readonly storage: () => ServerStorage;
}): DataLifeRoutesOptions {
  const directory = new RetentionDirectory(dataDirectory);
  const defaultDays = options.retentionDefaultDays;
  const retention = new Retention({
    directory,
    worker: group.worker,
    defaultDays,
    intervalMs: options.retentionIntervalMs,
    stores: () => storage().shards.map(({ store }) => store),
    wallClockMs: () => Date.now(),
    monotonicMs: () => performance.now(),
    logger: options.logger,
  });
  return { storage, group, directory, retention, defaultDays, logger: options.logger };
}

/** Says how this worker answers what these routes ask all workers. Once, at start. */
export function answerDataLife(context: DataLifeRoutesOptions): void {
  answerCompaction(context);
  answerDelete(context);
  answerRetention(context);
}

/** All of them. */
export function dataLifeRoutes(context: DataLifeRoutesOptions): readonly Route[] {
  return [
    ...compactionRoutes(context),
    ...deleteRoutes(context),
    ...retentionRoutes(context),
    ...exportRoutes(context),
  ];
}
