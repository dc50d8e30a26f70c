/**
 * A consumer: takes items of one category, one after the other, and says of each that it is done or given up.
 */
import type { ItemQueue } from "./item-queue.ts";
import type { StoredItem } from "./item-reader.ts";
import type { ItemAttributes } from "./item-record.ts";

/** An item in the hands of a consumer. */
export interface SpoolItem {
  readonly category: string;
  /** Number of the item within its category: dense, from 1 on. */
  readonly lsn: number;
  readonly payload: Uint8Array;
  readonly attributes: ItemAttributes;
  /** Wall clock when it was put, in milliseconds since 1970. */
  readonly putAtMs: number;
  /** 1 for the first delivery since the spool was opened. */
  readonly delivery: number;
  /**
   * The item is done. Resolves when a restart would not deliver it again, which takes the acks of all items before it; who takes
   * several at a time does not wait here between them.
   */
  ack(): Promise<void>;
  /** The item goes to whoever asks next, before those behind it. */
  giveUp(): void;
}

/** Takes items; made by `Spool.consume`. */
export class Consumer implements AsyncIterable<SpoolItem> {
  readonly #queue: ItemQueue;
  #isClosed = false;
  readonly #held = new Map<number, StoredItem>();

  /** @internal use `Spool.consume` */
  constructor(queue: ItemQueue) {
    this.#queue = queue;
  }

  /** The next item, when there is one; `undefined` when the consumer or the spool is closed. */
  async next(): Promise<SpoolItem | undefined> {
    const item = this.#isClosed ? undefined : await this.#queue.take(this);
    if (item === undefined) return undefined;
    if (this.#isClosed) {
      this.#queue.giveBack(item);
      return undefined;
    }
    this.#held.set(item.lsn, item);
    return {
      ...item,
      category: this.#queue.category.name,
      delivery: this.#queue.handedOut(item),
      ack: () => {
        this.#held.delete(item.lsn);
        const durable = this.#queue.finish(item.lsn);
        // Who does not wait loses nothing by a failure: the item comes again.
        durable.catch(() => undefined);
        return durable;
      },
      giveUp: () => {
        if (this.#held.delete(item.lsn)) this.#queue.giveBack(item);
      },
    };
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SpoolItem, undefined> {
    for (let item = await this.next(); item !== undefined; item = await this.next()) yield item;
    return undefined;
  }

  /** Gives up what it holds. */
  close(): void {
    this.#isClosed = true;
    this.#queue.leave(this);
    for (const item of this.#held.values()) this.#queue.giveBack(item);
    this.#held.clear();
  }
}
