/**
 * The order of what changes a group: saves one behind the other, and tasks that no save may run beside.
 *
 * Saves overlap in time, but each is applied after the one before it. A task waits for the saves under way; saves that come
 * meanwhile wait for the task. Check {@link SaveOrder.exclusive} and begin in one step: between the two nobody else may come.
 */

export class SaveOrder {
  /** Settles with the last save; never rejects. */
  #lastSave: Promise<unknown> = Promise.resolve();
  #exclusive: Promise<unknown> | undefined;

  /** The task that is under way or waiting for its turn, to be waited for; never rejects. */
  get exclusive(): Promise<unknown> | undefined {
    return this.#exclusive;
  }

  /** What a save that begins now has to wait for before it is applied. */
  get lastSave(): Promise<unknown> {
    return this.#lastSave;
  }

  /** Puts a save behind the last one. */
  follow(applied: Promise<void>): void {
    this.#lastSave = applied.catch(() => undefined); // Its caller is told.
  }

  /** Runs a task behind the saves under way, and before those to come. */
  async exclusively(task: () => Promise<void>): Promise<void> {
    while (this.#exclusive !== undefined) await this.#exclusive;
    const run = this.#lastSave.then(task);
    this.#exclusive = run.catch(() => undefined).finally(() => (this.#exclusive = undefined));
    await run;
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#exclusive !== undefined) await this.#exclusive;
    await this.#lastSave;
  }
}
