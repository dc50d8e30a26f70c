/**
 * Rows of one table gathered from many batches into one set of columns.
 *
 * Batches bring their own columns and their own dictionaries; a reader (a query or a flush) wants one array
 * per column. A {@link RowBuffer} appends batches behind one another, merges dictionaries and fills columns
 * that a batch does not have with nulls. It only ever grows: a {@link RowSet} taken from it stays valid and
 * unchanged while more rows are appended.
 */
import type { Column, ColumnType, TableBatch } from "../ingest/table-batch.ts";
import { bitmapBytes, copyBits, setBits } from "./bitmap.ts";

/** Rows as equally long columns. Every dictionary holds each text once. */
export type RowSet = Pick<TableBatch, "rowCount" | "timestamps" | "columns">;

type ColumnValues = Float64Array | BigInt64Array | BigUint64Array | Uint8Array | Uint32Array;

/** Growing columns of one table. */
export class RowBuffer {
  readonly #columns = new Map<string, ColumnBuffer>();
  #timestamps: BigInt64Array = new BigInt64Array(0);
  #rowCount = 0;
  #rowSet: RowSet | undefined;

  get rowCount(): number {
    return this.#rowCount;
  }

  /** Makes room for rows that are about to be appended, so that growing copies once. */
  reserve(additionalRows: number): void {
    const needed = this.#rowCount + additionalRows;
    if (needed <= this.#timestamps.length) return;
    // The first reservation is exact, as a flush appends everything at once; later ones double.
    const capacity = Math.max(needed, this.#timestamps.length * 2);
    const grown = new BigInt64Array(capacity);
    grown.set(this.#timestamps);
    this.#timestamps = grown;
    for (const column of this.#columns.values()) column.grow(capacity);
  }

  /** Appends all rows of a batch. Column types must agree with those already here. */
  append(batch: RowSet): void {
    this.reserve(batch.rowCount);
    this.#timestamps.set(batch.timestamps.subarray(0, batch.rowCount), this.#rowCount);
    for (const column of batch.columns) this.#columnFor(column).append(column, batch.rowCount);
    this.#rowCount += batch.rowCount;
    for (const column of this.#columns.values()) column.fillTo(this.#rowCount);
    this.#rowSet = undefined;
  }

  /** The rows appended so far. Later appends do not change it. */
  rowSet(): RowSet {
    this.#rowSet ??= {
      rowCount: this.#rowCount,
      timestamps: this.#timestamps.subarray(0, this.#rowCount),
      columns: [...this.#columns.values()].map((column) => column.toColumn()),
    };
    return this.#rowSet;
  }

  #columnFor(column: Column): ColumnBuffer {
    let buffer = this.#columns.get(column.name);
    if (buffer === undefined) {
      buffer = new ColumnBuffer(column.name, column.type, this.#timestamps.length);
      buffer.fillTo(this.#rowCount);
      this.#columns.set(column.name, buffer);
    }
    return buffer;
  }
}

/** One growing column. */
class ColumnBuffer {
  readonly #name: string;
  readonly #type: ColumnType;
  readonly #dictionary: string[] = [];
  readonly #codeByText = new Map<string, number>();
  #dictionarySnapshot: readonly string[] = [];
  #values: ColumnValues;
  #validity: Uint8Array | undefined;
  #rowCount = 0;

  constructor(name: string, type: ColumnType, capacity: number) {
    this.#name = name;
    this.#type = type;
    this.#values = allocateValues(type, capacity);
  }

  grow(capacity: number): void {
    const grown = allocateValues(this.#type, capacity);
    copyValues(grown, this.#values, 0);
    this.#values = grown;
    if (this.#validity === undefined) return;
    const validity = new Uint8Array(bitmapBytes(capacity));
    validity.set(this.#validity);
    this.#validity = validity;
  }

  append(column: Column, rowCount: number): void {
    if (isText(column) !== isText(this) || (!isText(column) && column.type !== this.#type)) {
      throw new TypeError(`column "${this.#name}" is ${this.#type}, the batch has ${column.type}`);
    }
    if (isText(column)) this.#appendCodes(column.codes, column.dictionary, rowCount);
    else copyValues(this.#values, column.values.subarray(0, rowCount), this.#rowCount);
    if (column.validity !== undefined) {
      copyBits(this.#bitmap(), this.#rowCount, column.validity, rowCount);
    } else if (this.#validity !== undefined) {
      setBits(this.#validity, this.#rowCount, rowCount);
    }
    this.#rowCount += rowCount;
  }

  /** Nulls for the rows of batches that do not have this column. Arrays start zeroed: bits are all. */
  fillTo(rowCount: number): void {
    if (rowCount === this.#rowCount) return;
    this.#bitmap();
    this.#rowCount = rowCount;
  }

  get type(): ColumnType {
    return this.#type;
  }

  toColumn(): Column {
    const name = this.#name;
    const validity = this.#validity?.subarray(0, bitmapBytes(this.#rowCount));
    const values = this.#values.subarray(0, this.#rowCount);
    // `allocateValues` paired the array with the type; the switch states the pairs for the compiler.
    switch (this.#type) {
      case "tag":
      case "string":
        if (this.#dictionarySnapshot.length !== this.#dictionary.length) {
          this.#dictionarySnapshot = this.#dictionary.slice();
        }
        return {
          name,
          type: this.#type,
          validity,
          codes: values as Uint32Array,
          dictionary: this.#dictionarySnapshot,
        };
      case "float":
        return { name, type: "float", validity, values: values as Float64Array };
      case "integer":
        return { name, type: "integer", validity, values: values as BigInt64Array };
      case "unsigned":
        return { name, type: "unsigned", validity, values: values as BigUint64Array };
      case "boolean":
        return { name, type: "boolean", validity, values: values as Uint8Array };
    }
  }

  #bitmap(): Uint8Array {
    if (this.#validity === undefined) {
      this.#validity = new Uint8Array(bitmapBytes(this.#values.length));
      setBits(this.#validity, 0, this.#rowCount);
    }
    return this.#validity;
  }

  #appendCodes(codes: Uint32Array, dictionary: readonly string[], rowCount: number): void {
    const merged = new Uint32Array(dictionary.length);
    for (let code = 0; code < dictionary.length; code++) {
      const text = dictionary[code] ?? "";
      let mergedCode = this.#codeByText.get(text);
      if (mergedCode === undefined) {
        mergedCode = this.#dictionary.length;
        this.#dictionary.push(text);
        this.#codeByText.set(text, mergedCode);
      }
      merged[code] = mergedCode;
    }
    const target = this.#values;
    for (let row = 0; row < rowCount; row++) {
      // A null row has code 0, which an empty dictionary does not have: it becomes 0 again.
      target[this.#rowCount + row] = merged[codes[row] ?? 0] ?? 0;
    }
  }
}

function isText<T extends { readonly type: ColumnType }>(
  column: T,
): column is T & { readonly type: "tag" | "string" } {
  return column.type === "tag" || column.type === "string";
}

function allocateValues(type: ColumnType, capacity: number): ColumnValues {
  switch (type) {
    case "tag":
    case "string":
      return new Uint32Array(capacity);
    case "float":
      return new Float64Array(capacity);
    case "integer":
      return new BigInt64Array(capacity);
    case "unsigned":
      return new BigUint64Array(capacity);
    case "boolean":
      return new Uint8Array(capacity);
  }
}

/** Copies bytes, whatever the type: both arrays were allocated for the same one. */
function copyValues(target: ColumnValues, source: ColumnValues, targetIndex: number): void {
  const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
  bytes.set(
    new Uint8Array(source.buffer, source.byteOffset, source.byteLength),
    targetIndex * target.BYTES_PER_ELEMENT,
  );
}
