/**
 * Follows a log that another process writes: at the end it looks again, until it is told to stop.
 *
 * There is nothing to wait on across processes, so it polls: soon after something came, less often while nothing comes.
 */
import { PartReader, type LogPart, type ReadLogOptions } from "./read-log.ts";

export interface FollowLogOptions extends Omit<ReadLogOptions, "toLsn" | "toMs"> {
  /** Waits that many milliseconds, or less when following is to end: the engine has no timers of its own that keep a process alive. */
  readonly pause: (delayMs: number) => Promise<unknown>;
  /** Ends the iteration. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time between two looks while nothing comes. Default 250. */
  readonly maxPollMs?: number | undefined;
  /** Called whenever everything that is there has been delivered. */
  readonly onIdle?: (() => void) | undefined;
}

const MIN_POLL_MS = 10;
const DEFAULT_MAX_POLL_MS = 250;

/**
 * The parts of a log, and those that come later, across rotations. Ends when the signal fires.
 *
 * @throws {WalError} as `readLog`
 */
export async function* followLog(options: FollowLogOptions): AsyncGenerator<LogPart, undefined> {
  const { signal, pause, maxPollMs = DEFAULT_MAX_POLL_MS, onIdle } = options;
  const reader = await PartReader.open(options);
  let pollMs = MIN_POLL_MS;
  try {
    while (signal?.aborted !== true) {
      const part = await reader.next();
      if (part !== undefined) {
        pollMs = MIN_POLL_MS;
        yield part;
        continue;
      }
      onIdle?.();
      await pause(Math.min(pollMs, maxPollMs));
      pollMs *= 2;
    }
    return undefined;
  } finally {
    await reader.close();
  }
}
