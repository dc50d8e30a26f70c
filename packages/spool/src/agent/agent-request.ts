/**
 * A request to the agent as its routes see it: path, query, body within limits and decompressed; and its answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { SpoolError } from "../errors.ts";
import type { BodyLease } from "./body-budget.ts";

const unzip = promisify(gunzip);
/** Header and trailer of a gzip member. */
const GZIP_MIN_BYTES = 18;

/** One request. */
export class AgentRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    const address = `http://agent${request.url ?? "/"}`;
    // What is no address is at no path of ours.
    const url = new URL(URL.canParse(address) ? address : "http://agent/");
    this.method = request.method ?? "GET";
    this.path = url.pathname;
    this.query = url.searchParams;
    this.#request = request;
    this.#response = response;
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /**
   * The body, decompressed.
   *
   * @param lease - of the memory that it takes; the caller releases it
   * @throws {SpoolError} `SPOOL_ITEM_TOO_LARGE`, `SPOOL_OVERLOADED`, `SPOOL_INVALID_REQUEST`
   */
  async body(maxBytes: number, lease: BodyLease): Promise<Uint8Array> {
    const chunks: Buffer[] = [];
    let bytes = Number(this.header("content-length") ?? 0);
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    bytes = 0;
    // A refusal in the middle of a body is answered, so the stream must outlive the loop.
    const stream = this.#request.iterator({ destroyOnReturn: false });
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) throw tooLarge(maxBytes);
      lease.grow(chunk.byteLength);
      chunks.push(chunk);
    }
    return await this.#decoded(Buffer.concat(chunks), maxBytes, lease);
  }

  json(status: number, value: unknown): void {
    this.text(status, `${JSON.stringify(snakeCased(value))}\n`, "application/json");
  }

  text(status: number, text: string | Uint8Array, type: string): void {
    this.#response.writeHead(status, { "content-type": type }).end(text);
  }

  noContent(headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(204, headers).end();
  }

  /** Answers an error; what is left of the body is not read, so the connection goes. */
  failure(status: number, error: { readonly code: string; readonly message: string }): void {
    const { code, message } = error;
    const again = status === 503 ? { "retry-after": "1" } : {};
    const headers = { "content-type": "application/json", connection: "close", ...again };
    this.#response.writeHead(status, headers).end(`${JSON.stringify({ error: message, code })}\n`);
  }

  async #decoded(body: Buffer, maxBytes: number, lease: BodyLease): Promise<Uint8Array> {
    const encoding = (this.header("content-encoding") ?? "identity").trim().toLowerCase();
    if (encoding === "identity" || body.byteLength === 0) return body;
    if (encoding !== "gzip" && encoding !== "x-gzip") {
      throw new SpoolError(
        "SPOOL_INVALID_REQUEST",
        `content-encoding "${encoding}" is not taken; gzip is`,
        { details: { encoding } },
      );
    }
    // The trailer claims the length. Who claims too little gets the memory of the largest body, if that is free.
    const claimedBytes =
      body.byteLength < GZIP_MIN_BYTES ? 0 : body.readUInt32LE(body.byteLength - 4);
    const firstBytes = Math.min(Math.max(claimedBytes, 1), maxBytes);
    lease.grow(firstBytes);
    const decoded = await unzipped(body, firstBytes);
    if (decoded !== undefined) return decoded;
    lease.grow(maxBytes - firstBytes);
    const longer = firstBytes === maxBytes ? undefined : await unzipped(body, maxBytes);
    if (longer === undefined) throw tooLarge(maxBytes);
    return longer;
  }
}

/** `undefined` when it is longer. */
async function unzipped(body: Buffer, maxOutputLength: number): Promise<Uint8Array | undefined> {
  try {
    return await unzip(body, { maxOutputLength });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw new SpoolError("SPOOL_INVALID_REQUEST", "the body is no gzip, or it is cut", {
      cause: error,
    });
  }
}

function tooLarge(maxBytes: number): SpoolError {
  return new SpoolError("SPOOL_ITEM_TOO_LARGE", `the body is larger than ${maxBytes} bytes`, {
    details: { maxBytes },
  });
}

/** `shippedLsn` is `shipped_lsn` outside. */
export function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCased(inner),
    ]),
  );
}
