/** What the routes that take rows are asked and answer. */
import { z } from "zod";
import type { ServerErrorCode } from "../../errors.ts";
import type { Operation, OperationAnswer, OperationParameter, Operations } from "./operation.ts";

const IDENTITY: readonly OperationParameter[] = [
  header(
    "Idempotency-Key",
    "the request is stored once, however often it is sent; not together with a producer",
  ),
  header("x-walnut-producer", "name of a producer; with x-walnut-epoch and x-walnut-seq"),
  number("x-walnut-epoch", "life of the producer; an older one is fenced"),
  number("x-walnut-seq", "number of the request in that life"),
];

const DATABASE_HEADERS: readonly OperationParameter[] = [
  header("x-walnut-database", "the database; wins over the parameter"),
  header("x-arc-database", "the same"),
];

const PRECISION: OperationParameter = {
  name: "precision",
  in: "query",
  description: "unit of the timestamps; default ns",
  schema: z.enum(["ns", "n", "us", "u", "ms", "s", "m", "h"]),
};

const STORED: OperationAnswer = {
  status: 204,
  description: "the log holds the whole request, at the level in the header X-Walnut-Durability",
};

const ERRORS: readonly ServerErrorCode[] = [
  "SERVER_TYPE_CONFLICT",
  "SERVER_TOO_LARGE",
  "SERVER_UNSUPPORTED_ENCODING",
  "SERVER_KEY_REUSED",
  "SERVER_PRODUCER_FENCED",
  "SERVER_SEQUENCE_PASSED",
  "SERVER_WRITE_IN_PROGRESS",
  "SERVER_WAL_UNAVAILABLE",
  "SERVER_WORKER_UNAVAILABLE",
];

const LINES = { type: "text/plain", example: "cpu,host=web-1 usage=0.64,cores=8i 1700000000" };

export const WRITE_OPERATIONS: Operations = {
  write_v1: lineProtocol("Line protocol, InfluxDB 1.x", [database("db", true)]),
  write_v2: lineProtocol("Line protocol, InfluxDB 2.x", [database("bucket", true)]),
  write_line_protocol: lineProtocol("Line protocol", []),
  write_messagepack: {
    tag: "write",
    summary: "MessagePack rows or columns",
    parameters: [...DATABASE_HEADERS, ...IDENTITY],
    body: [{ type: "application/msgpack" }],
    answers: [STORED],
    errors: [...ERRORS, "SERVER_INVALID_MESSAGEPACK"],
  },
  write_prometheus: {
    tag: "write",
    summary: "Prometheus remote-write 1.0, snappy-compressed",
    parameters: [database("db"), database("bucket"), ...DATABASE_HEADERS, ...IDENTITY],
    body: [{ type: "application/x-protobuf" }],
    answers: [STORED],
    errors: [...ERRORS, "SERVER_INVALID_REMOTE_WRITE"],
  },
  write_collectd: {
    tag: "write",
    summary: "collectd's plugin write_http, format JSON",
    parameters: [database("db"), database("bucket"), ...DATABASE_HEADERS, ...IDENTITY],
    body: [{ type: "application/json", schema: z.array(z.record(z.string(), z.unknown())) }],
    answers: [STORED],
    errors: ERRORS,
  },
};

function lineProtocol(summary: string, parameters: readonly OperationParameter[]): Operation {
  return {
    tag: "write",
    summary,
    parameters: [...parameters, PRECISION, ...DATABASE_HEADERS, ...IDENTITY],
    body: [LINES],
    answers: [STORED],
    errors: [...ERRORS, "SERVER_INVALID_LINE"],
  };
}

function database(name: string, isRequired = false): OperationParameter {
  const description = "the database; made by its first row";
  return { name, in: "query", description, schema: z.string().min(1), isRequired };
}

function header(name: string, description: string): OperationParameter {
  return { name, in: "header", description, schema: z.string().min(1) };
}

function number(name: string, description: string): OperationParameter {
  return { name, in: "header", description, schema: z.int().min(0) };
}
