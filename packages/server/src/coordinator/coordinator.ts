/**
 * What the workers of a server must decide together, as one worker sees it.
 *
 * Workers write to logs of their own and never wait for each other, except where two of them could accept what
 * does not fit together: two batches that introduce one column with different types. Whoever asks first decides.
 * With one worker the coordinator is an object of the same process; with several it is in the primary, asked by
 * messages, and only when a batch brings something new.
 *
 * What was agreed lives in memory. After a start it is rebuilt from what the workers recovered.
 */
import type { ColumnSchema } from "../store/catalog-record.ts";
import type { TableName } from "../store/table-name.ts";

/** A column of a table, and its type. */
export interface TableColumn extends TableName, ColumnSchema {}

/** The columns of a table. */
export interface TableSchema extends TableName {
  readonly schema: readonly ColumnSchema[];
}

/** One worker's access to the coordinator. */
export interface Coordinator {
  /**
   * Agrees on columns that this worker has not seen, all in one step: new ones get the type that was asked for,
   * others are answered as they are, by the names and types that came first. The caller compares.
   *
   * What it answers is held for this worker, once per call, until {@link releaseColumns} or for good.
   *
   * @throws {ServerError} `SERVER_NOT_READY` while another worker has not told what it recovered
   */
  reserveColumns(columns: readonly TableColumn[]): Promise<readonly TableColumn[]>;
  /** Gives up one hold for each column: no row with it was logged. A column that nobody holds is forgotten. */
  releaseColumns(columns: readonly TableColumn[]): void;
  /**
   * Tells all columns that this worker has recovered. Takes the place of everything that it held before: what it
   * had reserved and did not log before it died is free again.
   *
   * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when another worker has a column with another type
   */
  reportSchemas(tables: readonly TableSchema[]): Promise<void>;
}
