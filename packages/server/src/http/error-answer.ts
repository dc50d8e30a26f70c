/**
 * An error as an HTTP answer: status, headers, and a JSON body that names code, place, reason and request.
 *
 * `error` is what InfluxDB 1.x clients show, `message` what 2.x clients show; both are the same sentence.
 * Anything that is not a ServerError is our own mistake: it is answered 500 without its text, which goes
 * to the log instead.
 */
import { ServerError, type ServerErrorCode } from "../errors.ts";
import type { AnswerHeaders } from "./exchange.ts";

/** Status, headers and JSON text of an error. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly text: string;
}

/** Seconds after which trying again makes sense, where an error's `retryAfterSeconds` does not say it better. */
const RETRY_AFTER_SECONDS: Readonly<Partial<Record<ServerErrorCode, string>>> = {
  SERVER_NOT_READY: "1",
  SERVER_OVERLOADED: "1",
  SERVER_WRITE_IN_PROGRESS: "1",
  SERVER_WAL_UNAVAILABLE: "5",
  SERVER_WORKER_UNAVAILABLE: "1",
  SERVER_UPLOADS_BEHIND: "5",
  SERVER_OBJECT_STORE_UNAVAILABLE: "5",
  SERVER_OBJECT_STORE_REFUSED: "30",
};

/** Makes the answer for an error. */
export function errorAnswer(error: ServerError, requestId: string): ErrorAnswer {
  const headers: Record<string, string> = { "X-Walnut-Error": error.code };
  const retryAfter = error.details["retryAfterSeconds"] ?? RETRY_AFTER_SECONDS[error.code];
  if (retryAfter !== undefined) headers["Retry-After"] = String(retryAfter);
  if (error.code === "SERVER_UNAUTHORIZED") headers["WWW-Authenticate"] = 'Bearer realm="walnut"';
  const allow = error.details["allow"];
  if (error.code === "SERVER_METHOD_NOT_ALLOWED" && typeof allow === "string") {
    headers["Allow"] = allow;
  }
  const text = JSON.stringify({
    success: false,
    error: error.message,
    message: error.message,
    code: error.code,
    details: error.details,
    requestId,
  });
  return { status: error.status, headers, text };
}

/** The given error if it is one of ours, otherwise a SERVER_INTERNAL that hides its text from clients. */
export function toServerError(error: unknown): ServerError {
  if (error instanceof ServerError) return error;
  return new ServerError("SERVER_INTERNAL", "the server made a mistake; its log has the details", {
    cause: error,
  });
}
