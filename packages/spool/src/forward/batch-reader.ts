/**
 * Cuts the items of a category into batches: as many as fit, and what came within a moment.
 */
import type { ItemReader, StoredItem } from "../item-reader.ts";
import type { SpoolCategory } from "../spool-category.ts";
import { batchOf, canJoin, type ItemBatch } from "./item-batch.ts";
import type { ItemRange } from "./ship-journal.ts";

export interface BatchLimits {
  readonly maxItems: number;
  readonly maxBytes: number;
  /** Resolves when there has been enough waiting for more; asked for when the first item is there. */
  readonly waited: () => Promise<void>;
}

const ENOUGH = Symbol("enough");

/** Reads batches, one after the other. Calls must not overlap. */
export class BatchReader {
  readonly #category: SpoolCategory;
  readonly #onSkipped: (lastLsn: number) => void;
  #reader: ItemReader;
  /** The next item, read ahead. */
  #ahead: Promise<StoredItem | undefined> | undefined;
  #isClosed = false;

  constructor(category: SpoolCategory, fromLsn: number, onSkipped: (lastLsn: number) => void) {
    this.#category = category;
    this.#onSkipped = onSkipped;
    this.#reader = category.reader(fromLsn, onSkipped);
  }

  /** The next batch, when there is an item; `undefined` when the reader is closed. */
  async next(limits: BatchLimits): Promise<ItemBatch | undefined> {
    const first = await this.#take();
    if (first === undefined) return undefined;
    const items = [first];
    let bytes = first.payload.byteLength;
    const enough = limits.waited().then(() => ENOUGH);
    while (items.length < limits.maxItems && bytes < limits.maxBytes) {
      // What is there already is taken without a look at the time.
      const isThere = this.#category.durableLsn > (items.at(-1)?.lsn ?? 0);
      const next = isThere ? await this.#peek() : await Promise.race([this.#peek(), enough]);
      if (next === ENOUGH || next === undefined || typeof next === "symbol") break;
      bytes += next.payload.byteLength + 1;
      if (bytes > limits.maxBytes || !canJoin(first.attributes, next.attributes)) break;
      items.push(next);
      this.#ahead = undefined;
    }
    return batchOf(items);
  }

  /** Exactly the items of a claim, as far as they are still there; `undefined` when none is. */
  async exactly(claim: ItemRange): Promise<ItemBatch | undefined> {
    const items: StoredItem[] = [];
    while (this.#category.firstLsn <= claim.lastLsn) {
      const item = await this.#peek();
      if (item === undefined || item.lsn > claim.lastLsn) break;
      items.push(item);
      this.#ahead = undefined;
      if (item.lsn === claim.lastLsn) break;
    }
    return batchOf(items, claim);
  }

  /** Begins again at an item. */
  async rewind(fromLsn: number): Promise<void> {
    await this.#reader.close();
    await this.#ahead?.catch(() => undefined);
    this.#ahead = undefined;
    if (!this.#isClosed) this.#reader = this.#category.reader(fromLsn, this.#onSkipped);
  }

  /** Ends a {@link next} that waits. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reader.close();
  }

  async #take(): Promise<StoredItem | undefined> {
    try {
      return await this.#peek();
    } finally {
      this.#ahead = undefined;
    }
  }

  #peek(): Promise<StoredItem | undefined> {
    if (this.#ahead === undefined) {
      this.#ahead = this.#reader.next();
      // Whoever takes it next is told; until then nobody may be waiting.
      this.#ahead.catch(() => undefined);
    }
    return this.#ahead;
  }
}
