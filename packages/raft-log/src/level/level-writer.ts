/**
 * The one writer of a store: batches one behind the other, in the order of the calls, as few as possible.
 *
 * What is asked for while a batch is under way goes into the next one, together: one sync for all of it. A store may run batches
 * beside each other, in any order; it is never given the chance.
 *
 * After a batch has failed nobody knows what of it is on the device, and LevelDB may append behind a torn record, where its own
 * recovery would not find it. So the first failure is the last write, until the store is opened again.
 */
import { WalError } from "@walnut/wal";
import type { SaveSafety } from "../group/group-medium.ts";
import { translated, type LevelOperation, type LevelStore } from "./level-store.ts";

/** A batch takes up no more calls once it has so many operations: the store copies all of them. */
const MAX_BATCH_OPERATIONS = 10_000;

interface Waiting {
  readonly operations: readonly LevelOperation[];
  readonly safety: SaveSafety;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class LevelWriter {
  readonly #store: LevelStore;
  #queue: Waiting[] = [];
  #run: Promise<void> | undefined;
  #failure: unknown;

  constructor(store: LevelStore) {
    this.#store = store;
  }

  /**
   * Applies operations as one; durable when it resolves, if `safety` says so.
   *
   * @throws {WalError} `WAL_IO` or `WAL_NO_SPACE` of the batch that failed, `WAL_POISONED` of all behind it
   */
  write(operations: readonly LevelOperation[], safety: SaveSafety): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#poisoned());
    return new Promise<void>((resolve, reject) => {
      this.#queue.push({ operations, safety, resolve, reject });
      this.#run ??= this.#writeAll().finally(() => (this.#run = undefined));
    });
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.#run !== undefined) await this.#run;
  }

  async #writeAll(): Promise<void> {
    for (;;) {
      const batch = this.#takeBatch();
      if (batch.length === 0) return;
      try {
        await translated("the store of the log", () =>
          this.#store.batch(
            batch.flatMap(({ operations }) => operations),
            {
              sync: batch.some(({ safety }) => safety === "synced"),
              keyEncoding: "view",
              valueEncoding: "view",
            },
          ),
        );
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.#failure = error;
        for (const { reject } of batch) reject(error);
        for (const { reject } of this.#queue.splice(0)) reject(this.#poisoned());
        return;
      }
    }
  }

  #takeBatch(): readonly Waiting[] {
    let count = 0;
    let operations = 0;
    for (const waiting of this.#queue) {
      if (count > 0 && operations + waiting.operations.length > MAX_BATCH_OPERATIONS) break;
      operations += waiting.operations.length;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  #poisoned(): WalError {
    return new WalError(
      "WAL_POISONED",
      "a write to the store failed, and what of it is on the device is not known: close the log and open it again",
      { cause: this.#failure },
    );
  }
}
