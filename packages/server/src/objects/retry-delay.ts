/**
 * How long to wait before something is tried again: doubled with each failure up to a ceiling, half of it left to
 * chance, so that many who failed together do not come back together. Pure.
 */

const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 60_000;

/**
 * The pause after the given number of failures in a row, in ms.
 *
 * @param random - from 0 to 1
 */
export function retryDelayMs(failures: number, random: number): number {
  // 2^20 is far above the ceiling: no overflow after a long night.
  const fullMs = Math.min(FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 20), MAX_DELAY_MS);
  return Math.round(fullMs / 2 + (fullMs / 2) * random);
}
