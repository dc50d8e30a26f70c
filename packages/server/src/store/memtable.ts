/**
 * Rows of one table that are in the log and not yet in Parquet.
 *
 * Inserting keeps a reference to the batch and does no work per row: batches are put together into columns
 * when somebody reads them, a query or the flush, and only the ones that came since the last time. The
 * batches belong to the memtable from then on; nobody changes their arrays.
 */
import type { TableBatch } from "../ingest/table-batch.ts";
import { RowBuffer, type RowSet } from "./row-buffer.ts";

/** A list of admitted batches with their LSNs, and the columns made of them so far. */
export class Memtable {
  readonly firstLsn: number;
  /** When the first rows came, on the monotonic clock. */
  readonly createdAtMs: number;
  readonly #rows = new RowBuffer();
  #pending: RowSet[] = [];
  #pendingRows = 0;
  #lastLsn: number;
  #rowCount = 0;
  #bytes = 0;

  constructor(options: { readonly firstLsn: number; readonly createdAtMs: number }) {
    this.firstLsn = options.firstLsn;
    this.createdAtMs = options.createdAtMs;
    this.#lastLsn = options.firstLsn;
  }

  get lastLsn(): number {
    return this.#lastLsn;
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  /** Bytes of the column arrays, approximately: what the rows cost in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the rows of one record of the log. LSNs grow. Returns the bytes that were added. */
  insert(lsn: number, batch: TableBatch): number {
    this.#pending.push(batch);
    this.#pendingRows += batch.rowCount;
    this.#lastLsn = lsn;
    this.#rowCount += batch.rowCount;
    const bytes = batchBytes(batch);
    this.#bytes += bytes;
    return bytes;
  }

  /** All rows, as the sets that they are kept in now. Nothing is copied. */
  parts(): readonly RowSet[] {
    return this.#rows.rowCount === 0 ? this.#pending : [this.#rows.rowSet(), ...this.#pending];
  }

  /** All rows as columns. Later inserts do not change the result. */
  rowSet(): RowSet {
    this.#rows.reserve(this.#pendingRows);
    for (const batch of this.#pending) this.#rows.append(batch);
    this.#pending = [];
    this.#pendingRows = 0;
    return this.#rows.rowSet();
  }
}

/** Bytes of the arrays of a batch, and a guess for its texts. */
export function batchBytes(batch: RowSet): number {
  let bytes = batch.timestamps.byteLength;
  for (const column of batch.columns) {
    bytes += column.validity?.byteLength ?? 0;
    if ("values" in column) {
      bytes += column.values.byteLength;
    } else {
      bytes += column.codes.byteLength;
      for (const text of column.dictionary) bytes += text.length + TEXT_OVERHEAD_BYTES;
    }
  }
  return bytes;
}

/** Header of a string in V8 and its place in an array, roughly. */
const TEXT_OVERHEAD_BYTES = 24;
