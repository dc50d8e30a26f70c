import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import type { Column, TableBatch } from "../../src/ingest/table-batch.ts";
import { hasBit } from "../../src/store/bitmap.ts";
import { RowBuffer, type RowSet } from "../../src/store/row-buffer.ts";
import { table, type ColumnSpec } from "./store-fixture.ts";

/** The value of a cell, or null. */
function cell(column: Column | undefined, row: number): unknown {
  if (column === undefined) return null;
  if (column.validity !== undefined && !hasBit(column.validity, row)) return null;
  return "values" in column ? column.values[row] : column.dictionary[column.codes[row] ?? 0];
}

function valuesOf(rows: RowSet, names: readonly string[]): unknown[][] {
  return Array.from({ length: rows.rowCount }, (_, row) =>
    names.map((name) =>
      cell(
        rows.columns.find((column) => column.name === name),
        row,
      ),
    ),
  );
}

const NAMES = ["tag", "text", "f", "i", "u", "b"] as const;

const rowValues = fc.record({
  tag: fc.option(fc.constantFrom("a", "b", "")),
  text: fc.option(fc.string()),
  f: fc.option(fc.double({ noNaN: true })),
  i: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  u: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
  b: fc.option(fc.boolean()),
});

const batchOfRows = fc.record({
  columns: fc.subarray([...NAMES]),
  rows: fc.array(rowValues, { maxLength: 40 }),
});

function toBatch({
  columns,
  rows,
}: {
  columns: readonly string[];
  rows: readonly object[];
}): TableBatch {
  const types = {
    tag: "tag",
    text: "string",
    f: "float",
    i: "integer",
    u: "unsigned",
    b: "boolean",
  };
  const specs = columns.map((name) => [
    name,
    [types[name as keyof typeof types], rows.map((row) => row[name as keyof typeof row])],
  ]);
  // The generators above pair each type with its values.
  const columnSpecs = Object.fromEntries(specs) as Record<string, ColumnSpec>;
  return table(
    "db.m",
    rows.map((_, index) => BigInt(index)),
    columnSpecs,
  );
}

suite("RowBuffer", () => {
  test("holds what was appended, whatever columns the batches have", () => {
    fc.assert(
      fc.property(fc.array(batchOfRows, { maxLength: 8 }), (batches) => {
        const buffer = new RowBuffer();
        const expected: unknown[][] = [];
        const snapshots: { readonly rows: RowSet; readonly count: number }[] = [];
        for (const one of batches) {
          buffer.append(toBatch(one));
          for (const row of one.rows) {
            expected.push(
              NAMES.map((name) => {
                const value = one.columns.includes(name) ? row[name] : null;
                return typeof value === "boolean" ? Number(value) : value;
              }),
            );
          }
          snapshots.push({ rows: buffer.rowSet(), count: expected.length });
        }
        // Snapshots taken in between have not changed.
        for (const { rows, count } of snapshots) {
          assert.deepEqual(valuesOf(rows, NAMES), expected.slice(0, count));
        }
      }),
      { numRuns: 300 },
    );
  });

  test("has each text once, over batches and kinds of text", () => {
    const buffer = new RowBuffer();
    buffer.append(table("db.m", [1n, 2n, 3n], { s: ["string", ["b", null, "a"]] }));
    buffer.append(table("db.m", [4n, 5n], { s: ["tag", ["a", ""]] }));
    const [column] = buffer.rowSet().columns;
    assert.ok(column?.type === "string");
    assert.deepEqual(column.dictionary, ["b", "a", ""]);
    assert.deepEqual([...column.codes], [0, 0, 1, 1, 2]);
  });

  test("refuses a column of another type", () => {
    const buffer = new RowBuffer();
    buffer.append(table("db.m", [1n], { s: ["float", [1]] }));
    assert.throws(() => buffer.append(table("db.m", [1n], { s: ["integer", [1]] })), TypeError);
    assert.throws(() => buffer.append(table("db.m", [1n], { s: ["tag", ["a"]] })), TypeError);
  });
});
