import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isWalError } from "@walnut/wal";
import { assertLsn, closedError, tooLarge } from "../src/refusals.ts";

suite("refusals", () => {
  test("an LSN is a whole number within both ends", () => {
    for (const lsn of [3, 4, 7]) assertLsn("ack", lsn, 3, 7);
    for (const lsn of [2, 8, 3.5, -3, Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => assertLsn("ack", lsn, 3, 7), RangeError);
    }
  });

  test("what is too large names its size and the limit that it exceeds", () => {
    const error = tooLarge("payload", 11, { maxRecordBytes: 10 });
    assert.ok(isWalError(error, "WAL_RECORD_TOO_LARGE"));
    assert.deepEqual({ ...error.details }, { sizeBytes: 11, maxRecordBytes: 10 });
    assert.match(error.message, /payload.*11.*maxRecordBytes is 10/u);
  });

  test("a closed log names its directory", () => {
    const error = closedError("/log");
    assert.ok(isWalError(error, "WAL_CLOSED"));
    assert.deepEqual({ ...error.details }, { path: "/log" });
  });
});
