/** What the SQL box does with text: history, names, places, CSV. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { toCsv } from "../src/app/csv.ts";
import { MAX_QUERIES, newestRowsSql, rememberQuery } from "../src/app/sql-history.ts";
import { placeInText } from "../src/app/text-place.ts";

suite("rememberQuery", () => {
  test("puts the newest first, each once, and not without end", () => {
    assert.deepEqual(rememberQuery(["a", "b"], " b "), ["b", "a"]);
    assert.deepEqual(rememberQuery(["a"], "  "), ["a"]);
    const many = Array.from({ length: MAX_QUERIES }, (_, index) => String(index));
    assert.equal(rememberQuery(many, "x").length, MAX_QUERIES);
  });
});

suite("newestRowsSql", () => {
  test("quotes names that SQL would take for something else", () => {
    assert.match(newestRowsSql("demo", "cpu"), /FROM demo\.cpu\n/);
    assert.match(newestRowsSql("default", 'a"b'), /FROM "default"\."a""b"\n/);
    assert.match(newestRowsSql("Demo", "cpu-load"), /FROM "Demo"\."cpu-load"\n/);
  });
});

suite("placeInText", () => {
  test("turns bytes into a line and a column", () => {
    assert.deepEqual(placeInText("SELECT 'é',\n  foo", 16), { line: 2, column: 4, text: "  foo" });
    assert.deepEqual(placeInText("a", 99), { line: 1, column: 2, text: "a" });
  });
});

suite("toCsv", () => {
  test("quotes what needs it, writes NULL as nothing and parts as JSON", () => {
    assert.equal(
      toCsv(
        ["a", "b,c"],
        [
          [1, 'say "hi"'],
          [null, { x: [1] }],
          ["line\nbreak", true],
        ],
      ),
      'a,"b,c"\r\n1,"say ""hi"""\r\n,"{""x"":[1]}"\r\n"line\nbreak",true\r\n',
    );
  });
});
