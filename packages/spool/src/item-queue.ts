/**
 * The queue of one category: items go out in order, to one consumer each, and come back when it gives up.
 *
 * State is delivery-state.ts; here items are read, handed to those who wait, and what is done from the front on is made
 * durable by a cursor of the log. After a restart everything behind the cursor is delivered again.
 */
import type { Cursor } from "@walnut/wal";
import { DeliveryState } from "./delivery-state.ts";
import { SpoolError } from "./errors.ts";
import type { ItemReader, StoredItem } from "./item-reader.ts";
import { settleCursor, type SpoolCategory } from "./spool-category.ts";

/** Someone who asked for an item. */
interface Waiter {
  readonly consumer: object;
  readonly resolve: (item: StoredItem | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Someone who wants to know that an ack is durable. */
interface AckWaiter {
  readonly lsn: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Hands out the items of a category to the consumers of one group. */
export class ItemQueue {
  readonly category: SpoolCategory;
  readonly #cursor: Cursor;
  readonly #state: DeliveryState;
  readonly #reader: ItemReader;
  /** Given back, to go out before what has not been read yet. */
  #returned: StoredItem[] = [];
  #waiters: Waiter[] = [];
  #ackWaiters: AckWaiter[] = [];
  #pumping: Promise<void> | undefined;
  #isPumping = false;
  #isSettled = false;
  #isClosed = false;

  /** @param group - name of the cursor: consumers of other groups get the same items once more */
  constructor(category: SpoolCategory, group: string) {
    this.category = category;
    this.#cursor = category.cursor(group);
    this.#state = new DeliveryState(this.#cursor.lsn);
    this.#reader = category.reader(this.#cursor.lsn + 1, (lsn) => this.#onSkipped(lsn));
  }

  /** The next item for a consumer; `undefined` when the queue was closed, or the consumer left. */
  take(consumer: object): Promise<StoredItem | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ consumer, resolve, reject });
      this.#pump();
    });
  }

  /** A consumer waits no longer. */
  leave(consumer: object): void {
    const leaving = this.#waiters.filter((waiter) => waiter.consumer === consumer);
    this.#waiters = this.#waiters.filter((waiter) => waiter.consumer !== consumer);
    for (const { resolve } of leaving) resolve(undefined);
  }

  /** How often the item has gone out, with this time. */
  handedOut(item: StoredItem): number {
    return this.#state.handOut(item.lsn);
  }

  /** Resolves when a restart would not deliver the item again: when it and all before it are done, durably. */
  async finish(lsn: number): Promise<void> {
    if (this.#isClosed) throw this.#closed();
    const doneLsn = this.#state.finish(lsn);
    const durable = new Promise<void>((resolve, reject) => {
      this.#ackWaiters.push({ lsn, resolve, reject });
    });
    void this.#moveCursor(doneLsn);
    await durable; // Rejected by the move, or by the end of the queue.
  }

  /** Puts an item back at its place. */
  giveBack(item: StoredItem): void {
    if (this.#isClosed || this.#state.isDone(item.lsn)) return;
    const at = this.#returned.findIndex(({ lsn }) => lsn > item.lsn);
    this.#returned.splice(at === -1 ? this.#returned.length : at, 0, item);
    this.#pump();
  }

  /** Nobody gets anything any more; what is out and not done comes again after a restart. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { resolve } of this.#waiters.splice(0)) resolve(undefined);
    await this.#reader.close();
    await this.#pumping;
    // Who is told that an item comes again must not have moved the cursor over it.
    if (this.#ackWaiters.length > 0) await this.#moveCursor(this.#state.doneLsn);
    for (const { reject } of this.#ackWaiters.splice(0)) reject(this.#closed());
  }

  #closed(): SpoolError {
    return new SpoolError("SPOOL_CLOSED", "the spool was closed; the item comes again", {
      details: { category: this.category.name },
    });
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    this.#pumping = this.#serve();
  }

  async #serve(): Promise<void> {
    while (this.#waiters.length > 0 && !this.#isClosed) {
      const returned = this.#returned.shift();
      if (returned !== undefined) {
        this.#giveTo(returned);
        continue;
      }
      try {
        const item = await this.#reader.next();
        if (item !== undefined && !this.#isSettled) await settleCursor(this.#cursor);
        this.#isSettled = true;
        if (item === undefined) {
          for (const { resolve } of this.#waiters.splice(0)) resolve(undefined);
        } else if (!this.#state.isDone(item.lsn)) {
          this.#giveFirst(item);
        }
      } catch (error) {
        this.#waiters.shift()?.reject(error);
      }
    }
    // In the same step as the last look at who waits: whoever comes later begins anew.
    this.#isPumping = false;
  }

  /** Something may have come back while the item was read: the older one goes first. */
  #giveFirst(item: StoredItem): void {
    this.#returned.push(item);
    const first = this.#returned.shift();
    if (first !== undefined) this.#giveTo(first);
  }

  #giveTo(item: StoredItem): void {
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#returned.unshift(item);
    else waiter.resolve(item);
  }

  async #moveCursor(doneLsn: number): Promise<void> {
    try {
      await this.#cursor.ack(doneLsn);
      const done = this.#ackWaiters.filter(({ lsn }) => lsn <= doneLsn);
      this.#ackWaiters = this.#ackWaiters.filter(({ lsn }) => lsn > doneLsn);
      for (const { resolve } of done) resolve();
    } catch (error) {
      for (const { reject } of this.#ackWaiters.splice(0)) reject(error);
    }
  }

  /** Dropped by the policy: nobody waits for acks of what is gone. */
  #onSkipped(lastLsn: number): void {
    this.#state.skipTo(lastLsn);
    void this.#moveCursor(this.#state.doneLsn);
  }
}
