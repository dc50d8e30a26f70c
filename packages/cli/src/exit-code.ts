/**
 * Exit codes of the `walnut` command. Scripts and service managers rely on them.
 */
import { isWalError } from "@walnut/wal";

/** Done, or stopped cleanly with everything flushed. */
export const EXIT_OK = 0;
/** Failed while starting, running or stopping. */
export const EXIT_FAILURE = 1;
/** Wrong flag, wrong variable, wrong configuration, no log there: trying again without a change is useless. */
export const EXIT_USAGE = 2;
/** Looked at a log and found damage. */
export const EXIT_DAMAGE = 3;
/** Another process has the log open for writing. */
export const EXIT_LOCKED = 4;

/** A wrong option of the server, or of the agent. */
const INVALID_OPTION_CODES: readonly unknown[] = ["SERVER_INVALID_OPTION", "SPOOL_INVALID_OPTION"];

/** The exit code of `walnut serve` and `walnut forward` for an error. */
export function exitCodeOf(error: unknown): number {
  // By code, not by class: only `walnut serve` loads the server.
  if (error instanceof Error && "code" in error && INVALID_OPTION_CODES.includes(error.code)) {
    return EXIT_USAGE;
  }
  if (isWalError(error, "WAL_INVALID_OPTION")) return EXIT_USAGE;
  return EXIT_FAILURE;
}

/** The exit code of a command that looks at a log. */
export function logExitCodeOf(error: unknown): number {
  if (isWalError(error, "WAL_CORRUPT")) return EXIT_DAMAGE;
  if (isWalError(error, "WAL_LOCKED")) return EXIT_LOCKED;
  // By code as well: only `walnut raft` loads Raft logs.
  if (error instanceof Error && "code" in error) {
    if (error.code === "RAFT_INVALID_OPTION") return EXIT_USAGE;
    if (error.code === "RAFT_CORRUPT") return EXIT_DAMAGE;
  }
  return exitCodeOf(error);
}
