/**
 * Memory that request bodies are collected in, used again from request to request.
 *
 * A body arrives in pieces and is needed as one. Joined in new memory each time, the bodies of a busy server
 * would be most of what it allocates, and the garbage collector would run for nothing else. Only sizes that
 * come often are kept; what is lent out is bounded by the byte budget of the requests, not here.
 */

/** Bodies below this fit in one or two pieces: keeping memory for them gains nothing. */
const MIN_BYTES = 64 * 1024; // 64 KiB
/** Larger bodies are rare, and memory of their size is better given back. */
const MAX_BYTES = 4 * 1024 * 1024; // 4 MiB
const MAX_KEPT_BYTES = 32 * 1024 * 1024; // 32 MiB

/** Pieces of memory in sizes of powers of two. */
export class BodyMemory {
  readonly #kept = new Map<number, Uint8Array[]>();
  #keptBytes = 0;

  /** Memory held for the next requests. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Starts a loan of nothing, for one body. */
  loan(): BodyMemoryLoan {
    return new BodyMemoryLoan(this);
  }

  /** @internal Memory of this size or the next larger one that is kept. */
  take(bytes: number): Uint8Array | undefined {
    if (bytes < MIN_BYTES || bytes > MAX_BYTES) return undefined;
    const size = 2 ** Math.ceil(Math.log2(bytes));
    const memory = this.#kept.get(size)?.pop();
    if (memory === undefined) return new Uint8Array(size);
    this.#keptBytes -= size;
    return memory;
  }

  /** @internal */
  give(memory: Uint8Array): void {
    const size = memory.byteLength;
    if (this.#keptBytes + size > MAX_KEPT_BYTES) return;
    const sameSize = this.#kept.get(size);
    if (sameSize === undefined) this.#kept.set(size, [memory]);
    else sameSize.push(memory);
    this.#keptBytes += size;
  }
}

/** The memory that one body is in. */
export class BodyMemoryLoan {
  readonly #owner: BodyMemory;
  #lent: Uint8Array | undefined;

  constructor(owner: BodyMemory) {
    this.#owner = owner;
  }

  /** Memory of at least `bytes`, with any content, or `undefined` for sizes that are not kept. Called once. */
  take(bytes: number): Uint8Array | undefined {
    this.#lent = this.#owner.take(bytes);
    return this.#lent;
  }

  /** Gives the memory back: nobody may look at the body any more. May be called twice. */
  release(): void {
    if (this.#lent !== undefined) this.#owner.give(this.#lent);
    this.#lent = undefined;
  }
}
