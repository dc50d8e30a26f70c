import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ServerError } from "@walnut/server";
import { WalError } from "@walnut/wal";
import { EXIT_FAILURE, EXIT_USAGE, exitCodeOf } from "../src/exit-code.ts";
import { failureText } from "../src/failure-text.ts";

suite("exitCodeOf", () => {
  test("tells wrong configuration from failure", () => {
    assert.equal(exitCodeOf(new ServerError("SERVER_INVALID_OPTION", "x")), EXIT_USAGE);
    assert.equal(exitCodeOf(new WalError("WAL_INVALID_OPTION", "x")), EXIT_USAGE);
    assert.equal(exitCodeOf(new ServerError("SERVER_LISTEN_FAILED", "x")), EXIT_FAILURE);
    assert.equal(exitCodeOf(new WalError("WAL_LOCKED", "x")), EXIT_FAILURE);
    assert.equal(exitCodeOf(new Error("x")), EXIT_FAILURE);
  });
});

suite("failureText", () => {
  test("is a sentence with the code and what to do", () => {
    const text = failureText(new ServerError("SERVER_LISTEN_FAILED", "cannot listen on 8000"));
    assert.match(text, /^walnut: cannot listen on 8000 \[SERVER_LISTEN_FAILED\]\n.*--port/);
  });

  test("is a sentence about a file that cannot be made", () => {
    const file = fileURLToPath(import.meta.url);
    let error: unknown;
    try {
      mkdirSync(join(file, "below"));
    } catch (caught) {
      error = caught;
    }
    assert.match(failureText(error), /^walnut: ENOTDIR: .*\[ENOTDIR\]\n +a file stands where/);
  });

  test("shows the stack of what nobody expected", () => {
    assert.match(failureText(new TypeError("oops")), /unexpected failure: TypeError: oops\n +at /);
  });
});
