import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { suite, test } from "node:test";
import { shellQuote } from "../src/shell-quote.ts";

suite("shellQuote", () => {
  test("leaves plain words alone", () => {
    assert.equal(shellQuote("/var/lib/walnut-1/token"), "/var/lib/walnut-1/token");
  });

  test("gives back the same text through a shell", () => {
    for (const text of ["", "a b", "it's", "$(id)", "`id`", '"', "\\", "a\nb", "*", "~", "é;&|"]) {
      const output = execFileSync("sh", ["-c", `printf %s ${shellQuote(text)}`], {
        encoding: "utf8",
      });
      assert.equal(output, text);
    }
  });
});
