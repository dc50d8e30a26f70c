/**
 * Batches as plain rows, the form in which tests compare them: per table, per row, time and values by name.
 *
 * Reading a batch this way also checks what every batch must keep: equal lengths, codes inside the dictionary,
 * unique names.
 */
import assert from "node:assert/strict";
import type { Column, IngestBatch } from "../../src/ingest/table-batch.ts";

/** A value with its column type, such as `["integer", 5n]`. */
export type TypedValue = readonly [type: string, value: string | number | bigint | boolean];

export interface PlainRow {
  readonly time: bigint;
  readonly values: ReadonlyMap<string, TypedValue>;
}

/** Rows by measurement, in the order of the body. */
export type PlainTables = ReadonlyMap<string, readonly PlainRow[]>;

export function plainTables(batch: IngestBatch): PlainTables {
  const tables = new Map<string, PlainRow[]>();
  let rowCount = 0;
  for (const table of batch.tables) {
    assert.ok(!tables.has(table.measurement), "measurements are unique");
    assert.equal(table.timestamps.length, table.rowCount);
    const names = new Set(table.columns.map((column) => column.name));
    assert.equal(names.size, table.columns.length, "column names are unique");
    for (const column of table.columns) checkColumn(column, table.rowCount);
    const rows = Array.from({ length: table.rowCount }, (_, row) => ({
      time: table.timestamps[row] ?? 0n,
      values: valuesOfRow(table.columns, row),
    }));
    tables.set(table.measurement, rows);
    rowCount += table.rowCount;
  }
  assert.equal(batch.rowCount, rowCount);
  return tables;
}

/** Checks what request decoders promise besides: zeros where a row has no value, distinct dictionary entries. */
export function assertTidy(batch: IngestBatch): void {
  for (const { columns, rowCount } of batch.tables) {
    for (const column of columns) {
      const array = "codes" in column ? column.codes : column.values;
      for (let row = 0; row < rowCount; row++) {
        if (!hasValue(column, row)) assert.equal(Number(array[row]), 0, "null rows hold zero");
      }
      if (!("codes" in column)) continue;
      const distinct = new Set(column.dictionary);
      assert.equal(distinct.size, column.dictionary.length, "entries are distinct");
    }
  }
}

/** Tables as text with one line per row, easy to write down as an expectation. */
export function describeTables(tables: PlainTables): string[] {
  const lines: string[] = [];
  for (const [measurement, rows] of tables) {
    for (const { time, values } of rows) {
      const parts = [...values]
        .map(([name, [type, value]]) => `${name}:${type}=${Object.is(value, -0) ? "-0" : value}`)
        .sort();
      lines.push(`${measurement} ${parts.join(" ")} @${time}`);
    }
  }
  return lines;
}

function hasValue(column: Column, row: number): boolean {
  const { validity } = column;
  return validity === undefined || (((validity[row >>> 3] ?? 0) >>> (row & 7)) & 1) === 1;
}

function valuesOfRow(columns: readonly Column[], row: number): Map<string, TypedValue> {
  const values = new Map<string, TypedValue>();
  for (const column of columns) {
    if (hasValue(column, row)) values.set(column.name, typedValue(column, row));
  }
  return values;
}

function typedValue(column: Column, row: number): TypedValue {
  switch (column.type) {
    case "tag":
    case "string":
      return [column.type, column.dictionary[column.codes[row] ?? 0] ?? ""];
    case "boolean":
      return [column.type, column.values[row] === 1];
    case "float":
    case "integer":
    case "unsigned":
      return [column.type, column.values[row] ?? 0];
  }
}

function checkColumn(column: Column, rowCount: number): void {
  const array = "codes" in column ? column.codes : column.values;
  assert.equal(array.length, rowCount, `length of ${column.name}`);
  if (column.validity !== undefined) {
    assert.ok(column.validity.length >= Math.ceil(rowCount / 8));
    for (let row = rowCount; row < column.validity.length * 8; row++) {
      assert.ok(!hasValue(column, row), "bits past the last row are zero");
    }
  }
  if (!("codes" in column)) return;
  for (let row = 0; row < rowCount; row++) {
    if (hasValue(column, row)) assert.ok((column.codes[row] ?? 0) < column.dictionary.length);
  }
}
