/**
 * Which files of the log are still needed, and by whom; moves the log's cursor behind the others, so that they go.
 *
 * The cursor only ever stands right before a file, and before one whose first record is on the device: the newest file always stays,
 * because it knows the next number of a region.
 */
import { WalError, type Cursor, type Wal } from "@walnut/wal";
import type { Region } from "./region.ts";

/** Name of the log's cursor that follows the memtables. */
const CURSOR_NAME = "series";

export class FilePins {
  readonly #wal: Wal;
  readonly #cursor: Cursor;
  /** First LSNs of the files that are kept, ascending. */
  #fileLsns: number[];
  #releasing: Promise<void> | undefined;
  #failure: string | undefined;

  constructor(wal: Wal) {
    this.#wal = wal;
    this.#cursor = wal.cursor(CURSOR_NAME);
    this.#fileLsns = [];
  }

  get fileCount(): number {
    return this.#fileLsns.length;
  }

  /** First LSN that can be read. */
  get firstLsn(): number {
    return this.#fileLsns[0] ?? this.#cursor.lsn + 1;
  }

  /** Makes the cursor's file now, while there is room for it and for what it needs to be moved on a full disk. */
  async establish(): Promise<void> {
    try {
      await this.#cursor.ack(this.#cursor.lsn);
    } catch (error) {
      this.#note(error);
    }
  }

  /** Why files could not be released at the last attempt. */
  get failure(): string | undefined {
    return this.#failure;
  }

  addFile(fileLsn: number): void {
    // A file whose append has failed was never there: its LSN, or one above, is given out again.
    while ((this.#fileLsns.at(-1) ?? 0) >= fileLsn) this.#fileLsns.pop();
    this.#fileLsns.push(fileLsn);
  }

  /** How many files there are from the one with this first LSN on. */
  filesFrom(fileLsn: number): number {
    return this.#fileLsns.filter((lsn) => lsn >= fileLsn).length;
  }

  /**
   * The first LSN of the file that holds this LSN.
   *
   * @throws {WalError} `WAL_LSN_TRUNCATED` when that file was released
   */
  fileOf(lsn: number): number {
    if (lsn >= this.firstLsn) return this.#fileLsns.findLast((first) => first <= lsn) ?? lsn;
    throw new WalError(
      "WAL_LSN_TRUNCATED",
      `LSN ${lsn} was released; the log begins with ${this.firstLsn}`,
      { details: { lsn, firstLsn: this.firstLsn } },
    );
  }

  /**
   * Releases the files before the first that somebody needs. One release runs at a time; never rejects, because it costs nothing
   * but space and is repeated with the next one.
   */
  async release(regions: () => Iterable<Region>, underWayLsn: () => number): Promise<void> {
    while (this.#releasing !== undefined) await this.#releasing;
    const { durableLsn } = this.#wal.positions;
    let neededLsn = underWayLsn();
    for (const { pinLsn } of regions()) neededLsn = Math.min(neededLsn, pinLsn);
    const isReleasable = (lsn: number): boolean => lsn <= neededLsn && lsn <= durableLsn;
    const fileLsn = this.#fileLsns.findLast(isReleasable);
    if (fileLsn === undefined || fileLsn <= this.#cursor.lsn + 1) return;
    this.#releasing = this.#moveTo(fileLsn).finally(() => (this.#releasing = undefined));
    await this.#releasing;
  }

  async #moveTo(fileLsn: number): Promise<void> {
    try {
      await this.#cursor.ack(fileLsn - 1);
      this.#fileLsns = this.#fileLsns.filter((lsn) => lsn >= fileLsn);
      this.#failure = undefined;
    } catch (error) {
      this.#note(error);
    }
  }

  #note(error: unknown): void {
    this.#failure = error instanceof Error ? error.message : String(error);
  }
}
