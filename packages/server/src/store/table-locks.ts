/**
 * One rewriter of a table's files at a time: compaction, DELETE, retention and moves take turns.
 *
 * Flushes and queries do not take part: a flush only adds files, a query sees one state of the catalog.
 */

/** Turns by table key. */
export class TableLocks {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** True while somebody has the table or waits for it. */
  isTaken(key: string): boolean {
    return this.#tails.has(key);
  }

  /** Runs an action when all earlier ones on the same table have ended, however they ended. */
  async exclusive<T>(key: string, action: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(action);
    const tail = result.catch(() => undefined);
    this.#tails.set(key, tail);
    try {
      return await result;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
