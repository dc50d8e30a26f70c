/**
 * A byte budget shared by all requests: the bound on request bodies in memory, and the back-pressure.
 *
 * A request takes a lease, grows it as bytes arrive, and releases it when it is answered. What it takes comes from the
 * budget of all and, where there is one, from the share of its client. A refusal is a plain `false`: the
 * caller throws {@link ByteLease.refusal}. It does not know what the bytes are.
 */
import { ServerError } from "./errors.ts";

/** A part of a budget that belongs to one client. */
export interface ByteShare {
  readonly limitBytes: number;
  /** False, and nothing taken, when the share does not have them. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  /** The answer to the client whose share does not suffice. */
  refusal(): ServerError;
}

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

  /** Starts an empty lease, within the share of a client if one is given. */
  lease(share?: ByteShare): ByteLease {
    return new ByteLease(this, share);
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
  readonly #share: ByteShare | undefined;
  #bytes = 0;
  #isShareExhausted = false;

  constructor(budget: ByteBudget, share: ByteShare | undefined) {
    this.#budget = budget;
    this.#share = share;
  }

  /** Bytes held by this lease. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that this lease could hold if it were the only one. */
  get limitBytes(): number {
    const { limitBytes } = this.#budget;
    return Math.min(limitBytes, this.#share?.limitBytes ?? limitBytes);
  }

  /** Makes the lease at least `bytes` large; false, and nothing changed, when budget or share is exhausted. */
  growTo(bytes: number): boolean {
    const missing = bytes - this.#bytes;
    if (missing <= 0) return true;
    this.#isShareExhausted = this.#share !== undefined && !this.#share.take(missing);
    if (this.#isShareExhausted) return false;
    if (!this.#budget.take(missing)) {
      this.#share?.give(missing);
      return false;
    }
    this.#bytes = bytes;
    return true;
  }

  /** Why {@link growTo} has just refused: the client's own share, or the server's budget. */
  refusal(): ServerError {
    if (this.#isShareExhausted && this.#share !== undefined) return this.#share.refusal();
    return new ServerError(
      "SERVER_OVERLOADED",
      "too many request bytes are in flight; nothing of this request was kept, send it again later",
    );
  }

  /** Gives everything back. May be called twice. */
  release(): void {
    this.#budget.give(this.#bytes);
    this.#share?.give(this.#bytes);
    this.#bytes = 0;
  }
}
