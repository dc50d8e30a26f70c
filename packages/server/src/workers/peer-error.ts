/**
 * Errors on their way from one worker to another: code, message and details survive, the rest does not.
 */
import {
  SERVER_ERROR_STATUS,
  ServerError,
  type ServerErrorCode,
  type ServerErrorDetails,
} from "../errors.ts";

/** An error as plain data. */
export interface PeerError {
  readonly code: ServerErrorCode;
  readonly message: string;
  readonly details: ServerErrorDetails;
}

/** The error as data. One that is not ours is a mistake of ours. */
export function toPeerError(error: unknown): PeerError {
  if (error instanceof ServerError) {
    const { code, message, details } = error;
    return { code, message, details };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "SERVER_INTERNAL", message, details: {} };
}

/** The error again. */
export function fromPeerError({ code, message, details }: PeerError): ServerError {
  return new ServerError(code in SERVER_ERROR_STATUS ? code : "SERVER_INTERNAL", message, {
    details,
  });
}

/** A worker that cannot be asked now. */
export function workerUnavailable(
  worker: number,
  { shards, reason }: { readonly shards: readonly number[]; readonly reason: string },
): ServerError {
  const names = shards.join(", ");
  return new ServerError(
    "SERVER_WORKER_UNAVAILABLE",
    `worker ${worker} with shard ${names} is not there: ${reason}; it is restarted by itself, try again soon`,
    { details: { worker, shards: names } },
  );
}
