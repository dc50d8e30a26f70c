/**
 * Moves the log's cursor after each catalog commit, so that segments of flushed rows are released.
 *
 * One acknowledgement runs at a time; while it runs only the highest LSN asked for is remembered. A failed
 * acknowledgement costs disk space, not rows: it is reported and tried again after the next commit.
 */

/** The part of a log cursor that is needed. */
export interface AckCursor {
  readonly lsn: number;
  ack(lsn: number): Promise<void>;
}

/** Acknowledges flushed LSNs in the background. */
export class FlushCursor {
  readonly #cursor: AckCursor;
  readonly #onError: (error: unknown) => void;
  #wantedLsn: number;
  #isHeld = false;
  #running: Promise<void> | undefined;

  constructor(cursor: AckCursor, onError: (error: unknown) => void) {
    this.#cursor = cursor;
    this.#wantedLsn = cursor.lsn;
    this.#onError = onError;
  }

  /** Highest LSN asked for. */
  get wantedLsn(): number {
    return this.#wantedLsn;
  }

  /** Notes that every record up to `lsn` is flushed; the cursor follows in the background. */
  advance(lsn: number): void {
    if (lsn <= this.#wantedLsn) return;
    this.#wantedLsn = lsn;
    if (!this.#isHeld) this.#running ??= this.#follow();
  }

  /** From now on what is asked for is only noted, until {@link letGo}. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Follows again, also what was noted meanwhile. */
  letGo(): void {
    this.#isHeld = false;
    if (this.#wantedLsn > this.#cursor.lsn) this.#running ??= this.#follow();
  }

  /** Resolves when the cursor has followed, or has failed to. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #follow(): Promise<void> {
    try {
      let ackedLsn = this.#cursor.lsn;
      while (ackedLsn < this.#wantedLsn) {
        const lsn = this.#wantedLsn;
        await this.#cursor.ack(lsn);
        ackedLsn = lsn;
      }
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#running = undefined;
    }
  }
}
