/**
 * Truncations as their owner knows them: where the log was asked to end or to begin, and whether that was
 * answered.
 *
 * A truncation that was asked for may or may not have happened when a crash comes; one that was answered has,
 * and nothing of what it dropped may ever come back. Everything appended before a truncation at the back must
 * have been answered, so that LSNs say which records it drops.
 */

interface BackCut {
  readonly lastLsn: number;
  /** Batches from this number on were sent after the cut. */
  readonly firstBatch: number;
  isDone: boolean;
}

/** All truncations of one history. */
export class LogCuts {
  readonly #back: BackCut[] = [];
  #requestedFrontLsn = 0;
  #doneFrontLsn = 0;

  /** The log is about to be cut behind `lastLsn`. */
  requestBack(lastLsn: number, firstBatch: number): void {
    this.#back.push({ lastLsn, firstBatch, isDone: false });
  }

  /** The cuts at the back that were asked for have been answered. Returns where the last of them was. */
  acknowledgeBack(): number {
    for (const cut of this.#back) cut.isDone = true;
    return this.#back.at(-1)?.lastLsn ?? Number.POSITIVE_INFINITY;
  }

  /** All before `firstLsn` is about to be dropped. */
  requestFront(firstLsn: number): void {
    this.#requestedFrontLsn = Math.max(this.#requestedFrontLsn, firstLsn);
  }

  acknowledgeFront(): void {
    this.#doneFrontLsn = this.#requestedFrontLsn;
  }

  /** The log may begin here, whatever its cursors hold. */
  get mayBeginAt(): number {
    return this.#requestedFrontLsn;
  }

  /** The log begins here or later. */
  get beginsAt(): number {
    return this.#doneFrontLsn;
  }

  /** Records of this batch up to here are still owed. */
  owedUpTo(batchNumber: number): number {
    return this.#lowest((cut) => cut.firstBatch > batchNumber);
  }

  /** No record of this batch behind this LSN may be in a log. */
  goneBehind(batchNumber: number): number {
    return this.#lowest((cut) => cut.firstBatch > batchNumber && cut.isDone);
  }

  /** True when a cut behind `lsn` explains that what follows there was sent as batch `batchNumber` or later. */
  explains(lsn: number, batchNumber: number): boolean {
    return this.#back.some((cut) => cut.lastLsn === lsn && cut.firstBatch <= batchNumber);
  }

  /** True when the log may end at this LSN because it was cut there. */
  mayEndAt(lsn: number): boolean {
    return this.#back.some((cut) => cut.lastLsn === lsn);
  }

  /** What the log may call durable without being held to it: not what an unanswered cut may have dropped. */
  clampClaim(lsn: number): number {
    return Math.min(
      lsn,
      this.#lowest((cut) => !cut.isDone),
    );
  }

  /** The LSN of the first record of a batch, when a cut right before it says so. */
  lsnAfterCut(batchNumber: number): number | undefined {
    const cut = this.#back.findLast(({ firstBatch }) => firstBatch === batchNumber);
    return cut === undefined ? undefined : cut.lastLsn + 1;
  }

  #lowest(isMeant: (cut: BackCut) => boolean): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const cut of this.#back) if (isMeant(cut)) lowest = Math.min(lowest, cut.lastLsn);
    return lowest;
  }
}
