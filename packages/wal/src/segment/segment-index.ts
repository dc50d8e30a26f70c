/**
 * Sparse index of one segment: a scan position every so many bytes, so that a read from the middle of a segment
 * starts close to it. Filled while frames are written or scanned; bounded by segment size over spacing
 * (64 MiB / 64 KiB = 1,024 positions of 12 bytes).
 */
import type { ScanPosition } from "./frame-scanner.ts";

/** Less than a frame that has reached its size: of large frames, each has a position. */
const SPACING_BYTES = 64 * 1024; // 64 KiB

/** Numbers of one position: offset, LSN behind the segment's first, chain. */
const FIELDS = 3;
const FIRST_CAPACITY = 4;
const MAX_U32 = 2 ** 32 - 1;

/** Scan positions in ascending order, the first being the segment's first frame. */
export class SegmentIndex {
  readonly #firstLsn: number;
  #numbers: Uint32Array = new Uint32Array(FIRST_CAPACITY * FIELDS);
  #count = 0;
  #lastOffset = 0;

  constructor(first: ScanPosition) {
    this.#firstLsn = first.nextLsn;
    this.#add(first.offset, first.nextLsn, first.chain);
  }

  /** Notes that a frame begins at this position. Positions may come again; only new ground is kept. */
  note(offset: number, nextLsn: number, chain: number): void {
    if (offset >= this.#lastOffset + SPACING_BYTES) this.#add(offset, nextLsn, chain);
  }

  /** The last known position at which the frame with `lsn` can still be found by scanning forward. */
  seek(lsn: number): ScanPosition {
    const position = Math.max(0, this.#countUpTo(lsn) - 1);
    const at = position * FIELDS;
    return {
      offset: this.#numbers[at] ?? 0,
      nextLsn: this.#firstLsn + (this.#numbers[at + 1] ?? 0),
      chain: this.#numbers[at + 2] ?? 0,
    };
  }

  /** An offset at or behind the end of the frame with `lsn`; `undefined` where none is known. */
  endOffset(lsn: number): number | undefined {
    const position = this.#countUpTo(lsn);
    return position < this.#count ? this.#numbers[position * FIELDS] : undefined;
  }

  /** How many positions stand at or before `lsn`. */
  #countUpTo(lsn: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#firstLsn + (this.#numbers[middle * FIELDS + 1] ?? 0) <= lsn) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #add(offset: number, nextLsn: number, chain: number): void {
    const lsn = nextLsn - this.#firstLsn;
    // Only a gap of lost records can be that wide; what lies behind it is found by scanning.
    if (lsn > MAX_U32) return;
    const at = this.#count * FIELDS;
    if (at === this.#numbers.length) {
      const grown = new Uint32Array(Math.ceil((this.#count * 3) / 2) * FIELDS);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[at] = offset;
    this.#numbers[at + 1] = lsn;
    this.#numbers[at + 2] = chain;
    this.#count++;
    this.#lastOffset = offset;
  }
}
