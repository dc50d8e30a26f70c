import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { inspect } from "node:util";
import { isWalError, WalError } from "@walnut/wal";

suite("WalError", () => {
  test("carries code, details and cause", () => {
    const cause = new Error("EIO");
    const error = new WalError("WAL_IO", "writing failed", { details: { path: "/log" }, cause });
    assert.equal(error.name, "WalError");
    assert.equal(error.code, "WAL_IO");
    assert.equal(error.message, "writing failed");
    assert.deepEqual(error.details, { path: "/log" });
    assert.equal(error.cause, cause);
    assert.ok(Object.isFrozen(error.details));
  });

  test("has empty details and no cause unless they are given", () => {
    const error = new WalError("WAL_CLOSED", "closed");
    assert.deepEqual(error.details, {});
    assert.equal("cause" in error, false);
  });

  test("does not change with the object its details came from", () => {
    const details: Record<string, number> = { lsn: 1 };
    const error = new WalError("WAL_CORRUPT", "damage", { details });
    details["lsn"] = 2;
    assert.equal(error.details["lsn"], 1);
  });
});

suite("isWalError", () => {
  test("recognises the error, and its code where one is given", () => {
    const error = new WalError("WAL_LOCKED", "locked");
    assert.equal(isWalError(error), true);
    assert.equal(isWalError(error, "WAL_LOCKED"), true);
    assert.equal(isWalError(error, "WAL_IO"), false);
  });

  test("recognises the error of another copy of the package", () => {
    const error = Object.assign(new Error("locked"), { code: "WAL_LOCKED", isWalError: true });
    assert.equal(isWalError(error, "WAL_LOCKED"), true);
  });

  for (const value of [
    undefined,
    null,
    "WAL_IO",
    { code: "WAL_IO", isWalError: true },
    new Error("WAL_IO"),
    Object.assign(new Error("x"), { code: "ENOSPC" }),
  ]) {
    test(`does not recognise ${inspect(value).split("\n")[0]}`, () => {
      assert.equal(isWalError(value), false);
    });
  }
});
