/**
 * The rows of one table while a request is decoded: timestamps, columns by name, and their finished form.
 *
 * Knows nothing of wire formats. Decoders own the row loop: they reserve, write values, mark them valid and
 * raise `rowCount`.
 */
import { ByteDictionary } from "./byte-dictionary.ts";
import { BYTES_PER_VALUE, ColumnBuilder, signedView } from "./column-builder.ts";
import type { BatchBuilder } from "./batch-builder.ts";
import type { IngestLimits } from "./ingest-limits.ts";
import type { ColumnType, TableBatch } from "./table-batch.ts";

/**
 * Bytes counted for a column besides its values. More than its header and padding in a record (at most 64), about
 * what it takes in memory while a request is decoded: many empty columns must not be cheap.
 */
export const COLUMN_OVERHEAD_BYTES = 512;
/** Rows to make room for when nothing is known about how many will come. */
const INITIAL_ROWS = 8;

export class TableBuilder {
  readonly measurement: string;
  readonly columns: ColumnBuilder[] = [];
  /** Nanoseconds by row, as pairs of 32-bit halves. */
  timestamps: Int32Array = new Int32Array(0);
  rowCount = 0;

  readonly #batch: BatchBuilder;
  readonly #columnsByName: Map<string, ColumnBuilder> = new Map();
  readonly #expectedRows: number;
  /** Rows whose timestamps have been claimed from the batch. */
  #claimedRows = 0;

  constructor(batch: BatchBuilder, options: { measurement: string; expectedRows: number }) {
    this.#batch = batch;
    this.measurement = options.measurement;
    this.#expectedRows = Math.max(INITIAL_ROWS, options.expectedRows);
  }

  get limits(): IngestLimits {
    return this.#batch.limits;
  }

  column(name: string): ColumnBuilder | undefined {
    return this.#columnsByName.get(name);
  }

  /** Adds a column that does not exist yet. Its rows so far are null. */
  addColumn(name: string, type: ColumnType): ColumnBuilder {
    const { limits, body } = this.#batch;
    if (this.columns.length >= limits.maxColumnsPerTable) {
      this.#batch.fail(
        "maxColumnsPerTable",
        `table ${JSON.stringify(this.measurement)} has more columns than ${limits.maxColumnsPerTable}`,
      );
    }
    this.#batch.claim(COLUMN_OVERHEAD_BYTES);
    const isText = type === "tag" || type === "string";
    const dictionary = isText
      ? new ByteDictionary(body, { maxValueBytes: limits.maxStringBytes })
      : undefined;
    const column = new ColumnBuilder(name, type, dictionary);
    this.columns.push(column);
    this.#columnsByName.set(name, column);
    return column;
  }

  /** Makes room in `column` for at least `rows` rows; `room` is how many to make room for. */
  reserve(column: ColumnBuilder, rows: number, room: number = this.#roomFor(rows)): void {
    if (column.capacity >= rows) return;
    // What is claimed is what the rows so far need; the room beyond it is at most as much again.
    this.#batch.claim((rows - column.claimedRows) * BYTES_PER_VALUE[column.type]);
    column.claimedRows = rows;
    column.reserve(room);
  }

  /** Makes room for the timestamps of at least `rows` rows, as {@link reserve} does. */
  reserveTimestamps(rows: number, room: number = this.#roomFor(rows)): void {
    if (this.timestamps.length >= rows * 2) return;
    this.#batch.claim((rows - this.#claimedRows) * 8);
    this.#claimedRows = rows;
    const grown = new Int32Array(room * 2);
    grown.set(this.timestamps);
    this.timestamps = grown;
  }

  /** Bytes that the finished table takes, never less than what it adds to a record of the log. */
  finishedBytes(): number {
    const validityBytes = (this.rowCount + 7) >>> 3;
    let bytes = 2 * COLUMN_OVERHEAD_BYTES + Buffer.byteLength(this.measurement) + this.rowCount * 8;
    for (const column of this.columns) {
      bytes += COLUMN_OVERHEAD_BYTES + Buffer.byteLength(column.name) + validityBytes;
      bytes += this.rowCount * BYTES_PER_VALUE[column.type];
      if (column.dictionary === undefined) continue;
      bytes += column.dictionary.valueBytes + 4 * column.dictionary.values.length;
    }
    return bytes;
  }

  /** Columns without a single value have no known type to keep, so they are left out. */
  finish(database: string): TableBatch {
    const { measurement, rowCount } = this;
    this.reserveTimestamps(rowCount);
    return {
      database,
      measurement,
      rowCount,
      timestamps: signedView(this.timestamps, rowCount),
      columns: this.columns
        .filter((column) => column.hasValues)
        .map((column) => column.finish(rowCount)),
    };
  }

  /** A column that starts with the table gets room for the rows expected; one that comes late, for twice its rows. */
  #roomFor(rows: number): number {
    return rows === 1 ? this.#expectedRows : Math.max(INITIAL_ROWS, rows * 2);
  }
}
