/**
 * A wall clock that may be wrong, made safe to delete by.
 *
 * A clock that goes back only keeps rows longer. One that leaps ahead would delete everything: so a leap of more than a
 * day since the last look, also over a restart, is not believed for a day of running; until then time goes on from
 * where it was believed last. An operator who knows better may say so. Pure: time is an argument.
 */

/** What is remembered between looks. `believedMs` survives restarts. */
export interface TrustedClock {
  /** Latest wall clock that was believed. */
  readonly believedMs: number;
  /** A leap that is not believed yet: wall and monotonic clock when it was seen first. */
  readonly leap: { readonly wallMs: number; readonly monotonicMs: number } | undefined;
}

/** Longest time between two looks that is believed at once. */
export const MAX_LEAP_MS = 86_400_000;
/** How long a leaped clock must run evenly until it is believed. */
export const PROBATION_MS = 86_400_000;
const MAX_DRIFT_MS = 3_600_000;

/** The clock after a look. Without an earlier one the wall clock is believed. */
export function advanceClock(
  before: TrustedClock | undefined,
  now: { readonly wallMs: number; readonly monotonicMs: number },
): TrustedClock {
  const { wallMs, monotonicMs } = now;
  if (before === undefined) return { believedMs: wallMs, leap: undefined };
  if (wallMs - before.believedMs <= MAX_LEAP_MS) {
    return { believedMs: Math.max(before.believedMs, wallMs), leap: undefined };
  }
  const leap = before.leap;
  const isSameLeap =
    leap !== undefined &&
    Math.abs(wallMs - leap.wallMs - (monotonicMs - leap.monotonicMs)) <= MAX_DRIFT_MS;
  if (!isSameLeap) return { believedMs: before.believedMs, leap: { wallMs, monotonicMs } };
  if (monotonicMs - leap.monotonicMs >= PROBATION_MS)
    return { believedMs: wallMs, leap: undefined };
  return before;
}

/** The time to delete by: never ahead of the wall clock, never ahead of what is believed. */
export function deletionTimeMs(clock: TrustedClock, wallMs: number): number {
  return Math.min(clock.believedMs, wallMs);
}
