/**
 * What a call gets that is refused before anything happens. Pure.
 */
import { WalError } from "./errors.ts";

/** Throws `RangeError` unless `lsn` is a whole number within both ends. */
export function assertLsn(what: string, lsn: number, min: number, max: number): void {
  if (!Number.isSafeInteger(lsn) || lsn < min || lsn > max) {
    throw new RangeError(`${what}(${lsn}): must be a whole number from ${min} to ${max}`);
  }
}

/** `WAL_RECORD_TOO_LARGE`, naming the limit that was exceeded. */
export function tooLarge(
  what: "payload" | "batch",
  sizeBytes: number,
  limit: Readonly<Record<string, number>>,
): WalError {
  const [name, value] = Object.entries(limit)[0] ?? [];
  return new WalError(
    "WAL_RECORD_TOO_LARGE",
    `the ${what} has ${sizeBytes} bytes; ${name} is ${value}: split it or raise the limit`,
    { details: { sizeBytes, ...limit } },
  );
}

/** `WAL_CLOSED`, for a log that is closing or closed. */
export function closedError(directory: string): WalError {
  return new WalError("WAL_CLOSED", `the log ${directory} is closed`, {
    details: { path: directory },
  });
}
