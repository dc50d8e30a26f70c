/**
 * The routes that take data: InfluxDB 1.x and 2.x writes, line protocol and MessagePack.
 *
 * Body within limits, decompressed, decoded to one typed batch, handed to the write path, answered 204.
 * The answer means that the log holds the whole request at the level named in `X-Walnut-Durability`; any
 * other answer means that nothing of it was kept.
 */
import { ServerError } from "../errors.ts";
import type { ByteBudget, ByteLease } from "../byte-budget.ts";
import { DEFAULT_INGEST_LIMITS } from "../ingest/ingest-limits.ts";
import { decodeLineProtocol } from "../ingest/line-protocol.ts";
import { decodeMessagePack } from "../ingest/messagepack.ts";
import { parsePrecision } from "../ingest/precision.ts";
import type { IngestBatch } from "../ingest/table-batch.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import { BodyMemory, type BodyMemoryLoan } from "./body-memory.ts";
import { decodeContent } from "./content-decoding.ts";
import type { AnswerHeaders, Exchange } from "./exchange.ts";
import { checkDeclaredLength, readBody } from "./request-body.ts";
import type { Route } from "./router.ts";

/** Which decoder read a request; a label in metrics. */
export type WriteProtocol = "line_protocol" | "messagepack";

/** Makes a batch durable and visible. */
export interface BatchWriter {
  /** Throws what {@link write} would throw for want of memory, before a body is read and decoded. */
  assertCapacity(): void;
  /** Resolves with the batch's LSN once the log holds it. Throws ServerError when nothing was kept. */
  write(batch: IngestBatch): Promise<number>;
}

/** Told about every accepted request. */
export interface WriteObserver {
  observeWrite(protocol: WriteProtocol, rows: number, bytes: number): void;
}

/** What the write routes need. */
export interface WriteRoutesOptions {
  readonly options: ResolvedServerOptions;
  readonly budget: ByteBudget;
  readonly writer: BatchWriter;
  readonly observer: WriteObserver;
  /** Wall clock in milliseconds: the time of rows that carry none. */
  readonly nowMs: () => number;
}

/** Database of requests that name none, on the routes that allow it. */
const DEFAULT_DATABASE = "default";
const NS_PER_MS = 1_000_000n;

interface WriteTarget {
  readonly protocol: WriteProtocol;
  readonly database: string;
  /** Answer to a body without a single byte: accepted (InfluxDB 1.x) or refused (2.x). */
  readonly acceptsEmptyBody: boolean;
}

/** The four write routes. */
export function writeRoutes(context: WriteRoutesOptions): readonly Route[] {
  const bodyMemory = new BodyMemory();
  const headers: AnswerHeaders = { "X-Walnut-Durability": context.options.durability };

  async function serve(exchange: Exchange, target: WriteTarget): Promise<void> {
    context.writer.assertCapacity();
    const lease = context.budget.lease();
    try {
      const received = await receiveBatch(exchange, target, { context, bodyMemory, lease });
      if (received === undefined) return; // The client is gone; nobody is waiting for an answer.
      const { batch, bodyBytes } = received;
      if (batch.rowCount > 0) await context.writer.write(batch);
      context.observer.observeWrite(target.protocol, batch.rowCount, bodyBytes);
      exchange.noContent(headers);
    } finally {
      lease.release();
    }
  }

  function route(name: string, path: string, locate: (exchange: Exchange) => WriteTarget): Route {
    return {
      name,
      path,
      method: "POST",
      access: "write",
      availability: "ready",
      handle: (exchange) => serve(exchange, locate(exchange)),
    };
  }

  return [
    route("write_v1", "/write", (exchange) => ({
      protocol: "line_protocol",
      database: databaseOf(exchange, "db"),
      acceptsEmptyBody: true,
    })),
    route("write_v2", "/api/v2/write", (exchange) => ({
      protocol: "line_protocol",
      database: databaseOf(exchange, "bucket"),
      acceptsEmptyBody: false,
    })),
    route("write_line_protocol", "/api/v1/write/line-protocol", (exchange) => ({
      protocol: "line_protocol",
      database: databaseOf(exchange, undefined),
      acceptsEmptyBody: false,
    })),
    route("write_messagepack", "/api/v1/write/msgpack", (exchange) => ({
      protocol: "messagepack",
      database: databaseOf(exchange, undefined),
      acceptsEmptyBody: false,
    })),
  ];
}

/** The database: a header wins over the parameter; routes without a parameter have a default. */
function databaseOf(exchange: Exchange, parameter: "db" | "bucket" | undefined): string {
  const header = exchange.header("x-walnut-database") ?? exchange.header("x-arc-database");
  const name =
    header ?? (parameter === undefined ? DEFAULT_DATABASE : exchange.parameter(parameter));
  if (name === undefined || name === "") {
    throw new ServerError(
      "SERVER_INVALID_REQUEST",
      `the database is missing: give it as ?${parameter ?? "db"}=NAME or header x-walnut-database`,
    );
  }
  return name;
}

/** The body is looked at here and nowhere else: what is decoded from it does not refer to it. */
async function receiveBatch(
  exchange: Exchange,
  target: WriteTarget,
  {
    context,
    bodyMemory,
    lease,
  }: {
    readonly context: WriteRoutesOptions;
    readonly bodyMemory: BodyMemory;
    readonly lease: ByteLease;
  },
): Promise<{ readonly batch: IngestBatch; readonly bodyBytes: number } | undefined> {
  const loan = bodyMemory.loan();
  try {
    const body = await receive(exchange, context.options, { lease, loan });
    if (body === undefined) return undefined;
    if (body.byteLength === 0 && !target.acceptsEmptyBody) {
      throw new ServerError("SERVER_INVALID_REQUEST", "the body is empty; writing requires points");
    }
    const batch = decode(exchange, target, body, BigInt(context.nowMs()) * NS_PER_MS);
    return { batch, bodyBytes: body.byteLength };
  } finally {
    loan.release();
  }
}

async function receive(
  exchange: Exchange,
  options: ResolvedServerOptions,
  { lease, loan }: { readonly lease: ByteLease; readonly loan: BodyMemoryLoan },
): Promise<Uint8Array | undefined> {
  const limits = { maxBytes: options.maxBodyBytes, lease, loan };
  checkDeclaredLength(exchange.request, limits);
  exchange.continueBody();
  const sent = await readBody(exchange.request, limits);
  if (sent === undefined) return undefined;
  const decodedLimits = { maxBytes: options.maxDecodedBodyBytes, lease };
  return decodeContent(sent, exchange.header("content-encoding"), decodedLimits);
}

function decode(
  exchange: Exchange,
  target: WriteTarget,
  body: Uint8Array,
  nowNs: bigint,
): IngestBatch {
  const { database } = target;
  if (body.byteLength === 0) return { tables: [], rowCount: 0 };
  const precisionText = exchange.parameter("precision");
  const precision =
    precisionText === undefined || precisionText === "" ? "ns" : parsePrecision(precisionText);
  const limits = DEFAULT_INGEST_LIMITS;
  switch (target.protocol) {
    case "line_protocol":
      return decodeLineProtocol(body, { database, precision, nowNs, limits });
    case "messagepack":
      return decodeMessagePack(body, { database, nowNs, limits });
  }
}
