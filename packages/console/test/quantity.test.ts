import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatMilliseconds,
  formatValue,
  formatWhole,
  NO_NUMBER,
  plural,
} from "../src/app/quantity.ts";

suite("quantities", () => {
  test("counts keep all digits while they are few", () => {
    assert.deepEqual([0, 0.98, 7, 12.6, 99_999, 100_000, 1_234_567, 2.5e9].map(formatCount), [
      "0",
      "1.0",
      "7",
      "13",
      "99,999",
      "100 k",
      "1.23 M",
      "2.50 G",
    ]);
  });

  test("bytes never read 1024 of a unit", () => {
    assert.deepEqual(
      [0, 1_023, 1_024, 1_048_575, 1_048_576, 64 * 1_048_576, 5e12].map(formatBytes),
      ["0 B", "1,023 B", "1.00 KiB", "1.00 MiB", "1.00 MiB", "64.0 MiB", "4.55 TiB"],
    );
  });

  test("times of machines and of people", () => {
    assert.deepEqual([0.034, 5.36, 103.4, 1_200].map(formatMilliseconds), [
      "0.03 ms",
      "5.36 ms",
      "103 ms",
      "1.20 s",
    ]);
    assert.deepEqual([999, 4_000, 200_000, 3_600_000, 7_500_000, 273_600_000].map(formatDuration), [
      "0 s",
      "4 s",
      "3 min 20 s",
      "1 h",
      "2 h 5 min",
      "3 d 4 h",
    ]);
  });

  test("values of queries have four digits", () => {
    assert.deepEqual([0.123456, 12.5, -3, 1e7].map(formatValue), [
      "0.1235",
      "12.5",
      "-3",
      "10.0 M",
    ]);
  });

  test("what is not a number has a sign of its own", () => {
    for (const format of [formatBytes, formatCount, formatMilliseconds, formatValue, formatWhole]) {
      assert.equal(format(undefined), NO_NUMBER);
      assert.equal(format(Number.NaN), NO_NUMBER);
    }
  });

  test("nouns have their ending", () => {
    assert.deepEqual(
      [0, 1, 2].map((count) => plural(count, "row")),
      ["0 rows", "1 row", "2 rows"],
    );
  });
});
