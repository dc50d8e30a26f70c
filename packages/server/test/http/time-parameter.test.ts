import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseTimeNs } from "../../src/http/time-parameter.ts";
import { MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS } from "../../src/store/timestamp-range.ts";

suite("parseTimeNs", () => {
  test("reads RFC 3339 to the nanosecond, days, and nanoseconds", () => {
    const cases: readonly (readonly [string, bigint])[] = [
      ["1970-01-01T00:00:00Z", 0n],
      ["1970-01-01", 0n],
      ["1970-01-01T01:00:00.123456789+01:00", 123_456_789n],
      ["1969-12-31T23:59:59.5Z", -500_000_000n],
      ["1760000000000000123", 1_760_000_000_000_000_123n],
      ["-1", -1n],
      ["9999-12-31T23:59:59Z", MAX_TIMESTAMP_NS + 1n],
      [String(MAX_TIMESTAMP_NS), MAX_TIMESTAMP_NS],
      ["0001-01-01T00:00:00Z", MIN_TIMESTAMP_NS],
    ];
    for (const [text, expected] of cases) assert.equal(parseTimeNs("start", text), expected, text);
  });

  test("refuses what is no time", () => {
    for (const text of ["", "now()", "2025-13-01", "2025-01-01T00:00:00", "1.5"]) {
      assert.throws(() => parseTimeNs("stop", text), { code: "SERVER_INVALID_REQUEST" }, text);
    }
  });
});
