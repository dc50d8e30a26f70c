/**
 * Finds where a log stood at a time, by the times of its frames.
 */
import type { LogReader } from "./log-reader.ts";

/**
 * The last LSN that was written at or before `timeMs`; the LSN before the reader's start when all came later. Clocks can go back: what
 * counts is the first frame that is later, because a log can only be cut, not filtered.
 *
 * @param reader - from the first LSN of the log; closed when this resolves
 */
export async function lastLsnAt(reader: LogReader, timeMs: number): Promise<number> {
  try {
    for (;;) {
      const before = reader.nextLsn - 1;
      const frame = await reader.next();
      if (frame === undefined || frame.timeMs > timeMs) return before;
    }
  } finally {
    await reader.close();
  }
}
