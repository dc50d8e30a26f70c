/** What the routes of the log are asked and answer. */
import type { z } from "zod";
import type { ServerErrorCode } from "../../errors.ts";
import {
  WAL_CLEANUP_ANSWER,
  WAL_CLEANUP_PARAMETERS,
  WAL_CURSORS_ANSWER,
  WAL_FILES_ANSWER,
  WAL_FLUSH_ANSWER,
  WAL_HEALTH_ANSWER,
  WAL_RECOVERY_ANSWER,
  WAL_ROTATE_ANSWER,
  WAL_STATS_ANSWER,
  WAL_STATUS_ANSWER,
  WAL_VERIFY_ANSWER,
} from "../wal-schemas.ts";
import { jsonAnswer, type Operation, type Operations } from "./operation.ts";

export const WAL_OPERATIONS: Operations = {
  wal_status: operation("Level, file, counters, positions", "the log now", WAL_STATUS_ANSWER),
  wal_stats: operation("Counters and times of syncs", "the log in numbers", WAL_STATS_ANSWER),
  wal_files: operation("Segments, and archived ones", "the files", WAL_FILES_ANSWER),
  wal_health: operation(
    "What is wrong, and what to do about it",
    "problems; 200 also when there are some",
    WAL_HEALTH_ANSWER,
  ),
  wal_recovery: operation("The last starts, failed ones too", "newest first", WAL_RECOVERY_ANSWER),
  wal_cursors: operation("Who still needs which records", "the cursors", WAL_CURSORS_ANSWER),
  wal_cleanup: {
    ...operation("Removes old archived segments", "what went", WAL_CLEANUP_ANSWER),
    description: "Never a segment of the log: only files whose rows are in Parquet.",
    parameters: Object.entries(WAL_CLEANUP_PARAMETERS.shape).map(([name, schema]) => ({
      name,
      in: "query",
      description: schema.meta()?.description ?? "",
      schema,
    })),
  },
  wal_rotate: operation("Seals the segment that is written to", "done", WAL_ROTATE_ANSWER, [
    "SERVER_WAL_UNAVAILABLE",
  ]),
  wal_flush: operation("Puts every row into Parquet", "done", WAL_FLUSH_ANSWER, [
    "SERVER_FLUSH_FAILED",
  ]),
  wal_verify: operation(
    "Reads every byte of every log beside the writers",
    "what was found",
    WAL_VERIFY_ANSWER,
    ["SERVER_OVERLOADED"],
  ),
};

function operation(
  summary: string,
  answer: string,
  schema: z.ZodType,
  errors: readonly ServerErrorCode[] = [],
): Operation {
  return {
    tag: "log",
    summary,
    answers: [jsonAnswer(answer, schema)],
    errors: [...errors, "SERVER_WORKER_UNAVAILABLE"],
  };
}
