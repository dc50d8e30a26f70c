/**
 * The body of a request, collected within limits.
 *
 * Chunks are kept as they come and joined once at the end; a body of one chunk is not copied at all.
 * Memory is taken from the shared budget: at once when the client declares a length, otherwise as bytes
 * arrive. Nothing is allocated on the word of a client.
 */
import type { IncomingMessage } from "node:http";
import type { ByteLease } from "../byte-budget.ts";
import { ServerError } from "../errors.ts";

const EMPTY: Uint8Array = new Uint8Array(0);

/** What the body may cost. */
export interface BodyLimits {
  /** Largest body as sent, in bytes. */
  readonly maxBytes: number;
  /** Where the memory is accounted. The caller releases it. */
  readonly lease: ByteLease;
}

/**
 * Refuses a request by its declared length alone, before the client is told to go on.
 *
 * @throws {ServerError} `SERVER_TOO_LARGE`, `SERVER_OVERLOADED`
 */
export function checkDeclaredLength(request: IncomingMessage, limits: BodyLimits): void {
  const declared = request.headers["content-length"];
  if (declared === undefined) return;
  const bytes = Number(declared); // node:http has refused anything but digits.
  if (bytes > limits.maxBytes) throw tooLarge(limits.maxBytes);
  if (!limits.lease.growTo(bytes)) throw overloaded();
}

/**
 * Collects the body.
 *
 * @returns the bytes as sent, or `undefined` when the client went away in the middle
 * @throws {ServerError} `SERVER_TOO_LARGE`, `SERVER_OVERLOADED`
 */
export function readBody(
  request: IncomingMessage,
  limits: BodyLimits,
): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let receivedBytes = 0;

    function onData(chunk: Uint8Array): void {
      receivedBytes += chunk.byteLength;
      if (receivedBytes > limits.maxBytes) return stop(tooLarge(limits.maxBytes));
      if (!limits.lease.growTo(receivedBytes)) return stop(overloaded());
      chunks.push(chunk);
    }
    function onEnd(): void {
      const only = chunks[0];
      if (only === undefined) resolve(EMPTY);
      else resolve(chunks.length === 1 ? only : Buffer.concat(chunks, receivedBytes));
    }
    // "close" follows "end" as well; a promise that is settled stays as it is.
    function onClose(): void {
      resolve(undefined);
    }
    function stop(error: ServerError): void {
      request.off("data", onData);
      reject(error);
    }

    request.on("data", onData);
    request.on("end", onEnd);
    request.on("close", onClose);
    request.on("error", onClose);
  });
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

function overloaded(): ServerError {
  return new ServerError(
    "SERVER_OVERLOADED",
    "too many request bytes are in flight; nothing of this request was kept, send it again later",
  );
}
