/**
 * Exit codes of the `walnut` command. Scripts and service managers rely on them.
 */
import { ServerError } from "@walnut/server";
import { isWalError } from "@walnut/wal";

/** Done, or stopped cleanly with everything flushed. */
export const EXIT_OK = 0;
/** Failed while starting, running or stopping. */
export const EXIT_FAILURE = 1;
/** Wrong flag, wrong variable or wrong configuration: trying again without a change is useless. */
export const EXIT_USAGE = 2;

/** The exit code for an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ServerError && error.code === "SERVER_INVALID_OPTION") return EXIT_USAGE;
  if (isWalError(error, "WAL_INVALID_OPTION")) return EXIT_USAGE;
  return EXIT_FAILURE;
}
