/**
 * One HTTP request to the upstream, and its answer; nothing is tried twice here.
 */
import {
  Agent as HttpAgent,
  request as httpRequest,
  validateHeaderValue,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { SpoolError } from "../errors.ts";
import type { ItemAttributes } from "../item-record.ts";
import { TYPE_ATTRIBUTE } from "./item-batch.ts";
import type { RetryHeaders } from "./retry-delay.ts";
import {
  targetUrl,
  type SettledProtocol,
  type TargetOptions,
  type UpstreamProtocol,
} from "./upstream-target.ts";

/** Compression of request bodies. "zstd" needs a Node that has it or the package `@cloudpss/zstd`. */
export const BODY_ENCODINGS = ["none", "gzip", "zstd"] as const;
export type BodyEncoding = (typeof BODY_ENCODINGS)[number];

export interface UpstreamOptions extends Omit<TargetOptions, "protocol"> {
  readonly protocol: UpstreamProtocol;
  /** Sent as `Authorization: Bearer`, or `Token` where the protocol is line protocol. */
  readonly token?: string | undefined;
  /** Certificates to trust, as PEM, beside those that Node trusts. */
  readonly ca?: string | undefined;
  readonly encoding: BodyEncoding;
  /** A request without an answer after this long has failed, in milliseconds. */
  readonly timeoutMs: number;
  readonly maxConnections: number;
}

/** A request in full: what a dead letter keeps. */
export interface UpstreamRequest {
  readonly category: string;
  /** The same for every try; see docs/forward.md, "Exactly once". */
  readonly key: string;
  readonly attributes: ItemAttributes;
  readonly body: Uint8Array;
}

export interface UpstreamAnswer extends RetryHeaders {
  readonly status: number;
  /** The beginning of the body. */
  readonly body: string;
}

interface WholeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The beginning of the body. */
  readonly body: string;
}

type Compress = (body: Uint8Array) => Promise<Uint8Array>;

const MAX_ANSWER_BYTES = 16 * 1024;
/** Smaller bodies gain nothing. */
const MIN_COMPRESSED_BYTES = 256;
const UNSUPPORTED_TYPE = 415;
/** For Node before 22.15. */
const ZSTD_PACKAGE: string = "@cloudpss/zstd";
const FAST_LEVEL = 1;
const DEFAULT_TYPE = "text/plain; charset=utf-8";

/**
 * An upstream; nothing is asked of it yet.
 *
 * @throws {SpoolError} `SPOOL_INVALID_OPTION` when the address is none, or bodies cannot be compressed so here
 */
export async function openUpstream(options: UpstreamOptions): Promise<Upstream> {
  assertUpstreamUrl(options.url);
  return new Upstream(options, await compressionOf(options.encoding));
}

/** The upstream. */
export class Upstream {
  readonly #options: UpstreamOptions;
  readonly #agent: HttpAgent | HttpsAgent;
  /** `undefined` where nothing is compressed, or the upstream has refused what is. */
  #compress: Compress | undefined;
  #protocol: SettledProtocol | undefined;
  #isLost = false;

  /** @internal use {@link openUpstream} */
  constructor(options: UpstreamOptions, compress: Compress | undefined) {
    this.#options = options;
    this.#compress = compress;
    const agent = { keepAlive: true, maxSockets: options.maxConnections };
    this.#agent = isSecure(options.url)
      ? new HttpsAgent({ ...agent, ...(options.ca === undefined ? {} : { ca: options.ca }) })
      : new HttpAgent(agent);
  }

  /** True when nothing answered the last time, whoever asked. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Sends; rejects when there is no whole answer: nobody knows then whether the items are stored. */
  async send(message: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer> {
    try {
      const answer = await this.#send(message, signal);
      this.#isLost = false;
      return answer;
    } catch (error) {
      this.#isLost = true;
      throw error;
    }
  }

  async #send(message: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer> {
    this.#protocol ??= await this.#askProtocol(signal);
    const compress = message.body.byteLength >= MIN_COMPRESSED_BYTES ? this.#compress : undefined;
    const answer = await this.#post(message, compress, signal);
    if (answer.status !== UNSUPPORTED_TYPE || compress === undefined) return answer;
    // Perhaps it is the compression: the same body as it is tells, and nothing was stored.
    const again = await this.#post(message, undefined, signal);
    if (again.status !== UNSUPPORTED_TYPE) this.#compress = undefined;
    return again;
  }

  async #post(
    message: UpstreamRequest,
    compress: Compress | undefined,
    signal: AbortSignal,
  ): Promise<UpstreamAnswer> {
    const protocol = this.#protocol ?? "category";
    const target = targetUrl({ ...this.#options, protocol }, message.category, message.attributes);
    const body = compress === undefined ? message.body : await compress(message.body);
    const {
      status,
      headers: answerHeaders,
      body: text,
    } = await this.#exchange(target, {
      method: "POST",
      headers: this.#headers(message, body.byteLength, compress !== undefined),
      body,
      signal,
    });
    const { date, "retry-after": retryAfter } = answerHeaders;
    return { status, retryAfter, date, body: text };
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Walnut and InfluxDB name their version on `/ping`. */
  async #askProtocol(signal: AbortSignal): Promise<SettledProtocol> {
    const { protocol, url } = this.#options;
    if (protocol !== "auto") return protocol;
    const target = new URL(url);
    target.pathname = `${target.pathname.replace(/\/+$/, "")}/ping`;
    const { status, headers } = await this.#exchange(target, {
      method: "GET",
      headers: {},
      signal,
    });
    if (headers["x-influxdb-version"] !== undefined) return "line-protocol";
    if (status >= 500) throw new Error(`${target.origin} answered ${status} to /ping`);
    return "category";
  }

  /** One request and its whole answer, within the time limit. */
  async #exchange(
    target: URL,
    {
      method,
      headers,
      body,
      signal,
    }: {
      readonly method: string;
      readonly headers: Record<string, string | number>;
      readonly body?: Uint8Array;
      readonly signal: AbortSignal;
    },
  ): Promise<WholeAnswer> {
    const { timeoutMs } = this.#options;
    const send = target.protocol === "https:" ? httpsRequest : httpRequest;
    const request = send(target, { method, agent: this.#agent, headers, signal });
    let response: IncomingMessage | undefined;
    // Not a signal made of two: Node 20 may collect the one with the timer as garbage, and nothing ends the request any more.
    const timer = setTimeout(() => {
      (response ?? request).destroy(new Error(`no whole answer within ${timeoutMs} ms`));
    }, timeoutMs);
    try {
      const answered = answerOf(request);
      request.end(body);
      response = await answered;
      const { statusCode = 0, headers: answerHeaders } = response;
      return { status: statusCode, headers: answerHeaders, body: await beginningOf(response) };
    } finally {
      clearTimeout(timer);
    }
  }

  #headers(
    { key, attributes }: UpstreamRequest,
    length: number,
    isCompressed: boolean,
  ): Record<string, string | number> {
    const { token, encoding } = this.#options;
    const scheme = this.#protocol === "line-protocol" ? "Token" : "Bearer";
    return {
      "content-type": attributes[TYPE_ATTRIBUTE] ?? DEFAULT_TYPE,
      "content-length": length,
      "idempotency-key": key,
      "user-agent": "walnut-forward",
      ...(isCompressed && { "content-encoding": encoding }),
      ...(token !== undefined && { authorization: `${scheme} ${token}` }),
    };
  }
}

/** The answer to a request, or why there is none; every end of a request is one of the two. */
function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once("response", resolve);
    // Also what goes wrong behind the beginning of an answer: that is told by the answer, and must not end the process.
    request.on("error", reject);
    // Without a listener Node closes the connection, and tells nobody.
    request.once("upgrade", (_, socket) => {
      socket.destroy();
      reject(new Error("the upstream wants to speak another protocol"));
    });
    request.once("close", () => reject(new Error("the connection was closed without an answer")));
  });
}

/** The whole body is waited for: an answer that is cut is none. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (bytes < MAX_ANSWER_BYTES) chunks.push(chunk.subarray(0, MAX_ANSWER_BYTES - bytes));
    bytes += chunk.byteLength;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * Refuses what is no address of an upstream.
 *
 * @throws {SpoolError} `SPOOL_INVALID_OPTION`
 */
export function assertUpstreamUrl(url: string): void {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return;
  throw new SpoolError(
    "SPOOL_INVALID_OPTION",
    `the upstream must be an address like https://host:8000, found "${url}"`,
    { details: { option: "to" } },
  );
}

/**
 * Refuses attributes of an item that no request can have: it would be tried for ever.
 *
 * @throws {SpoolError} `SPOOL_INVALID_REQUEST`
 */
export function assertSendable(attributes: ItemAttributes): void {
  try {
    validateHeaderValue("content-type", attributes[TYPE_ATTRIBUTE] ?? DEFAULT_TYPE);
  } catch (cause) {
    throw new SpoolError("SPOOL_INVALID_REQUEST", "the type of the item is no media type", {
      cause,
    });
  }
}

function isSecure(url: string): boolean {
  return /^https:/i.test(url);
}

/** @throws {SpoolError} `SPOOL_INVALID_OPTION` when neither Node nor a package can do it */
async function compressionOf(encoding: BodyEncoding): Promise<Compress | undefined> {
  switch (encoding) {
    case "none":
      return undefined;
    case "gzip":
      return promisify(zlib.gzip);
    case "zstd":
      return await zstdCompression();
  }
}

async function zstdCompression(): Promise<Compress> {
  // Not in the types of the oldest Node that we run on.
  const { zstdCompress } = zlib as { zstdCompress?: unknown };
  if (typeof zstdCompress === "function") return promisify(zstdCompress as typeof zlib.gzip);
  try {
    // A name in a variable: the spool compiles without the package.
    const loaded = (await import(ZSTD_PACKAGE)) as {
      readonly compress: (body: Uint8Array, level: number) => Uint8Array;
    };
    return (body) => Promise.resolve(loaded.compress(body, FAST_LEVEL));
  } catch (cause) {
    throw new SpoolError(
      "SPOOL_INVALID_OPTION",
      `this Node (${process.version}) has no zstd: use gzip, Node 22.15 and later, or npm install ${ZSTD_PACKAGE}`,
      { details: { option: "encoding" }, cause },
    );
  }
}
