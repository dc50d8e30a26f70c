/**
 * The shape of a line: measurement, tag keys and field keys in the order in which they were written.
 *
 * Metrics come in runs of equal shape, so the decoder predicts the shape of the next line and only compares
 * bytes. A shape therefore keeps where its bytes stand in the body, not copies, and the columns that the values
 * go to.
 */
import type { ColumnBuilder } from "./column-builder.ts";
import type { TableBuilder } from "./table-builder.ts";

/** One tag or field of a shape. */
export class ShapeSlot {
  /** Bytes of the key and its `=`, in the body. */
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly column: ColumnBuilder;

  constructor(key: { readonly start: number; readonly end: number }, column: ColumnBuilder) {
    this.keyStart = key.start;
    this.keyEnd = key.end;
    this.column = column;
  }
}

export class LineShape {
  readonly table: LineTable;
  /** Bytes of the measurement, in the body. */
  readonly headStart: number;
  readonly headEnd: number;
  readonly tags: readonly ShapeSlot[];
  readonly fields: readonly ShapeSlot[];
  /** Rows that every column of the shape has room for. */
  capacity = 0;
  /** The shape that followed this one last time: the prediction for the next line. */
  successor: LineShape;

  constructor(parts: {
    readonly table: LineTable;
    readonly headStart: number;
    readonly headEnd: number;
    readonly tags: readonly ShapeSlot[];
    readonly fields: readonly ShapeSlot[];
  }) {
    this.table = parts.table;
    this.headStart = parts.headStart;
    this.headEnd = parts.headEnd;
    this.tags = parts.tags;
    this.fields = parts.fields;
    this.successor = this;
  }

  /** Makes room for `rows` rows in the timestamps and in every column of the shape. */
  reserve(rows: number): void {
    const { rows: table } = this.table;
    table.reserveTimestamps(rows);
    let capacity = table.timestamps.length / 2;
    for (const slots of [this.tags, this.fields]) {
      for (const { column } of slots) {
        table.reserve(column, rows);
        capacity = Math.min(capacity, column.capacity);
      }
    }
    this.capacity = capacity;
  }
}

/** A table and the run of equally shaped rows that is being written to it. */
export class LineTable {
  readonly rows: TableBuilder;
  #runShape: LineShape | undefined;
  #runStart = 0;

  constructor(rows: TableBuilder) {
    this.rows = rows;
  }

  get runShape(): LineShape | undefined {
    return this.#runShape;
  }

  /** Ends the current run, marking its rows valid, and starts one of `shape` at the next row. */
  startRun(shape: LineShape | undefined): void {
    const end = this.rows.rowCount;
    if (this.#runShape !== undefined) {
      for (const { column } of this.#runShape.tags) column.markValid(this.#runStart, end);
      for (const { column } of this.#runShape.fields) column.markValid(this.#runStart, end);
    }
    this.#runShape = shape;
    this.#runStart = end;
  }
}
