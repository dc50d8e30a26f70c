import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import { parsePrecision, PRECISION_SCALES } from "../../src/ingest/precision.ts";

suite("parsePrecision", () => {
  for (const text of ["n", "ns", "u", "us", "ms", "s", "m", "h"]) {
    test(`accepts ${text}`, () => assert.equal(parsePrecision(text), text));
  }

  for (const text of ["", "S", "sec", "ns ", "µ", "__proto__", "toString", "x".repeat(1_000)]) {
    test(`refuses ${JSON.stringify(text.slice(0, 10))}`, () => {
      assert.throws(
        () => parsePrecision(text),
        (error) =>
          error instanceof ServerError &&
          error.code === "SERVER_INVALID_REQUEST" &&
          error.message.length < 200,
      );
    });
  }

  test("has scales that make one second of one second", () => {
    for (const { fractionDigits, fractionNs } of Object.values(PRECISION_SCALES)) {
      assert.equal(10 ** fractionDigits * fractionNs, 1e9);
    }
  });
});
