/**
 * The typed columnar batch: what every decoder produces, what the log stores, what a memtable holds.
 *
 * One request becomes one {@link IngestBatch}: one {@link TableBatch} per (database, measurement), each a
 * set of equally long columns. The log stores this form (see batch-codec.ts), never the client's bytes, so
 * that replay is the same function of the same input as live ingestion and nothing is interpreted twice.
 *
 * Values live in typed arrays, tags and strings in dictionaries, so that a batch is copied to the log and
 * to the Parquet writer with `set`, not value by value.
 */

/** Column of timestamps: signed 64-bit nanoseconds since 1970-01-01T00:00:00Z. */
export type TimestampColumn = BigInt64Array;

/** The kinds of column, named by what a Parquet or SQL reader will see. */
export type ColumnType = "tag" | "string" | "float" | "integer" | "unsigned" | "boolean";

interface ColumnBase {
  readonly name: string;
  /**
   * One bit per row, least significant first: 1 where the row has a value. `undefined` means every row
   * has one. Length is ceil(rowCount / 8) or more; bits past rowCount are zero.
   */
  readonly validity: Uint8Array | undefined;
}

/** Tags and string fields: `codes[row]` indexes `dictionary`. A row without a value has code 0. */
export interface DictionaryColumn extends ColumnBase {
  readonly type: "tag" | "string";
  readonly codes: Uint32Array;
  readonly dictionary: readonly string[];
}

export interface FloatColumn extends ColumnBase {
  readonly type: "float";
  readonly values: Float64Array;
}

export interface IntegerColumn extends ColumnBase {
  readonly type: "integer";
  readonly values: BigInt64Array;
}

export interface UnsignedColumn extends ColumnBase {
  readonly type: "unsigned";
  readonly values: BigUint64Array;
}

export interface BooleanColumn extends ColumnBase {
  readonly type: "boolean";
  /** One byte per row, 0 or 1. */
  readonly values: Uint8Array;
}

export type Column =
  | DictionaryColumn
  | FloatColumn
  | IntegerColumn
  | UnsignedColumn
  | BooleanColumn;

/** Rows of one measurement. All arrays hold exactly `rowCount` elements. Column names are unique. */
export interface TableBatch {
  readonly database: string;
  readonly measurement: string;
  readonly rowCount: number;
  readonly timestamps: TimestampColumn;
  readonly columns: readonly Column[];
}

/** One request: all or nothing in the log. (database, measurement) pairs are unique. */
export interface IngestBatch {
  readonly tables: readonly TableBatch[];
  readonly rowCount: number;
}
