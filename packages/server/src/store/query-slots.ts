/**
 * How many queries run at once.
 *
 * A running query holds a thread of the process's pool, the same that the log's writes and syncs need: more
 * of them than this, and ingestion would wait for queries. The others wait in order, a bounded number.
 */
import { ServerError } from "../errors.ts";

/** Slots for running queries, and a queue. */
export class QuerySlots {
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(options: { readonly slots: number; readonly maxWaiting: number }) {
    this.#free = options.slots;
    this.#maxWaiting = options.maxWaiting;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Waits for a slot. Every resolved call needs one {@link release}.
   *
   * @throws {ServerError} `SERVER_OVERLOADED` when too many wait already; the reason of `signal`
   */
  async acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new ServerError(
        "SERVER_OVERLOADED",
        `${this.#waiting.length} queries are waiting already`,
      );
    }
    await new Promise<void>((resolve, reject) => {
      const take = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        // The reason is an error by the contract of whoever aborts (query-engine.ts).
        reject(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.push(take);
    });
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
