import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { CsvRecords, type CsvCell } from "../src/csv-records.ts";

function read(...pieces: readonly string[]): readonly (readonly CsvCell[])[] | undefined {
  const records = new CsvRecords();
  const complete = pieces.flatMap((piece) => [...records.push(piece)]);
  const last = records.end();
  if (last === undefined) return undefined;
  return last.length === 0 ? complete : [...complete, last];
}

suite("CsvRecords", () => {
  test("tells an empty text from none, and knows quotes, commas and line feeds in cells", () => {
    assert.deepEqual(read('a,"",,"b ""c"",\nd"\r\n"x"\r\ny'), [
      [
        { text: "a", isQuoted: false },
        { text: "", isQuoted: true },
        { text: "", isQuoted: false },
        { text: 'b "c",\nd', isQuoted: true },
      ],
      [{ text: "x", isQuoted: true }],
      [{ text: "y", isQuoted: false }],
    ]);
  });

  test("a file that ends inside of quotes was cut", () => {
    assert.equal(read('a,"b'), undefined);
  });

  test("reads what was written, however it arrives", () => {
    const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", "ü", " ") });
    fc.assert(
      fc.property(fc.array(fc.array(cell, { minLength: 1 })), fc.nat(), (rows, cut) => {
        const quoted = rows.map((row) => row.map((text) => `"${text.replaceAll('"', '""')}"`));
        const text = quoted.map((row) => `${row.join(",")}\n`).join("");
        const at = cut % (text.length + 1);
        const found = read(text.slice(0, at), text.slice(at));
        assert.deepEqual(
          found?.map((row) => row.map((each) => each.text)),
          rows,
        );
      }),
    );
  });
});
