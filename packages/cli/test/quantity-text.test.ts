import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CommandFailure } from "../src/command-failure.ts";
import {
  formatDuration,
  formatLsns,
  formatTime,
  parseAge,
  parseLsn,
  parseSize,
  parseTime,
} from "../src/quantity-text.ts";

const NOW_MS = Date.UTC(2026, 0, 31, 12);

suite("quantities", () => {
  test("are written for people", () => {
    assert.deepEqual([0, 999, 1500, 12_000, 61_000, 3_600_000, 90_061_000].map(formatDuration), [
      "0 ms",
      "999 ms",
      "1.5 s",
      "12 s",
      "1 min 1 s",
      "1 h",
      "1 d 1 h",
    ]);
    assert.equal(formatTime(NOW_MS), "2026-01-31 12:00:00.000Z");
    assert.equal(formatTime(2 ** 53), `${2 ** 53} ms`, "a clock gone wild");
    assert.deepEqual(
      [
        formatLsns(1, 1),
        formatLsns(1, 2000),
        formatLsns(undefined, 3),
        formatLsns(undefined, undefined),
      ],
      ["1", "1 - 2,000", "? - 3", "-"],
    );
  });

  test("are read as people write them", () => {
    assert.deepEqual([parseLsn("1", "x"), parseLsn("1,234", "x")], [1, 1234]);
    assert.deepEqual(
      ["100", "1k", "2KiB", "3m", "1g"].map((text) => parseSize(text, "x")),
      [100, 1024, 2048, 3 * 1024 ** 2, 1024 ** 3],
    );
    assert.deepEqual(
      ["5ms", "2s", "3m", "1h", "2d"].map((text) => parseAge(text, "x")),
      [5, 2000, 180_000, 3_600_000, 172_800_000],
    );
    for (const text of [
      "2026-01-31T11:00:00Z",
      "2026-01-31 11:00",
      "2026-01-31T12:00:00+01:00",
      "1h",
      String(NOW_MS - 3_600_000),
    ]) {
      assert.equal(parseTime(text, "x", NOW_MS), NOW_MS - 3_600_000, text);
    }
    assert.equal(parseTime("2026-01-31", "x", NOW_MS), Date.UTC(2026, 0, 31));
  });

  test("are refused with the name of the flag when they cannot be read", () => {
    const cases: (() => unknown)[] = [
      () => parseLsn("0", "--from"),
      () => parseLsn("-1", "--from"),
      () => parseLsn("1e3", "--from"),
      () => parseSize("1.5g", "--from"),
      () => parseSize("9999999t", "--from"),
      () => parseAge("7", "--from"),
      () => parseTime("noon", "--from", NOW_MS),
      () => parseTime("2026-13-45", "--from", NOW_MS),
    ];
    for (const read of cases) {
      assert.throws(
        read,
        (error) => error instanceof CommandFailure && /--from/.test(error.message),
      );
    }
  });
});
