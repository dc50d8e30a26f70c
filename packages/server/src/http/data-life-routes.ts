/** Everything over HTTP about rows that are in Parquet: each group of routes has its own file. */
import type { ServerStorage } from "../server-storage.ts";
import type { WorkerGroup } from "../workers/worker-group.ts";
import { answerCompaction, compactionRoutes } from "./compaction-routes.ts";
import { answerDelete, deleteRoutes } from "./delete-routes.ts";
import type { Route } from "./router.ts";

/** What these routes need. */
export interface DataLifeRoutesOptions {
  readonly storage: () => ServerStorage;
  readonly group: WorkerGroup;
}

/** Says how this worker answers what these routes ask all workers. Once, at start. */
export function answerDataLife(context: DataLifeRoutesOptions): void {
  answerCompaction(context);
  answerDelete(context);
}

/** All of them. */
export function dataLifeRoutes(context: DataLifeRoutesOptions): readonly Route[] {
  return [...compactionRoutes(context), ...deleteRoutes(context)];
}
