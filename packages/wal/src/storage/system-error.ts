/**
 * System errors by name, and the one that is a state rather than a fault: a full disk.
 */
import { WalError } from "../errors.ts";
/**
 * A write found no space and nothing else is wrong: what was acknowledged is as safe as before, the failed bytes are in no
 * segment that will be used again, and a later write can succeed. Never raised for a failed sync, which leaves the state of
 * the file unknown.
 */
export class NoSpaceError extends Error {
  constructor(cause: unknown) {
    super("no space left", { cause });
    this.name = "NoSpaceError";
  }
}

/** True for the system's errors of a full device, an exhausted quota, or a file at the largest size the process may write. */
export function isNoSpace(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EFBIG"].some((code) => isErrno(error, code));
}

/** Runs a step that writes but does not sync; a full disk becomes a {@link NoSpaceError}. */
export async function orNoSpace<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (isNoSpace(error)) throw new NoSpaceError(error);
    throw error;
  }
}

/**
 * Runs a step whose effect is wanted but not needed for safety, such as a mark that the next open would write as well.
 * True when it was done, false when there was no space for it.
 */
export async function ifThereIsSpace(step: () => Promise<void>): Promise<boolean> {
  try {
    await step();
    return true;
  } catch (error) {
    if (isNoSpace(error) || error instanceof NoSpaceError) return false;
    throw error;
  }
}

/** True for a system error of this name ("ENOENT", "ENOSPC", …), as a {@link Storage} throws them. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/**
 * What callers get of a failure: `WAL_NO_SPACE` for a full disk, `WAL_IO` for anything else that is not a `WalError` already.
 *
 * @param what - what was being done, for the message
 */
export function asWalError(error: unknown, what: string): WalError {
  if (error instanceof WalError) return error;
  if (error instanceof NoSpaceError) return asWalError(error.cause, what);
  const text = error instanceof Error ? error.message : String(error);
  return new WalError(isNoSpace(error) ? "WAL_NO_SPACE" : "WAL_IO", `${what}: ${text}`, {
    details: error instanceof Error && "code" in error ? { errno: String(error.code) } : {},
    cause: error,
  });
}
