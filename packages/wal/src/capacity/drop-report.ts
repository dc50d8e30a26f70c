/**
 * What was dropped because a log was full: every LSN range is counted and named.
 */

/** Records that were removed before their readers had them. */
export interface DroppedRange {
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Bytes of the segment that went, with what every cursor had passed of it. */
  readonly bytes: number;
  readonly timeMs: number;
  /** Cursors that had not passed the range. */
  readonly cursors: readonly string[];
}

export interface DropReport {
  /** Policy "drop-oldest": records removed, in LSNs; the newest ranges by name. */
  readonly oldestRecords: number;
  /** Bytes of the segments that held them. */
  readonly oldestBytes: number;
  readonly oldestRanges: readonly DroppedRange[];
  /** Policy "drop-newest": records that were not taken; they never had LSNs. */
  readonly newestRecords: number;
  readonly newestBytes: number;
}

const MAX_RANGES = 100;

/** Counts drops; keeps the newest ranges. */
export class DropCounter {
  #oldestRecords = 0;
  #oldestBytes = 0;
  #newestRecords = 0;
  #newestBytes = 0;
  #ranges: readonly DroppedRange[] = [];

  get report(): DropReport {
    return {
      oldestRecords: this.#oldestRecords,
      oldestBytes: this.#oldestBytes,
      oldestRanges: this.#ranges,
      newestRecords: this.#newestRecords,
      newestBytes: this.#newestBytes,
    };
  }

  countOldest(range: DroppedRange): void {
    this.#oldestRecords += range.lastLsn - range.firstLsn + 1;
    this.#oldestBytes += range.bytes;
    this.#ranges = [...this.#ranges, range].slice(-MAX_RANGES);
  }

  countNewest(records: number, bytes: number): void {
    this.#newestRecords += records;
    this.#newestBytes += bytes;
  }
}
