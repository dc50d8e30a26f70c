/**
 * What a queue knows of its items: which are out, which came back, which are done, and up to where all are done.
 *
 * Acks come in any order; only what is done from the front on without a gap is forgotten for good. Pure: no I/O, no clock.
 */

/** The state of one queue of deliveries. */
export class DeliveryState {
  /** All items up to here are done. */
  #doneLsn: number;
  /** Done, behind an item that is not. */
  readonly #doneAhead = new Set<number>();
  /** LSN of each item that is out, or came back, with how often it was handed out. */
  readonly #deliveries = new Map<number, number>();

  /** @param doneLsn - what was done before */
  constructor(doneLsn: number) {
    this.#doneLsn = doneLsn;
  }

  /** All items up to this one are done. */
  get doneLsn(): number {
    return this.#doneLsn;
  }

  /** Items that are out or came back. */
  get unfinished(): number {
    return this.#deliveries.size;
  }

  /** An item is handed out; returns how often it has been by now. */
  handOut(lsn: number): number {
    const count = (this.#deliveries.get(lsn) ?? 0) + 1;
    this.#deliveries.set(lsn, count);
    return count;
  }

  /** An item is done; returns up to where all are now. */
  finish(lsn: number): number {
    this.#deliveries.delete(lsn);
    if (lsn > this.#doneLsn) this.#doneAhead.add(lsn);
    while (this.#doneAhead.delete(this.#doneLsn + 1)) this.#doneLsn += 1;
    return this.#doneLsn;
  }

  /** True when the item needs no further delivery. */
  isDone(lsn: number): boolean {
    return lsn <= this.#doneLsn || this.#doneAhead.has(lsn);
  }

  /** The log begins behind `lsn` now: what was before is gone, whoever had it. Returns how many nobody had. */
  skipTo(lsn: number): number {
    let missed = 0;
    for (let each = this.#doneLsn + 1; each <= lsn; each++) {
      if (!this.#doneAhead.delete(each) && !this.#deliveries.has(each)) missed += 1;
    }
    this.#doneLsn = Math.max(this.#doneLsn, lsn);
    while (this.#doneAhead.delete(this.#doneLsn + 1)) this.#doneLsn += 1;
    return missed;
  }
}
