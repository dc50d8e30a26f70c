/**
 * Ids of 64 bits for libraries that name their peers by text. Pure.
 *
 * An id is a part of a hash of the name, the same on every start, so nothing has to be kept but the id. To give a name back it must
 * have been told. A vote for a name that nobody told comes back under a name of its own: the node then grants no second vote in that
 * term, which costs an election at most, and never a promise.
 */
import { createHash } from "node:crypto";

export class VoteNames {
  readonly #names = new Map<bigint, string>();

  /** @param names - peers that may be voted for */
  constructor(names: Iterable<string> = []) {
    for (const name of names) this.idOf(name);
  }

  /** Id of a name, which is known from now on; 0 for none. */
  idOf(name: string | null | undefined): bigint {
    if (name === null || name === undefined || name === "") return 0n;
    const id = createHash("sha256").update(name).digest().readBigUInt64LE(0) | 1n; // Never 0, which is nobody.
    this.#names.set(id, name);
    return id;
  }

  /** The name of an id; `undefined` for 0. */
  nameOf(id: bigint): string | undefined {
    if (id === 0n) return undefined;
    return this.#names.get(id) ?? `unknown-${id.toString(16)}`;
  }
}
