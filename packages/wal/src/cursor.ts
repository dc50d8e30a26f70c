/**
 * Cursor: the one idea for "who still needs this". Memtable flush, upload, replica and snapshot are all cursors.
 */

/** A named, durable position: its owner has no more need of records up to `lsn`. */
export interface Cursor {
  readonly name: string;
  /** What has been acknowledged and is durable; 0 or the LSN before the log's first one for a new cursor. */
  readonly lsn: number;
  /**
   * Moves the cursor forward; never back. Waits until the record is written, and resolves when the position is on the device; then segments
   * that no cursor needs any more are removed.
   *
   * @throws {WalError} `WAL_CURSOR_REMOVED`, `WAL_CLOSED`, `WAL_IO`; `WAL_NO_SPACE` when there is no room for the position, or the record
   * itself has found none and is not in the log; `WAL_POISONED` when the record was never written
   */
  ack(lsn: number): Promise<void>;
  /** Forgets the cursor: it no longer holds any space. */
  remove(): Promise<void>;
}
