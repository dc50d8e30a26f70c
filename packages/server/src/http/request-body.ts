/**
 * The body of a request, collected within limits.
 *
 * Chunks are put together as they come when the client declares a length, otherwise joined at the end; a body
 * of one chunk is not copied at all. Memory is taken from the shared budget: at once when the client declares
 * a length, otherwise as bytes arrive. Nothing is allocated before the first byte is there.
 */
import type { IncomingMessage } from "node:http";
import type { ByteLease } from "../byte-budget.ts";
import { ServerError } from "../errors.ts";
import type { BodyMemoryLoan } from "./body-memory.ts";

const EMPTY: Uint8Array = new Uint8Array(0);

/** What the body may cost. */
export interface BodyLimits {
  /** Largest body as sent, in bytes. */
  readonly maxBytes: number;
  /** Where the memory is accounted. The caller releases it. */
  readonly lease: ByteLease;
  /** Where the body is put, if it is of a size for that. The caller releases it, after the last look. */
  readonly loan?: BodyMemoryLoan;
}

/**
 * Refuses a request by its declared length alone, before the client is told to go on.
 *
 * @throws {ServerError} `SERVER_TOO_LARGE`, `SERVER_OVERLOADED`, `SERVER_CLIENT_OVER_LIMIT`
 */
export function checkDeclaredLength(request: IncomingMessage, limits: BodyLimits): void {
  const declared = request.headers["content-length"];
  if (declared === undefined) return;
  const bytes = Number(declared); // node:http has refused anything but digits.
  if (bytes > limits.maxBytes) throw tooLarge(limits.maxBytes);
  if (!limits.lease.growTo(bytes)) throw limits.lease.refusal();
}

/**
 * Collects the body.
 *
 * @returns the bytes as sent, or `undefined` when the client went away in the middle
 * @throws {ServerError} `SERVER_TOO_LARGE`, `SERVER_OVERLOADED`, `SERVER_CLIENT_OVER_LIMIT`
 */
export function readBody(
  request: IncomingMessage,
  limits: BodyLimits,
): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const declaredBytes = Number(request.headers["content-length"] ?? 0);
    const chunks: Uint8Array[] = [];
    let lent: Uint8Array | undefined;
    let receivedBytes = 0;

    function onData(chunk: Uint8Array): void {
      const position = receivedBytes;
      receivedBytes += chunk.byteLength;
      if (receivedBytes > limits.maxBytes) return stop(tooLarge(limits.maxBytes));
      if (!limits.lease.growTo(receivedBytes)) return stop(limits.lease.refusal());
      if (position === 0 && receivedBytes < declaredBytes) lent = limits.loan?.take(declaredBytes);
      if (lent === undefined) chunks.push(chunk);
      else lent.set(chunk, position);
    }
    function onEnd(): void {
      resolve(lent === undefined ? joined(chunks, receivedBytes) : lent.subarray(0, receivedBytes));
    }
    // "close" follows "end" as well; a promise that is settled stays as it is.
    function onClose(): void {
      resolve(undefined);
    }
    function stop(error: ServerError): void {
      request.off("data", onData);
      reject(error);
    }

    // The client may have gone before anybody listened.
    if (request.destroyed) return resolve(undefined);
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("close", onClose);
    request.on("error", onClose);
  });
}

function joined(chunks: readonly Uint8Array[], totalBytes: number): Uint8Array {
  const [only] = chunks;
  if (only === undefined) return EMPTY;
  return chunks.length === 1 ? only : Buffer.concat(chunks, totalBytes);
}

/**
 * Lets the rest of a refused body run into nothing, so that the client gets to read its answer, and cuts
 * the connection when the rest is long.
 */
export function discardBody(request: IncomingMessage, maxBytes: number): void {
  if (request.complete || request.destroyed) return;
  let remainingBytes = maxBytes;
  request.on("data", (chunk: Uint8Array) => {
    remainingBytes -= chunk.byteLength;
    if (remainingBytes < 0) request.destroy();
  });
  request.on("error", () => {}); // The answer is out; nobody is left to be told.
  request.resume();
}

function tooLarge(maxBytes: number): ServerError {
  return new ServerError(
    "SERVER_TOO_LARGE",
    `the body is larger than ${maxBytes} bytes; send it in smaller requests`,
    { details: { maxBytes } },
  );
}
