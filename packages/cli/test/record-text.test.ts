import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { preview } from "../src/record-text.ts";
import { terminalOf } from "../src/terminal.ts";
import { tableLines, wrap } from "../src/text-table.ts";

const TERMINAL = terminalOf({ isTTY: true, columns: 40 }, { NO_COLOR: "1" });

suite("previews of payloads", () => {
  test("show text with what is not printable escaped", () => {
    const cases = [
      { bytes: Buffer.from("plain text"), shown: "plain text" },
      { bytes: Buffer.from("two lines of some\ntext"), shown: String.raw`two lines of some\ntext` },
      {
        bytes: Buffer.from("a bell\u0007 in a longer text"),
        shown: String.raw`a bell\x07 in a longer text`,
      },
      { bytes: new Uint8Array(0), shown: "" },
      { bytes: Uint8Array.of(0xff, 0xfe), shown: "0xfffe" },
      { bytes: Uint8Array.of(0, 1, 2, 3), shown: "0x00010203" },
    ];
    for (const { bytes, shown } of cases) assert.equal(preview(bytes, 100, TERMINAL), shown);
  });

  test("never exceed their width, wherever characters end", () => {
    const text = Buffer.from("aé漢😀".repeat(40));
    for (let width = 1; width < 60; width++) {
      const shown = preview(text, width, TERMINAL);
      assert.ok(shown.length <= width);
      assert.ok(!shown.includes("\ufffd"));
      assert.ok(width < 3 || shown.endsWith("…"));
    }
  });
});

suite("tables", () => {
  test("are cut to the width of a terminal, and never elsewhere", () => {
    const columns = [
      { title: "name", align: "left" },
      { title: "count", align: "right" },
    ] as const;
    const rows = [["x".repeat(60), "1"]];
    for (const line of tableLines(columns, rows, TERMINAL)) assert.ok(line.length <= 40);
    const piped = terminalOf({ columns: 40 }, {});
    assert.match(tableLines(columns, rows, piped)[1] ?? "", /^x{60} +1$/);
  });

  test("have text around them that is broken at spaces", () => {
    assert.deepEqual(wrap("one two three", 8), ["one two", "three"]);
    assert.deepEqual(wrap("unbreakable", 4), ["unbreakable"]);
  });
});
