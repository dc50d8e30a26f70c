/**
 * The wall clock as files store it.
 */
/** The wall clock in whole milliseconds, as files store it. */
export function wholeMs(environment: { nowMs(): number }): number {
  return Math.max(0, Math.floor(environment.nowMs()));
}
