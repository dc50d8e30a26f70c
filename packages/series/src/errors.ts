/**
 * Errors of a series log that a caller can meet, one class with a stable code.
 *
 * Failures of the log underneath (full disk, failed sync, damage) come through as `WalError` with their own codes. All are listed
 * in docs/errors.md.
 */

/** Stable codes of {@link SeriesError}. */
export type SeriesErrorCode =
  | "SERIES_INVALID_OPTION"
  | "SERIES_CLOSED"
  /** A value does not fit the layout, or is larger than any may be. */
  | "SERIES_VALUE_TOO_LARGE"
  | "SERIES_BATCH_TOO_LARGE"
  /** More waits for the disk than the buffer holds. */
  | "SERIES_OVERLOADED"
  /** The memtable threw when it was given points that are in the log. */
  | "SERIES_MEMTABLE_FAILED"
  /** What was read is not what was written. */
  | "SERIES_CORRUPT"
  | "SERIES_UNSUPPORTED_FORMAT";

/** Where and what: option, LSN, offset, memtable, region. */
export type SeriesErrorDetails = Readonly<Record<string, string | number | bigint>>;

/** An operating error of a series log, recognised by `code`. */
export class SeriesError extends Error {
  readonly code: SeriesErrorCode;
  readonly details: SeriesErrorDetails;
  /** Recognises errors of another installed copy of this package; see {@link isSeriesError}. */
  readonly isSeriesError = true;

  constructor(
    code: SeriesErrorCode,
    message: string,
    options: { readonly details?: SeriesErrorDetails; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SeriesError";
    this.code = code;
    this.details = Object.freeze({ ...options.details });
  }
}

/** True when `value` is a {@link SeriesError}, and, where `code` is given, of that code. */
export function isSeriesError(value: unknown, code?: SeriesErrorCode): value is SeriesError {
  if (!(value instanceof Error) || !("isSeriesError" in value) || !("code" in value)) return false;
  return value.isSeriesError === true && (code === undefined || value.code === code);
}
