/**
 * Which saves stand on one that has failed: those that were sent before its failure was known, and begin behind its first entry.
 *
 * They fail as well, unless a save between the two has written what they stand on. Saves end in the order in which they were sent, so
 * one index is enough. Pure memory.
 */

export class LostSaves {
  #sent = 0;
  /** Of the saves up to `#lostUpTo`, those that begin behind this index stand on something that was not kept. */
  #lostFrom = Number.POSITIVE_INFINITY;
  #lostUpTo = 0;

  /** The number of a save, to be taken when it is sent. */
  send(): number {
    return ++this.#sent;
  }

  isLost(save: number, firstIndex: number): boolean {
    return save <= this.#lostUpTo && firstIndex > this.#lostFrom;
  }

  /** A save whose first entry has this index has failed. */
  failed(save: number, firstIndex: number): void {
    const lostBefore = save <= this.#lostUpTo ? this.#lostFrom : Number.POSITIVE_INFINITY;
    this.#lostFrom = Math.min(lostBefore, firstIndex);
    this.#lostUpTo = this.#sent;
  }

  /** A save whose first entry has this index was kept: what comes behind stands on it. */
  kept(firstIndex: number): void {
    if (firstIndex <= this.#lostFrom) this.#lostFrom = Number.POSITIVE_INFINITY;
  }
}
