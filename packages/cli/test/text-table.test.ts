import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { terminalOf } from "../src/terminal.ts";
import { tableLines, type TableColumn } from "../src/text-table.ts";

const COLUMNS: readonly TableColumn[] = [
  { title: "name", align: "left" },
  { title: "bytes", align: "right" },
  { title: "what", align: "left" },
];
const SENTENCE = "the segment header is damaged, and a mark carries a copy of it";
const ROWS = [
  ["a", "12", SENTENCE],
  ["a-name-that-takes-most-of-a-narrow-line", "3,456", "short"],
];

function table(columns: number | undefined, rows: readonly (readonly string[])[] = ROWS): string[] {
  const output = columns === undefined ? {} : { isTTY: true, columns };
  return tableLines(COLUMNS, rows, terminalOf(output, { NO_COLOR: "1" }));
}

suite("tableLines", () => {
  test("keeps every row in one line where there is no terminal", () => {
    const lines = table(undefined);
    assert.equal(lines.length, 3);
    assert.ok(lines[1]?.endsWith(SENTENCE));
  });

  test("wraps the last column below itself, and lets a long name stand alone", () => {
    assert.deepEqual(table(60), [
      "name                             bytes  what",
      "a                                   12  the segment header",
      "                                        is damaged, and a",
      "                                        mark carries a copy",
      "                                        of it",
      "a-name-that-takes-most-of-a-narrow-line",
      "                                 3,456  short",
    ]);
  });

  for (const columns of [40, 60, 80, 120, 200]) {
    test(`loses no word and takes no more than ${columns} columns`, () => {
      const lines = table(columns);
      assert.ok(lines.every((line) => line.length <= columns));
      const words = (text: string): string[] => text.split(/\s+/u).filter((word) => word !== "");
      const printed = words(lines.slice(1).join(" "));
      assert.deepEqual(printed, words(ROWS.flat().join(" ")));
    });
  }

  test("cuts a single word that is wider than the terminal", () => {
    const [, alone] = table(40, [["n".repeat(90), "1", "x"]]);
    assert.equal(alone, `${"n".repeat(39)}…`);
  });
});
