/**
 * What callers get when a group fails, and what that means for the log. Pure.
 */
import type { CommitFailure } from "./commit/group-commit.ts";
import { WalError } from "./errors.ts";
import { CutRefusedError } from "./log/truncation.ts";
import type { ResolvedWalOptions } from "./options.ts";
import { asWalError, NoSpaceError } from "./storage/system-error.ts";

/** What those who waited get, and what everybody later gets. */
export function commitFailure(
  directory: string,
  cause: unknown,
  nextLsn: number,
): CommitFailure & { readonly first: WalError } {
  if (cause instanceof NoSpaceError) {
    const what = `no space for the log ${directory}; make room, writing resumes by itself`;
    return { first: asWalError(cause, what), later: undefined, nextLsn };
  }
  if (cause instanceof CutRefusedError) {
    return { first: asWalError(cause.cause, cause.message), later: undefined, nextLsn };
  }
  const first = asWalError(
    cause,
    `writing to the log ${directory} failed; nothing is written any more`,
  );
  const later = new WalError(
    "WAL_POISONED",
    `the log ${directory} takes no more records: ${first.message}; close it and open it again, recovery decides what is there`,
    { details: { path: directory }, cause },
  );
  return { first, later, nextLsn };
}

/** The error for an append that would let too much wait for the disk. */
export function overloadedError(options: ResolvedWalOptions, pendingBytes: number): WalError {
  return new WalError(
    "WAL_OVERLOADED",
    `${pendingBytes} bytes wait for the disk and maxPendingBytes is ${options.maxPendingBytes}: wait for appends before making more`,
    { details: { pendingBytes, maxPendingBytes: options.maxPendingBytes } },
  );
}
