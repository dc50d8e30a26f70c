/**
 * A byte budget shared by all requests: the bound on request bodies in memory, and the back-pressure.
 *
 * A request takes a lease, grows it as bytes arrive, and releases it when it is answered. A refusal is a
 * plain `false`: the caller turns it into an answer. It does not know what the bytes are.
 */

/** A number of bytes that may be held at one time. */
export class ByteBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes held now by all leases. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Starts an empty lease. */
  lease(): ByteLease {
    return new ByteLease(this);
  }

  /** @internal Takes bytes for a lease; false, and nothing taken, when the budget does not have them. */
  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** @internal Gives the bytes of a lease back. */
  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

/** What one request holds of a {@link ByteBudget}. */
export class ByteLease {
  readonly #budget: ByteBudget;
  #bytes = 0;

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Bytes held by this lease. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes the lease at least `bytes` large; false, and nothing changed, when the budget is exhausted. */
  growTo(bytes: number): boolean {
    const missing = bytes - this.#bytes;
    if (missing <= 0) return true;
    if (!this.#budget.take(missing)) return false;
    this.#bytes = bytes;
    return true;
  }

  /** Gives everything back. May be called twice. */
  release(): void {
    this.#budget.give(this.#bytes);
    this.#bytes = 0;
  }
}
