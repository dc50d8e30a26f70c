/** What the routes around the server are asked and answer: health, metrics, tokens, deleting, merging. */
import { z } from "zod";
import { ACCESS_RIGHTS } from "../../access/access-right.ts";
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

const WORKER = z.strictObject({
  worker: z.int().min(1),
  phase: z.string(),
  process_id: z.int().nullable(),
  restarts: count,
  last_end: z.string().nullable(),
});

const HEALTH_ANSWER: z.ZodType = z.strictObject({
  name: z.literal("walnut"),
  status: z.literal("pass"),
  message: z.string(),
  phase: z.enum(["recovering", "ready", "stopping", "failed", "closed"]),
  degraded: z.boolean(),
  concern: z.string().optional().meta({ description: "why it is degraded" }),
  version: z.string(),
  time: z.iso.datetime(),
  uptime_sec: count,
  workers: z.array(WORKER).optional().meta({ description: "where there are several" }),
  issues: z.array(z.string()).optional(),
});

const NOT_READY_ANSWER: z.ZodType = z.object({
  status: z.enum(["recovering", "stopping", "failed", "closed", "degraded"]),
  reason: z.string().optional(),
  progress: z.object({ step: z.string(), bytesDone: count, bytesTotal: count }).optional(),
});

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
    answers: [{ status: 200, description: "text format", contents: [{ type: "text/plain" }] }],
  },
  openapi: {
    tag: "server",
    summary: "This document",
    answers: [jsonAnswer("OpenAPI 3.1", z.looseObject({ openapi: z.string() }))],
  },
  console: {
    tag: "server",
    summary: "The web console",
    answers: [{ status: 200, description: "a page", contents: [{ type: "text/html" }] }],
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
};

function query(name: string, description: string, isRequired = false): OperationParameter {
  const schema = isRequired ? z.string().min(1) : z.string();
  return { name, in: "query", description, schema, isRequired };
}
