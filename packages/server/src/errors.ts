/**
 * Errors that a client or operator of the server can meet, one class with a stable code.
 *
 * Codes are listed in docs/errors.md; `status` is the HTTP answer that carries the error. Messages say what,
 * where, what was found and what was expected.
 */

/** Stable codes of {@link ServerError}. */
export type ServerErrorCode =
  | "SERVER_INVALID_OPTION"
  | "SERVER_LISTEN_FAILED"
  | "SERVER_FLUSH_FAILED"
  | "SERVER_INVALID_LINE"
  | "SERVER_INVALID_MESSAGEPACK"
  | "SERVER_INVALID_REMOTE_WRITE"
  | "SERVER_INVALID_REQUEST"
  | "SERVER_TYPE_CONFLICT"
  | "SERVER_SCHEMA_LIMIT"
  | "SERVER_UNAUTHORIZED"
  | "SERVER_FORBIDDEN"
  | "SERVER_NOT_FOUND"
  | "SERVER_METHOD_NOT_ALLOWED"
  | "SERVER_KEY_REUSED"
  | "SERVER_PRODUCER_FENCED"
  | "SERVER_SEQUENCE_PASSED"
  | "SERVER_WRITE_IN_PROGRESS"
  | "SERVER_TOO_LARGE"
  | "SERVER_UNSUPPORTED_ENCODING"
  | "SERVER_INVALID_QUERY"
  | "SERVER_QUERY_FAILED"
  | "SERVER_CLIENT_OVER_LIMIT"
  | "SERVER_NOT_READY"
  | "SERVER_OVERLOADED"
  | "SERVER_WAL_UNAVAILABLE"
  | "SERVER_WORKER_UNAVAILABLE"
  | "SERVER_WORKER_FAILED"
  | "SERVER_UPLOADS_BEHIND"
  | "SERVER_OBJECT_STORE_UNAVAILABLE"
  | "SERVER_OBJECT_STORE_REFUSED"
  | "SERVER_STORAGE_CORRUPT"
  | "SERVER_RETENTION_UNAVAILABLE"
  | "SERVER_LOG_MISSING"
  | "SERVER_TOKENS_UNAVAILABLE"
  | "SERVER_INTERNAL";

/** HTTP status that answers each code. */
export const SERVER_ERROR_STATUS: Readonly<Record<ServerErrorCode, number>> = {
  SERVER_INVALID_OPTION: 500,
  SERVER_LISTEN_FAILED: 500,
  SERVER_FLUSH_FAILED: 500,
  SERVER_INVALID_LINE: 400,
  SERVER_INVALID_MESSAGEPACK: 400,
  SERVER_INVALID_REMOTE_WRITE: 400,
  SERVER_INVALID_REQUEST: 400,
  SERVER_TYPE_CONFLICT: 400,
  SERVER_SCHEMA_LIMIT: 400,
  SERVER_UNAUTHORIZED: 401,
  SERVER_FORBIDDEN: 403,
  SERVER_NOT_FOUND: 404,
  SERVER_METHOD_NOT_ALLOWED: 405,
  SERVER_KEY_REUSED: 422,
  SERVER_PRODUCER_FENCED: 409,
  SERVER_SEQUENCE_PASSED: 409,
  SERVER_WRITE_IN_PROGRESS: 503,
  SERVER_TOO_LARGE: 413,
  SERVER_UNSUPPORTED_ENCODING: 415,
  SERVER_INVALID_QUERY: 400,
  SERVER_QUERY_FAILED: 500,
  SERVER_CLIENT_OVER_LIMIT: 429,
  SERVER_NOT_READY: 503,
  SERVER_OVERLOADED: 503,
  SERVER_WAL_UNAVAILABLE: 503,
  SERVER_WORKER_UNAVAILABLE: 503,
  SERVER_WORKER_FAILED: 500,
  SERVER_UPLOADS_BEHIND: 503,
  SERVER_OBJECT_STORE_UNAVAILABLE: 503,
  SERVER_OBJECT_STORE_REFUSED: 503,
  SERVER_STORAGE_CORRUPT: 500,
  SERVER_RETENTION_UNAVAILABLE: 500,
  SERVER_LOG_MISSING: 500,
  SERVER_TOKENS_UNAVAILABLE: 500,
  SERVER_INTERNAL: 500,
};

/** Where and what: line, offset in bytes, column, offending text, file. */
export type ServerErrorDetails = Readonly<Record<string, string | number>>;

/** An operating error of the server, recognised by `code`. */
export class ServerError extends Error {
  readonly code: ServerErrorCode;
  readonly details: ServerErrorDetails;

  constructor(
    code: ServerErrorCode,
    message: string,
    options: { readonly details?: ServerErrorDetails; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ServerError";
    this.code = code;
    this.details = Object.freeze({ ...options.details });
  }

  /** HTTP status that answers this error. */
  get status(): number {
    return SERVER_ERROR_STATUS[this.code];
  }
}
