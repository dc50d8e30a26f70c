/**
 * Bytes of bodies in memory, of all requests at one time. They count as they arrive: who promises a large body and sends nothing holds
 * nothing.
 *
 * Beyond the limit a category may still hold its share of it. So a flood of one category, or bodies that wait for room in it, leave the
 * others what they need; all bodies together take at most twice the limit.
 */
import { SpoolError } from "../errors.ts";

export interface BodyBudgetOptions {
  readonly maxBytes: number;
  /** How many share it. */
  readonly categories: number;
}

/** The budget of an agent. */
export class BodyBudget {
  readonly #maxBytes: number;
  readonly #shareBytes: number;
  readonly #held = new Map<string, number>();
  #heldBytes = 0;

  constructor({ maxBytes, categories }: BodyBudgetOptions) {
    this.#maxBytes = maxBytes;
    this.#shareBytes = Math.floor(maxBytes / categories);
  }

  /** A lease for one body, of nothing yet. */
  lease(category: string): BodyLease {
    let own = 0;
    const change = (bytes: number): void => {
      own += bytes;
      this.#heldBytes += bytes;
      this.#held.set(category, (this.#held.get(category) ?? 0) + bytes);
    };
    return {
      grow: (bytes) => {
        const held = (this.#held.get(category) ?? 0) + bytes;
        if (this.#heldBytes + bytes > this.#maxBytes && held > this.#shareBytes) {
          throw new SpoolError("SPOOL_OVERLOADED", "too many bodies at one time; try again");
        }
        change(bytes);
      },
      release: () => change(-own),
    };
  }
}

/** What one body holds. */
export interface BodyLease {
  /**
   * Holds more.
   *
   * @throws {SpoolError} `SPOOL_OVERLOADED`: nothing more is held
   */
  grow(bytes: number): void;
  /** Gives everything back. */
  release(): void;
}
