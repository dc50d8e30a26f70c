/**
 * The identity of a write request, as its headers give it: `Idempotency-Key`, or producer, epoch and seq.
 *
 * The digest covers what was asked for: format, database, precision and the decompressed body. Pure.
 */
import { createHash } from "node:crypto";
import { ServerError } from "../errors.ts";
import type { WriteIdentity } from "../idempotency/write-identity.ts";
import type { Exchange } from "./exchange.ts";

/** Who a request says it is; the digest and the time come with the body. */
export type ClaimedIdentity = Pick<WriteIdentity, "name" | "epoch" | "seq">;

const KEY = "idempotency-key";
const PRODUCER = "x-walnut-producer";
const EPOCH = "x-walnut-epoch";
const SEQ = "x-walnut-seq";

const MAX_KEY_CHARS = 255;
const DIGEST_HEX_CHARS = 32;

/**
 * Reads the headers; `undefined` when the request has no identity.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST` naming the header
 */
export function readClaimedIdentity(exchange: Exchange): ClaimedIdentity | undefined {
  const key = exchange.header(KEY);
  const producer = exchange.header(PRODUCER);
  if (key !== undefined) {
    if (producer !== undefined) fail(KEY, `cannot be combined with ${PRODUCER}`);
    return { name: `key:${visible(KEY, key)}`, epoch: 0, seq: 0 };
  }
  const epoch = exchange.header(EPOCH);
  const seq = exchange.header(SEQ);
  if (producer === undefined) {
    if (epoch !== undefined) fail(EPOCH, `needs ${PRODUCER}`);
    if (seq !== undefined) fail(SEQ, `needs ${PRODUCER}`);
    return undefined;
  }
  return {
    name: `producer:${visible(PRODUCER, producer)}`,
    epoch: integer(EPOCH, epoch),
    seq: integer(SEQ, seq),
  };
}

/** Hash of a request: equal for a retry, different for anything else. */
export function digestOf(target: readonly string[], body: Uint8Array): string {
  const hash = createHash("sha256").update(JSON.stringify(target)).update(body);
  return hash.digest("hex").slice(0, DIGEST_HEX_CHARS);
}

function visible(header: string, value: string): string {
  if (value.length <= MAX_KEY_CHARS && /^[!-~]+$/.test(value)) return value;
  return fail(header, `must have 1 to ${MAX_KEY_CHARS} visible ASCII characters and no space`);
}

function integer(header: string, value: string | undefined): number {
  const number = value !== undefined && /^\d{1,16}$/.test(value) ? Number(value) : -1;
  if (number >= 0 && Number.isSafeInteger(number)) return number;
  return fail(header, `must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`);
}

function fail(header: string, reason: string): never {
  throw new ServerError("SERVER_INVALID_REQUEST", `header ${header} ${reason}`, {
    details: { header, reason },
  });
}
