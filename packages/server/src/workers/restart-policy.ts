/**
 * When a worker that died is started again, and when that is given up. Pure.
 *
 * The first restart is at once, since most crashes are a thing of the moment. Further ones wait longer and longer, so
 * that a crash loop does not eat the machine; a worker that ran for a minute has earned a new first restart.
 * Given up is only a worker that does not even start: nobody could read its shard.
 */

/** Starts in a row that may fail before the server gives up. */
export const MAX_FAILED_STARTS = 5;

/** A run this long, in milliseconds, makes up for the restarts before it. */
const STEADY_RUN_MS = 60_000;
const MIN_DELAY_MS = 250;
const MAX_DELAY_MS = 15_000;

/** What has happened to one worker so far. */
export interface RestartHistory {
  /** Ends in a row without a steady run between them. */
  readonly unsteadyEnds: number;
  /** Starts in a row that did not get to the end of recovery. */
  readonly failedStarts: number;
}

export const NO_RESTARTS: RestartHistory = { unsteadyEnds: 0, failedStarts: 0 };

/** The history after one more end. */
export function afterEnd(
  history: RestartHistory,
  run: { readonly wasReady: boolean; readonly durationMs: number },
): RestartHistory {
  const isSteady = run.wasReady && run.durationMs >= STEADY_RUN_MS;
  return {
    unsteadyEnds: isSteady ? 1 : history.unsteadyEnds + 1,
    failedStarts: run.wasReady ? 0 : history.failedStarts + 1,
  };
}

/** Milliseconds to wait before the next start, or `undefined` when there is none. */
export function restartDelayMs(history: RestartHistory): number | undefined {
  if (history.failedStarts >= MAX_FAILED_STARTS) return undefined;
  if (history.unsteadyEnds <= 1) return 0;
  return Math.min(MIN_DELAY_MS * 2 ** (history.unsteadyEnds - 2), MAX_DELAY_MS);
}
