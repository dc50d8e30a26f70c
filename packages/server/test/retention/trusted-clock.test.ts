import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  PROBATION_MS,
  advanceClock,
  deletionTimeMs,
  type TrustedClock,
} from "../../src/retention/trusted-clock.ts";

const NOW_MS = 1_760_000_000_000;
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
const BEFORE: TrustedClock = { believedMs: NOW_MS, leap: undefined };

suite("the clock that rows are deleted by", () => {
  test("is believed at first, and as it goes on", () => {
    const first = advanceClock(undefined, { wallMs: NOW_MS, monotonicMs: 0 });
    assert.deepEqual(first, BEFORE);
    const wallMs = NOW_MS + 20 * HOUR_MS;
    assert.equal(deletionTimeMs(advanceClock(first, { wallMs, monotonicMs: 1 }), wallMs), wallMs);
  });

  test("only keeps rows longer when it goes back", () => {
    const wallMs = NOW_MS - YEAR_MS;
    const clock = advanceClock(BEFORE, { wallMs, monotonicMs: 0 });
    assert.equal(deletionTimeMs(clock, wallMs), wallMs);
    assert.equal(clock.believedMs, NOW_MS);
  });

  test("is not believed when it leaps ahead, and is after a day of running evenly", () => {
    const wallMs = NOW_MS + 50 * YEAR_MS;
    let clock = advanceClock(BEFORE, { wallMs, monotonicMs: 0 });
    for (let passedMs = 0; passedMs < PROBATION_MS; passedMs += HOUR_MS) {
      clock = advanceClock(clock, { wallMs: wallMs + passedMs, monotonicMs: passedMs });
      assert.equal(deletionTimeMs(clock, wallMs + passedMs), NOW_MS);
    }
    const later = { wallMs: wallMs + PROBATION_MS, monotonicMs: PROBATION_MS };
    assert.equal(deletionTimeMs(advanceClock(clock, later), later.wallMs), later.wallMs);
  });

  test("begins its day anew when it leaps again, and forgets a leap that was taken back", () => {
    const leaped = advanceClock(BEFORE, { wallMs: NOW_MS + YEAR_MS, monotonicMs: 0 });
    const again = { wallMs: NOW_MS + 2 * YEAR_MS, monotonicMs: PROBATION_MS };
    const twice = advanceClock(leaped, again);
    assert.equal(twice.believedMs, NOW_MS);
    assert.deepEqual(twice.leap, again);
    const back = advanceClock(twice, { wallMs: NOW_MS + HOUR_MS, monotonicMs: 2 * PROBATION_MS });
    assert.deepEqual(back, { believedMs: NOW_MS + HOUR_MS, leap: undefined });
  });
});
