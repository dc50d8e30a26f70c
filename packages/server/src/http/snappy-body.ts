/**
 * Decompresses a body in snappy's block format, as Prometheus sends it.
 *
 * The block begins with the length of its content. That number is a claim: it is held against the limit, the
 * memory budget, and against what so few bytes could possibly hold, before anything is allocated for it.
 */
import { ServerError } from "../errors.ts";
import type { DecodedLimits } from "./content-decoding.ts";

/** Content up to this size is decompressed where it is, larger content on the thread pool. */
const SYNC_MAX_BYTES = 1024 * 1024; // 1 MiB

/** No element of the format makes more than 64 bytes out of 3. */
const MAX_RATIO = 64 / 3;
const MAX_LENGTH_BYTES = 5;

/**
 * Decompresses one block.
 *
 * @throws {ServerError} `SERVER_TOO_LARGE`, `SERVER_OVERLOADED`, `SERVER_INVALID_REQUEST` when it is damaged
 */
export async function decodeSnappyBlock(
  body: Uint8Array,
  limits: DecodedLimits,
): Promise<Uint8Array> {
  const contentBytes = claimedLength(body);
  if (contentBytes > limits.maxBytes) {
    throw new ServerError(
      "SERVER_TOO_LARGE",
      `the decompressed body is larger than ${limits.maxBytes} bytes; send it in smaller requests`,
      { details: { maxBytes: limits.maxBytes } },
    );
  }
  if (contentBytes > body.byteLength * MAX_RATIO) {
    throw damaged(`${body.byteLength} bytes cannot hold the ${contentBytes} that they claim`);
  }
  if (!limits.lease.growTo(body.byteLength + contentBytes)) throw limits.lease.refusal();
  // Loaded by the first request that needs it.
  const snappy = await import("snappy");
  let content: string | Uint8Array;
  try {
    const isSmall = contentBytes <= SYNC_MAX_BYTES;
    content = isSmall ? snappy.uncompressSync(body) : await snappy.uncompress(body);
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error), error);
  }
  if (typeof content === "string") throw damaged("the content is not binary");
  return content;
}

/** The length that the block begins with: a varint of at most 32 bits. */
function claimedLength(body: Uint8Array): number {
  let length = 0;
  for (let index = 0; index < MAX_LENGTH_BYTES; index++) {
    const byte = body[index];
    if (byte === undefined) throw damaged("it ends inside its length");
    length += (byte & 0x7f) * 2 ** (index * 7);
    if (byte < 0x80) return length;
  }
  throw damaged("its length has more than 32 bits");
}

function damaged(reason: string, cause?: unknown): ServerError {
  return new ServerError(
    "SERVER_INVALID_REQUEST",
    `the body is no snappy block: ${reason}`,
    cause === undefined ? { details: { reason } } : { details: { reason }, cause },
  );
}
