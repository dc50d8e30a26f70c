/**
 * What all routes that take data have in common: from the first byte of a body to the answer.
 *
 * Body within limits, decompressed, decoded to one typed batch, handed to the write path, answered 204.
 * The answer means that the log holds the whole request at the level named in `X-Walnut-Durability`; any
 * other answer means that nothing of it was kept. A request with an identity is stored once. A route says where the rows go and how its bytes are read.
 */
import { ServerError } from "../errors.ts";
import type { ByteBudget, ByteLease } from "../byte-budget.ts";
import type { WriteIdentity } from "../idempotency/write-identity.ts";
import type { WriteOutcome } from "../idempotency/write-once.ts";
import type { IngestBatch } from "../ingest/table-batch.ts";
import type { TableRows } from "../overview/table-counters.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import { batchBytes } from "../store/memtable.ts";
import { BodyMemory, type BodyMemoryLoan } from "./body-memory.ts";
import { decodeContent, type DecodedLimits } from "./content-decoding.ts";
import type { AnswerHeaders, Exchange } from "./exchange.ts";
import { checkDeclaredLength, readBody } from "./request-body.ts";
import { digestOf, readClaimedIdentity } from "./write-identity-header.ts";

/** Which decoder read a request; a label in metrics. */
export type WriteProtocol = "line_protocol" | "messagepack" | "remote_write" | "collectd";

/** Makes a batch durable and visible. */
export interface BatchWriter {
  /** Throws what {@link write} would throw for want of memory, before a body is read and decoded. */
  assertCapacity(): void;
  /**
   * Resolves once the log holds the batch. With an identity it is written once: a repeated request is answered
   * "repeated". Throws ServerError when nothing was kept.
   */
  write(batch: IngestBatch, identity: WriteIdentity | undefined): Promise<WriteOutcome>;
}

/** Told about every accepted request. */
export interface WriteObserver {
  observeWrite(
    protocol: WriteProtocol,
    rows: number,
    bytes: number,
    tables: readonly TableRows[],
  ): void;
  /** Told what a request held that is not stored by rule, such as stale markers. */
  observeDropped(kind: string, count: number): void;
  /** Told about a request that was answered again without being stored again. */
  observeReplay(): void;
}

/** What serving writes needs. */
export interface IngestServiceOptions {
  readonly options: ResolvedServerOptions;
  readonly budget: ByteBudget;
  readonly writer: BatchWriter;
  readonly observer: WriteObserver;
  /** Wall clock in milliseconds: the time of rows that carry none. */
  readonly nowMs: () => number;
}

/** Where the rows of a request go, and how its body is read. */
export interface IngestTarget {
  readonly protocol: WriteProtocol;
  readonly database: string;
  /** Answer to a body without a single byte: accepted (InfluxDB 1.x) or refused. */
  readonly acceptsEmptyBody: boolean;
  /** Undoes the encoding of the body. Default: identity and gzip. */
  readonly decompress?: (
    body: Uint8Array,
    limits: DecodedLimits,
  ) => Uint8Array | Promise<Uint8Array>;
  /** Decodes a body that is not empty. The batch does not refer to it. */
  readonly decode: (body: Uint8Array, nowNs: bigint) => IngestBatch;
}

interface Received {
  readonly batch: IngestBatch;
  readonly bodyBytes: number;
  readonly identity: WriteIdentity | undefined;
}

/** Database of requests that name none, on the routes that allow it. */
const DEFAULT_DATABASE = "default";
const NS_PER_MS = 1_000_000n;
const NO_ROWS: IngestBatch = { tables: [], rowCount: 0 };

/** Serves writes. */
export class IngestService {
  readonly observer: WriteObserver;
  readonly #context: IngestServiceOptions;
  readonly #bodyMemory = new BodyMemory();
  readonly #headers: AnswerHeaders;
  readonly #replayHeaders: AnswerHeaders;

  constructor(context: IngestServiceOptions) {
    this.observer = context.observer;
    this.#context = context;
    this.#headers = { "X-Walnut-Durability": context.options.durability };
    this.#replayHeaders = { ...this.#headers, "X-Walnut-Replayed": "true" };
  }

  /**
   * Takes one request and answers it.
   *
   * @returns false when the client went away before its body was there
   */
  async serve(exchange: Exchange, target: IngestTarget): Promise<boolean> {
    const { writer, budget, observer } = this.#context;
    writer.assertCapacity();
    const lease = budget.lease(exchange.share);
    try {
      const received = await this.#receive(exchange, target, lease);
      if (received === undefined) return false; // Nobody is waiting for an answer.
      const { batch, bodyBytes, identity } = received;
      accountBatch(batch, lease);
      // Without rows there is nothing that could be stored twice.
      const outcome = batch.rowCount > 0 ? await writer.write(batch, identity) : "stored";
      if (outcome === "repeated") {
        observer.observeReplay();
        exchange.noContent(this.#replayHeaders);
        return true;
      }
      observer.observeWrite(target.protocol, batch.rowCount, bodyBytes, batch.tables);
      exchange.noContent(this.#headers);
      return true;
    } finally {
      lease.release();
    }
  }

  /** The body is looked at here and nowhere else: what is decoded from it does not refer to it. */
  async #receive(
    exchange: Exchange,
    target: IngestTarget,
    lease: ByteLease,
  ): Promise<Received | undefined> {
    const claimed = readClaimedIdentity(exchange);
    const loan = this.#bodyMemory.loan();
    try {
      const body = await this.#receiveBody(exchange, target, { lease, loan });
      if (body === undefined) return undefined;
      if (body.byteLength === 0 && !target.acceptsEmptyBody) {
        throw new ServerError(
          "SERVER_INVALID_REQUEST",
          "the body is empty; writing requires points",
        );
      }
      const nowMs = this.#context.nowMs();
      const batch =
        body.byteLength === 0 ? NO_ROWS : target.decode(body, BigInt(nowMs) * NS_PER_MS);
      const identity = claimed && {
        ...claimed,
        digest: digestOf(
          [target.protocol, target.database, exchange.parameter("precision") ?? ""],
          body,
        ),
        acceptedAtMs: nowMs,
      };
      return { batch, bodyBytes: body.byteLength, identity };
    } finally {
      loan.release();
    }
  }

  async #receiveBody(
    exchange: Exchange,
    target: IngestTarget,
    { lease, loan }: { readonly lease: ByteLease; readonly loan: BodyMemoryLoan },
  ): Promise<Uint8Array | undefined> {
    const { options } = this.#context;
    const limits = { maxBytes: options.maxBodyBytes, lease, loan };
    checkDeclaredLength(exchange.request, limits);
    exchange.continueBody();
    const sent = await readBody(exchange.request, limits);
    if (sent === undefined) return undefined;
    const decodedLimits = { maxBytes: options.maxDecodedBodyBytes, lease };
    if (target.decompress !== undefined) {
      return sent.byteLength === 0 ? sent : await target.decompress(sent, decodedLimits);
    }
    return decodeContent(sent, exchange.header("content-encoding"), decodedLimits);
  }
}

/**
 * What was decoded takes the place of the body, and can be many times larger: a column of one row costs the others too. Until
 * the log has it, it is there a second time, as a record. A batch above the limit is let through when it is the only
 * one, because sending it again would not help.
 */
function accountBatch(batch: IngestBatch, lease: ByteLease): void {
  let bytes = 0;
  for (const table of batch.tables) bytes += batchBytes(table);
  if (!lease.growTo(Math.min(2 * bytes, lease.limitBytes))) throw lease.refusal();
}

/**
 * The database of a request: a header wins over the parameters, of which the first that is present counts.
 * Without any of them it is `default`.
 */
export function optionalDatabase(exchange: Exchange, ...parameters: readonly string[]): string {
  return namedDatabase(exchange, parameters) ?? DEFAULT_DATABASE;
}

/**
 * As {@link optionalDatabase}, for routes on which a request must name one.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST` when none is named
 */
export function requiredDatabase(exchange: Exchange, parameter: string): string {
  const name = namedDatabase(exchange, [parameter]);
  if (name !== undefined) return name;
  throw new ServerError(
    "SERVER_INVALID_REQUEST",
    `the database is missing: give it as ?${parameter}=NAME or header x-walnut-database`,
  );
}

function namedDatabase(exchange: Exchange, parameters: readonly string[]): string | undefined {
  const header = exchange.header("x-walnut-database") ?? exchange.header("x-arc-database");
  const names = [header, ...parameters.map((parameter) => exchange.parameter(parameter))];
  const name = names.find((candidate) => candidate !== undefined);
  return name === "" ? undefined : name;
}
