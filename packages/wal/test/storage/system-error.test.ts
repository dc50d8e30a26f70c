import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { StorageError } from "@walnut/testkit";
import { isWalError, WalError } from "@walnut/wal";
import {
  asWalError,
  ifThereIsSpace,
  isErrno,
  isNoSpace,
  NoSpaceError,
  orNoSpace,
} from "../../src/storage/system-error.ts";

function systemError(code: string): Error {
  return new StorageError(code, { kind: "write", path: "/x" });
}

suite("system errors", () => {
  test("a full device, an exhausted quota and a file at its limit are one state, everything else is a fault", () => {
    for (const code of ["ENOSPC", "EDQUOT", "EFBIG"]) assert.ok(isNoSpace(systemError(code)));
    for (const other of [systemError("EIO"), new Error("ENOSPC"), "ENOSPC", undefined, null]) {
      assert.ok(!isNoSpace(other));
    }
    assert.ok(isErrno(systemError("ENOENT"), "ENOENT"));
    assert.ok(!isErrno({ code: "ENOENT" }, "ENOENT"));
  });

  test("a step that finds no space throws NoSpaceError with its cause; other failures go through", async () => {
    const cause = systemError("ENOSPC");
    await assert.rejects(
      orNoSpace(() => Promise.reject(cause)),
      (error) => error instanceof NoSpaceError && error.cause === cause,
    );
    const fault = systemError("EIO");
    await assert.rejects(
      orNoSpace(() => Promise.reject(fault)),
      (error) => error === fault,
    );
    assert.equal(await orNoSpace(() => Promise.resolve(7)), 7);
  });

  test("a step that is only wanted says whether it was done, and still fails on a fault", async () => {
    assert.equal(await ifThereIsSpace(() => Promise.resolve()), true);
    for (const error of [systemError("ENOSPC"), new NoSpaceError(systemError("ENOSPC"))]) {
      assert.equal(await ifThereIsSpace(() => Promise.reject(error)), false);
    }
    await assert.rejects(
      ifThereIsSpace(() => Promise.reject(systemError("EIO"))),
      { code: "EIO" },
    );
  });

  test("become what callers get: WAL_NO_SPACE, WAL_IO, or the WalError that it is already", () => {
    const cases = [
      { error: systemError("ENOSPC"), code: "WAL_NO_SPACE", errno: "ENOSPC" },
      { error: systemError("EIO"), code: "WAL_IO", errno: "EIO" },
      { error: new Error("no code"), code: "WAL_IO", errno: undefined },
      { error: "a word", code: "WAL_IO", errno: undefined },
    ] as const;
    for (const { error, code, errno } of cases) {
      const result = asWalError(error, "doing something");
      assert.ok(isWalError(result, code));
      assert.equal(result.cause, error);
      assert.equal(result.details["errno"], errno);
      assert.match(result.message, /^doing something: /u);
    }
    const noSpace = asWalError(new NoSpaceError(systemError("ENOSPC")), "doing something");
    assert.equal(noSpace.code, "WAL_NO_SPACE");
    const already = new WalError("WAL_CLOSED", "closed");
    assert.equal(asWalError(already, "doing something"), already);
  });
});
