/** What the routes around the server are asked and answer: health, metrics, tokens, deleting, merging. */
import { z } from "zod";
import { ACCESS_RIGHTS } from "../../access/access-right.ts";
import { DELETE_BODY_SCHEMA } from "../delete-routes.ts";
import { OVERVIEW_ANSWER } from "../overview-schemas.ts";
import { NEW_TOKEN_SCHEMA } from "../token-routes.ts";
import { jsonAnswer, type OperationParameter, type Operations } from "./operation.ts";

const count = z.int().min(0);

const TOKEN = {
  id: z.string(),
  name: z.string(),
  rights: z.array(z.enum(ACCESS_RIGHTS)),
  created: z.string().nullable(),
  expires: z.string().nullable(),
  last_four: z.string().nullable(),
};

const HEALTH_ANSWER: z.ZodType = z.strictObject({
  name: z.literal("walnut"),
  status: z.literal("pass"),
  message: z.string(),
  phase: z.enum(["recovering", "ready", "stopping", "failed", "closed"]),
  version: z.string(),
  time: z.iso.datetime(),
  uptime_sec: count,
});

const NOT_READY_ANSWER: z.ZodType = z.object({
  status: z.enum(["recovering", "stopping", "failed", "closed", "degraded"]),
  reason: z.string().optional(),
  progress: z.object({ step: z.string(), bytesDone: count, bytesTotal: count }).optional(),
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

export const SERVER_OPERATIONS: Operations = {
  health: {
    tag: "server",
    summary: "The process answers",
    answers: [jsonAnswer("it does, in every phase", HEALTH_ANSWER)],
  },
  ready: {
    tag: "server",
    summary: "A write would be accepted now",
    answers: [
      jsonAnswer("it would", z.strictObject({ status: z.literal("ready") })),
      jsonAnswer("it would not: why, and how far the start is", NOT_READY_ANSWER, 503),
    ],
  },
  metrics: {
    tag: "server",
    summary: "Numbers for Prometheus",
    answers: [{ status: 200, description: "text format", content: { type: "text/plain" } }],
  },
  openapi: {
    tag: "server",
    summary: "This document",
    answers: [jsonAnswer("OpenAPI 3.1", z.looseObject({ openapi: z.string() }))],
  },
  console: {
    tag: "server",
    summary: "The web console",
    answers: [{ status: 200, description: "a page", content: { type: "text/html" } }],
    errors: ["SERVER_NOT_FOUND"],
  },
  overview: {
    tag: "server",
    summary: "Everything that the web console shows",
    parameters: [
      {
        name: "tables",
        in: "query",
        description: "tables to list by name; the others are summed",
        schema: z.int().min(0).max(1_000).default(50),
      },
    ],
    answers: [jsonAnswer("one moment of the server", OVERVIEW_ANSWER)],
  },
  token_list: {
    tag: "access",
    summary: "Lists tokens",
    answers: [
      jsonAnswer(
        "never their text",
        z.strictObject({ success: z.literal(true), tokens: z.array(z.strictObject(TOKEN)) }),
      ),
    ],
    errors: ["SERVER_TOKENS_UNAVAILABLE"],
  },
  token_create: {
    tag: "access",
    summary: "Makes a token",
    body: [
      {
        type: "application/json",
        schema: NEW_TOKEN_SCHEMA,
        example: { name: "telegraf", rights: ["write"] },
      },
    ],
    answers: [
      jsonAnswer(
        "the only answer that has its text",
        z.strictObject({ success: z.literal(true), token: z.string(), ...TOKEN }),
        201,
      ),
    ],
    errors: ["SERVER_TOO_LARGE", "SERVER_TOKENS_UNAVAILABLE", "SERVER_OVERLOADED"],
  },
  token_revoke: {
    tag: "access",
    summary: "Revokes a token",
    parameters: [query("id", "which", true)],
    answers: [
      jsonAnswer(
        "it is refused from now on",
        z.strictObject({ success: z.literal(true), revoked: z.strictObject(TOKEN) }),
      ),
    ],
    errors: ["SERVER_NOT_FOUND", "SERVER_TOKENS_UNAVAILABLE", "SERVER_OVERLOADED"],
  },
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
};

function query(name: string, description: string, isRequired = false): OperationParameter {
  const schema = isRequired ? z.string().min(1) : z.string();
  return { name, in: "query", description, schema, isRequired };
}
