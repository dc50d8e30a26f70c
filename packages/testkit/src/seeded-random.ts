/**
 * Random numbers that a seed repeats.
 *
 * Everything random in a simulated run comes from one seed, so one printed number replays the run. The
 * generator is sfc32 (small fast counting): 128 bits of state, passes PractRand, a few nanoseconds a number.
 * Not for secrets.
 */

/** A stream of random numbers fixed by its seed. */
export class SeededRandom {
  /** What repeats this stream. Print it with every failure. */
  readonly seed: number;
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#a = mix(this.seed);
    this.#b = mix(this.seed ^ 0x9e37_79b9);
    this.#c = mix(this.seed ^ 0x85eb_ca6b);
    // Similar seeds start similar; a few rounds pull their streams apart.
    for (let round = 0; round < 12; round += 1) this.uint32();
  }

  /** An integer from 0 to 2^32-1. */
  uint32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** A number from 0 (included) to 1 (excluded). */
  fraction(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** An integer from 0 to `limit - 1`. */
  below(limit: number): number {
    if (!Number.isSafeInteger(limit) || limit < 1) throw new RangeError(`below(${limit})`);
    return Math.floor(this.fraction() * limit);
  }

  /** An integer from `first` to `last`, both included. */
  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError("pick from an empty list");
    // The index is inside the list, so the element is a T (which may itself be undefined).
    return list[this.below(list.length)] as T;
  }

  /** Fresh random bytes. */
  bytes(length: number): Uint8Array {
    const result = new Uint8Array(length);
    for (let index = 0; index < length; index += 1) result[index] = this.uint32() & 0xff;
    return result;
  }

  toString(): string {
    return `seed ${this.seed}`;
  }
}

/** One seed out of several numbers and words, so that parts of a run have their own independent streams. */
export function combineSeeds(...parts: readonly (number | string)[]): number {
  let seed = 0x811c_9dc5;
  for (const part of parts) {
    if (typeof part === "number") {
      seed = mix(seed ^ (part >>> 0));
    } else {
      for (let index = 0; index < part.length; index += 1) {
        seed = Math.imul(seed ^ part.charCodeAt(index), 0x0100_0193);
      }
      seed = mix(seed);
    }
  }
  return seed >>> 0;
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(value: number): number {
  let mixed = (value + 0x6d2b_79f5) | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
