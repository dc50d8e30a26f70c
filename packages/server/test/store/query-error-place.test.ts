import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { errorOffsetBytes } from "../../src/store/query-error-place.ts";

const privateName = "walnut_q7";

function place(sql: string, excerpt: readonly string[]): number | undefined {
  return errorOffsetBytes(`Binder Error: x\n\n${excerpt.join("\n")}`, { sql, privateName });
}

suite("errorOffsetBytes", () => {
  test("counts bytes of all lines before the mark", () => {
    const sql = "SELECT 'é',\n  foo FROM demo.cpu";
    const excerpt = ["LINE 2:   foo FROM walnut_q7.demo.cpu", "          ^"];
    assert.equal(place(sql, excerpt), Buffer.byteLength("SELECT 'é',\n  "));
  });

  test("sees through names of ours before the mark", () => {
    const sql = "SELECT * FROM demo.cpu WHERE foo";
    const excerpt = [
      "LINE 1: SELECT * FROM walnut_q7.demo.cpu WHERE foo",
      `${" ".repeat(8 + "SELECT * FROM walnut_q7.demo.cpu WHERE ".length)}^`,
    ];
    assert.equal(place(sql, excerpt), sql.indexOf("foo"));
  });

  test("finds an excerpt that was cut at both ends", () => {
    const sql = `SELECT ${"1, ".repeat(40)}foo, bar FROM demo.cpu`;
    assert.equal(
      place(sql, ["LINE 1: ...1, foo, bar FROM...", "              ^"]),
      sql.indexOf("foo"),
    );
  });

  test("gives no place rather than a wrong one", () => {
    assert.equal(place("SELECT a, a", ["LINE 1: ...a...", "           ^"]), undefined);
    assert.equal(place("SELECT a", ["LINE 2: SELECT a", "               ^"]), undefined);
    assert.equal(place("SELECT a", ["no excerpt"]), undefined);
  });
});
