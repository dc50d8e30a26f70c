/**
 * Reads the items of one category in order, and waits at the end for more.
 *
 * Only what is on the device is delivered: its LSN is never given to another item, whatever happens. Items that policy
 * "drop-oldest" takes away in front of the reader are passed over, and told.
 */
import { isWalError, type RecordIterator, type Wal } from "@walnut/wal";
import { decodeItem, type ItemContent } from "./item-record.ts";

/** An item with its place. */
export interface StoredItem extends ItemContent {
  readonly lsn: number;
}

export interface ItemReaderOptions {
  readonly wal: Wal;
  readonly fromLsn: number;
  /** Told that the log begins behind `lastLsn` now. */
  readonly onSkipped?: (lastLsn: number) => void;
}

/** One pass over a category. Calls of {@link next} must not overlap. */
export class ItemReader {
  readonly #options: ItemReaderOptions;
  readonly #over = new AbortController();
  #records: RecordIterator | undefined;
  #nextLsn: number;

  constructor(options: ItemReaderOptions) {
    this.#options = options;
    this.#nextLsn = options.fromLsn;
  }

  /**
   * The next item, once it is durable; `undefined` when the reader or the log is closed.
   *
   * @throws {WalError} `WAL_CORRUPT`, `WAL_IO`, `WAL_POISONED`; {@link SpoolError} `SPOOL_CORRUPT`: the next call tries again
   */
  async next(): Promise<StoredItem | undefined> {
    for (;;) {
      if (this.#over.signal.aborted) return undefined;
      this.#skipDropped();
      this.#records ??= this.#options.wal.tail({ from: this.#nextLsn, signal: this.#over.signal });
      try {
        const { value } = await this.#records.next();
        if (value === undefined) return undefined;
        const item = { lsn: value.lsn, ...decodeItem(value.payload) };
        this.#nextLsn = value.lsn + 1;
        return item;
      } catch (error) {
        await this.#forget();
        if (isWalError(error, "WAL_ABORTED")) return undefined;
        // Dropped while we were about to read it: the log begins further on.
        if (!isWalError(error, "WAL_LSN_TRUNCATED")) throw error;
      }
    }
  }

  /** Ends a {@link next} that waits. */
  async close(): Promise<void> {
    this.#over.abort();
    await this.#forget();
  }

  #skipDropped(): void {
    const { wal, onSkipped } = this.#options;
    const { firstLsn } = wal.positions;
    if (this.#records !== undefined || firstLsn <= this.#nextLsn) return;
    this.#nextLsn = firstLsn;
    onSkipped?.(firstLsn - 1);
  }

  async #forget(): Promise<void> {
    const records = this.#records;
    this.#records = undefined;
    await records?.return();
  }
}
