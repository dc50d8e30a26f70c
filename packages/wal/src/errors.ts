/**
 * Errors that a caller of the engine can meet, one class with a stable code.
 *
 * Codes are part of the public contract and listed in docs/errors.md; messages are free text. Programmer
 * mistakes (wrong argument types, broken invariants) are plain `TypeError`, `RangeError` or
 * `AssertionError` and have no code here.
 */

/** Stable codes of {@link WalError}. What each means and what to do is in docs/errors.md. */
export type WalErrorCode =
  | "WAL_INVALID_OPTION"
  | "WAL_LOCKED"
  | "WAL_CLOSED"
  | "WAL_POISONED"
  | "WAL_NO_SPACE"
  | "WAL_OVERLOADED"
  | "WAL_IO"
  | "WAL_CORRUPT"
  | "WAL_GAP"
  | "WAL_UNSUPPORTED_FORMAT"
  | "WAL_CODEC_MISSING"
  | "WAL_KEY_MISSING"
  | "WAL_KEY_WRONG"
  | "WAL_RECORD_TOO_LARGE"
  | "WAL_LSN_TRUNCATED"
  | "WAL_CURSOR_REMOVED"
  | "WAL_ABORTED";

/** Where and what: file path, segment id, offsets in bytes, LSN, system call, errno name. */
export type WalErrorDetails = Readonly<Record<string, string | number>>;

/** An operating error of the engine: documented, expected to be handled, recognised by `code`. */
export class WalError extends Error {
  readonly code: WalErrorCode;
  readonly details: WalErrorDetails;
  /** Recognises errors of another installed copy of this package; see {@link isWalError}. */
  readonly isWalError = true;

  constructor(
    code: WalErrorCode,
    message: string,
    options: { readonly details?: WalErrorDetails; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "WalError";
    this.code = code;
    this.details = Object.freeze({ ...options.details });
  }
}

/**
 * True when `value` is a {@link WalError} (of any copy of this package), and, where `code` is given, of
 * that code. Recognised by brand, so two installed versions understand each other.
 */
export function isWalError(value: unknown, code?: WalErrorCode): value is WalError {
  if (!(value instanceof Error) || !("isWalError" in value) || !("code" in value)) return false;
  return value.isWalError === true && (code === undefined || value.code === code);
}
