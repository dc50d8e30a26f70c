/**
 * The log that the catalog is kept in: what it needs of one, and nothing more.
 *
 * Append is durable when it resolves and all or nothing for its records; order is kept. The real one is a
 * `@walnut/wal` log (wal-catalog-log.ts).
 */

/** One record of the log. */
export interface CatalogLogRecord {
  readonly lsn: number;
  readonly payload: Uint8Array;
}

/** A durable, ordered log of records. */
export interface CatalogLog {
  /** All records that are kept, oldest first. */
  read(): AsyncIterable<CatalogLogRecord>;

  /**
   * Appends records as one: after a crash all of them are there or none.
   *
   * @returns the LSN of the first one
   */
  append(payloads: readonly Uint8Array[]): Promise<number>;

  /** Seals what has been written, so that a later {@link release} can free all of it. */
  seal(): Promise<void>;

  /** Declares the records below `lsn` as not needed any more. Space is freed when it can be. */
  release(lsn: number): Promise<void>;

  close(): Promise<void>;
}
