/**
 * Errors of Raft storage that a caller can meet, one class with a stable code.
 *
 * Failures of the log underneath (full disk, failed sync, damage) come through as `WalError` with their own codes. All are listed
 * in docs/errors.md.
 */

/** Stable codes of {@link RaftLogError}. */
export type RaftLogErrorCode =
  | "RAFT_INVALID_OPTION"
  | "RAFT_CLOSED"
  /** The entry was compacted; a snapshot holds its effect. */
  | "RAFT_COMPACTED"
  /** The entry is behind the last one. */
  | "RAFT_UNAVAILABLE"
  /** Entries with a gap, or a term or vote that goes back: a bug of the caller, and nothing was written. */
  | "RAFT_OUT_OF_ORDER"
  /** What was read is not what was written. */
  | "RAFT_CORRUPT"
  /** The directory belongs to another cluster or peer. */
  | "RAFT_WRONG_CLUSTER";

/** Where and what: group, index, term, path. */
export type RaftLogErrorDetails = Readonly<Record<string, string | number | bigint>>;

/** An operating error of Raft storage, recognised by `code`. */
export class RaftLogError extends Error {
  readonly code: RaftLogErrorCode;
  readonly details: RaftLogErrorDetails;
  /** Recognises errors of another installed copy of this package; see {@link isRaftLogError}. */
  readonly isRaftLogError = true;

  constructor(
    code: RaftLogErrorCode,
    message: string,
    options: { readonly details?: RaftLogErrorDetails; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RaftLogError";
    this.code = code;
    this.details = Object.freeze({ ...options.details });
  }
}

/** True when `value` is a {@link RaftLogError}, and, where `code` is given, of that code. */
export function isRaftLogError(value: unknown, code?: RaftLogErrorCode): value is RaftLogError {
  if (!(value instanceof Error) || !("isRaftLogError" in value) || !("code" in value)) return false;
  return value.isRaftLogError === true && (code === undefined || value.code === code);
}
