/**
 * The order of what changes a group: saves one behind the other, and tasks that no save may run beside.
 *
 * Saves overlap in time, but each is applied after the one before it. A task waits for the saves under way; whatever comes meanwhile
 * begins after it, in the order of the calls.
 */

export class SaveOrder {
  /** Settles with the last save: whether it was kept. Never rejects. */
  #lastSave: Promise<boolean> = Promise.resolve(true);
  #hasTask = false;
  /** Begins of those who came while a task was under way. Empty when there is none. */
  readonly #waiting: (() => void)[] = [];

  /** A task is under way. */
  get hasTask(): boolean {
    return this.#hasTask;
  }

  /** What a save that begins now has to wait for before it is applied; whether that one was kept. */
  get lastSave(): Promise<boolean> {
    return this.#lastSave;
  }

  /** Puts a save behind the last one. */
  follow(applied: Promise<void>): void {
    this.#lastSave = applied.then(
      () => true,
      () => false, // Its caller is told.
    );
  }

  /** Calls `start` at once, or behind the task under way and those who wait for it already. */
  begin<T>(start: () => Promise<T>): Promise<T> {
    if (!this.#hasTask) return start();
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push(() => void start().then(resolve, reject));
    });
  }

  /** Runs a task behind the saves under way, and before those to come. */
  exclusively(task: () => Promise<void>): Promise<void> {
    return this.begin(() => this.alone(task));
  }

  /** As {@link exclusively}, for a caller whose turn it is. */
  async alone(task: () => Promise<void>): Promise<void> {
    this.#hasTask = true;
    try {
      await this.#lastSave;
      await task();
    } finally {
      this.#hasTask = false;
      this.#beginWaiting();
    }
  }

  /** Resolves when everything that was asked for until now has ended. */
  settled(): Promise<void> {
    return this.exclusively(async () => undefined);
  }

  #beginWaiting(): void {
    while (!this.#hasTask) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      next();
    }
  }
}
