/** What the routes that answer with rows are asked and answer. */
import { z } from "zod";
import {
  jsonAnswer,
  type Operation,
  type OperationParameter,
  type Operations,
} from "./operation.ts";

const QUERY_ANSWER: z.ZodType = z.strictObject({
  success: z.literal(true),
  columns: z.array(z.string()),
  types: z.array(z.string()).meta({ description: "SQL types, one for each column" }),
  data: z.array(z.array(z.unknown())).meta({ description: "rows, in the order of the columns" }),
  row_count: z.int().min(0),
  execution_time_ms: z.number().min(0),
});

const INFLUX_ANSWER: z.ZodType = z.object({
  results: z.array(
    z.object({
      statement_id: z.int().optional(),
      error: z.string().optional(),
      series: z
        .array(
          z.object({
            name: z.string().optional(),
            columns: z.array(z.string()),
            values: z.array(z.array(z.unknown())).optional(),
          }),
        )
        .optional(),
    }),
  ),
});

const INFLUX_QUERY: Operation = {
  tag: "query",
  summary: "A part of InfluxQL, for InfluxDB 1.x tools",
  description: "POST takes the statement also as a form, application/x-www-form-urlencoded.",
  parameters: [
    parameter("q", "the statement"),
    parameter("db", "the database"),
    parameter("epoch", "times as numbers of this unit: ns, u, ms, s, m, h"),
  ],
  answers: [jsonAnswer("the rows, as InfluxDB writes them", INFLUX_ANSWER)],
  errors: [
    "SERVER_INVALID_QUERY",
    "SERVER_QUERY_FAILED",
    "SERVER_TOO_LARGE",
    "SERVER_WORKER_UNAVAILABLE",
  ],
};

export const QUERY_OPERATIONS: Operations = {
  query: {
    tag: "query",
    summary: "SQL: one read-only statement",
    body: [
      {
        type: "application/json",
        schema: z.object({ sql: z.string().min(1) }),
        example: { sql: "SELECT count(*) FROM demo.cpu" },
      },
    ],
    answers: [jsonAnswer("the rows", QUERY_ANSWER)],
    errors: [
      "SERVER_INVALID_QUERY",
      "SERVER_QUERY_FAILED",
      "SERVER_TOO_LARGE",
      "SERVER_WORKER_UNAVAILABLE",
    ],
  },
  influx_query: INFLUX_QUERY,
  ping: {
    tag: "server",
    summary: "Is there a server? Versions for InfluxDB tools",
    parameters: [parameter("verbose", "true: the version in the body as well")],
    answers: [
      { status: 204, description: "yes" },
      jsonAnswer("yes, with the version", z.strictObject({ version: z.string() })),
    ],
  },
};

function parameter(name: string, description: string): OperationParameter {
  return { name, in: "query", description, schema: z.string() };
}
