/**
 * An error as one sentence for a person, with its code and what to do about it. Pure.
 */
import { ServerError } from "@walnut/server";
import { isRaftLogError } from "@walnut/raft-log";
import { isSpoolError } from "@walnut/spool";
import { isWalError } from "@walnut/wal";

/** What to do, for the codes whose messages do not say it. */
const ADVICE: Readonly<Record<string, string>> = {
  SERVER_FLUSH_FAILED: "look at the disk, then start again",
  SERVER_LISTEN_FAILED: "choose another port with --port, or another address with --host",
  SERVER_INVALID_OPTION: "see: walnut config, walnut forward config, and --help of the command",
  SPOOL_INVALID_OPTION: "see: walnut forward config",
  EADDRINUSE: "another process listens there; choose another address",
  EACCES: "the user that runs this may not do so; see owner and mode, of the directories above too",
  ENOTDIR: "a file stands where a directory is wanted",
  WAL_NO_SPACE: "free some space on this disk and start again; nothing acknowledged is lost",
  WAL_CORRUPT: "keep a copy of the data directory before anything else; see docs/recovery.md",
  SERVER_LOG_MISSING: "mount the disk of the log, or bring the log back; see docs/operations.md",
  SERVER_STORAGE_CORRUPT: "keep a copy of the data directory before anything else",
};

/** The line printed when a command fails. */
export function failureText(error: unknown): string {
  const isKnown =
    error instanceof ServerError ||
    isWalError(error) ||
    isRaftLogError(error) ||
    isSpoolError(error) ||
    isSystemError(error);
  if (!isKnown) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `walnut: unexpected failure: ${text}`;
  }
  const advice = ADVICE[error.code];
  const line = `walnut: ${error.message} [${error.code}]`;
  return advice === undefined ? line : `${line}\n        ${advice}`;
}

/** The system's word on a file or an address; where it was said is of no use to who named them. */
function isSystemError(error: unknown): error is Error & { readonly code: string } {
  if (!(error instanceof Error) || !("syscall" in error) || !("code" in error)) return false;
  return typeof error.syscall === "string" && typeof error.code === "string";
}
