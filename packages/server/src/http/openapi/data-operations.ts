/** What the routes about stored rows are asked and answer: deleting, merging, keeping for a time, exporting. */
import { z } from "zod";
import { RETENTION_RULES_SCHEMA } from "../../retention/retention-rules.ts";
import { DELETE_BODY_SCHEMA } from "../delete-routes.ts";
import { EXPORT_FORMATS } from "../export-format.ts";
import { jsonAnswer, type OperationParameter, type Operations } from "./operation.ts";

const count = z.int().min(0);

const RULE = z.strictObject({
  database: z.string(),
  measurement: z.string().optional(),
  keep_days: z.number().nullable(),
});

const RULES_ANSWER: z.ZodType = z.strictObject({
  success: z.literal(true),
  default_days: z.number().meta({ description: "where no rule counts; 0: for ever" }),
  rules: z.array(RULE),
});

const RUN_ANSWER: z.ZodType = z.strictObject({
  success: z.boolean(),
  workers: z.array(
    z.object({
      worker: z.int().min(1),
      result: z
        .object({
          dry_run: z.boolean(),
          deletion_time: z.string(),
          wall_clock: z.string(),
          is_clock_doubted: z.boolean(),
          tables: z.array(
            z.object({ database: z.string(), measurement: z.string(), keep_days: z.number() }),
          ),
        })
        .optional(),
      error: z.string().optional(),
      code: z.string().optional(),
    }),
  ),
});

const COMPACTION_ANSWER: z.ZodType = z.strictObject({
  success: z.boolean(),
  workers: z.array(
    z.object({
      worker: z.int().min(1),
      shards: z
        .array(
          z.strictObject({
            shard: z.int().min(1),
            compactions: count,
            files_before: count,
            files_after: count,
            bytes_before: count,
            bytes_after: count,
            rows: count,
            failures: count,
            last_error: z.string().nullable().optional(),
          }),
        )
        .optional(),
      error: z.string().optional(),
      code: z.string().optional(),
    }),
  ),
});

const RANGE: readonly OperationParameter[] = [
  query("start", "first time that goes: RFC 3339, or nanoseconds since 1970"),
  query("stop", "first time that stays"),
  query("predicate", 'tags of the rows that go: name="value" AND …'),
];

export const DATA_OPERATIONS: Operations = {
  delete_v2: {
    tag: "data",
    summary: "Deletes rows, InfluxDB 2.x",
    parameters: [query("bucket", "the database", true)],
    body: [
      {
        type: "application/json",
        schema: DELETE_BODY_SCHEMA,
        example: { start: "2026-01-01T00:00:00Z", stop: "2026-02-01T00:00:00Z" },
      },
    ],
    answers: [
      {
        status: 204,
        description: "no query sees them any more; X-Walnut-Deleted-Rows says how many",
      },
    ],
    errors: ["SERVER_TOO_LARGE", "SERVER_QUERY_FAILED", "SERVER_WORKER_UNAVAILABLE"],
  },
  delete_measurement: {
    tag: "data",
    summary: "Deletes rows of a measurement",
    parameters: RANGE,
    answers: [
      jsonAnswer(
        "no query sees them any more",
        z.strictObject({
          success: z.literal(true),
          deleted_rows: count,
          dropped_files: count,
          rewritten_files: count,
        }),
      ),
    ],
    errors: ["SERVER_QUERY_FAILED", "SERVER_WORKER_UNAVAILABLE"],
  },
  compaction: {
    tag: "data",
    summary: "What was merged since the start",
    answers: [jsonAnswer("by worker and shard", COMPACTION_ANSWER)],
  },
  compact: {
    tag: "data",
    summary: "Merges small files now",
    answers: [jsonAnswer("what that was", COMPACTION_ANSWER)],
  },
  retention: {
    tag: "data",
    summary: "How long rows are kept",
    answers: [jsonAnswer("the rules", RULES_ANSWER)],
    errors: ["SERVER_STORAGE_CORRUPT"],
  },
  retention_set: {
    tag: "data",
    summary: "Replaces the rules of how long rows are kept",
    body: [
      {
        type: "application/json",
        schema: RETENTION_RULES_SCHEMA,
        example: { rules: [{ database: "demo", keep_days: 30 }] },
      },
    ],
    answers: [jsonAnswer("they are durable", RULES_ANSWER)],
    errors: ["SERVER_TOO_LARGE"],
  },
  retention_run: {
    tag: "data",
    summary: "Removes what is too old now",
    parameters: [
      flag("dry_run", "only say what would go"),
      flag("trust_clock", "believe a wall clock that has jumped ahead"),
    ],
    answers: [jsonAnswer("what went, by worker", RUN_ANSWER)],
  },
  export: {
    tag: "data",
    summary: "Streams the rows of a measurement",
    parameters: [
      query("db", "the database", true),
      query("measurement", "the measurement", true),
      query("start", "first time: RFC 3339, or nanoseconds since 1970"),
      query("stop", "first time that is left out"),
      { name: "format", in: "query", description: "default lp", schema: z.enum(EXPORT_FORMATS) },
      flag("annotate", "jsonl and csv begin with measurement and types, for reading them back"),
    ],
    answers: [
      {
        status: 200,
        description: "every row, once; a connection that is cut says that it is a part only",
        contents: [
          { type: "text/plain" },
          { type: "application/x-ndjson" },
          { type: "text/csv" },
          { type: "application/vnd.apache.parquet" },
        ],
      },
    ],
    errors: ["SERVER_NOT_FOUND", "SERVER_OVERLOADED"],
  },
};

function query(name: string, description: string, isRequired = false): OperationParameter {
  const schema = isRequired ? z.string().min(1) : z.string();
  return { name, in: "query", description, schema, isRequired };
}

function flag(name: string, description: string): OperationParameter {
  return { name, in: "query", description, schema: z.enum(["true", "false"]) };
}
