/**
 * Errors of a spool that a caller can meet, one class with a stable code.
 *
 * Failures of the logs underneath (no room, failed sync, damage) come through as `WalError` with their own codes. All are listed
 * in docs/errors.md.
 */

/** Stable codes of {@link SpoolError}. */
export type SpoolErrorCode =
  | "SPOOL_INVALID_OPTION"
  | "SPOOL_CLOSED"
  /** No category of this name is configured. */
  | "SPOOL_UNKNOWN_CATEGORY"
  /** What was read is not what a spool writes. */
  | "SPOOL_CORRUPT"
  /** No such dead letter, or no such path of the agent. */
  | "SPOOL_NOT_FOUND"
  /** A request to the agent that it cannot take as it is. */
  | "SPOOL_INVALID_REQUEST"
  /** The agent wants a token, and the request has none or a wrong one. */
  | "SPOOL_UNAUTHORIZED"
  /** The agent holds as many bodies as it may. */
  | "SPOOL_OVERLOADED"
  /** The agent has failed in a way that nobody thought of. */
  | "SPOOL_INTERNAL"
  /** An item, or what is said about it, is larger than may be. */
  | "SPOOL_ITEM_TOO_LARGE";

/** Where and what: option, category, path, LSN. */
export type SpoolErrorDetails = Readonly<Record<string, string | number>>;

/** An operating error of a spool, recognised by `code`. */
export class SpoolError extends Error {
  readonly code: SpoolErrorCode;
  readonly details: SpoolErrorDetails;
  /** Recognises errors of another installed copy of this package; see {@link isSpoolError}. */
  readonly isSpoolError = true;

  constructor(
    code: SpoolErrorCode,
    message: string,
    options: { readonly details?: SpoolErrorDetails; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SpoolError";
    this.code = code;
    this.details = Object.freeze({ ...options.details });
  }
}

/** True when `value` is a {@link SpoolError}, and, where `code` is given, of that code. */
export function isSpoolError(value: unknown, code?: SpoolErrorCode): value is SpoolError {
  if (!(value instanceof Error) || !("isSpoolError" in value) || !("code" in value)) return false;
  return value.isSpoolError === true && (code === undefined || value.code === code);
}
