/**
 * Sparse index of one segment: a scan position every so many bytes, so that a read from the middle of a segment
 * starts close to it. Filled while frames are written or scanned; bounded by segment size over spacing
 * (64 MiB / 256 KiB = 256 positions).
 */
import type { ScanPosition } from "./frame-scanner.ts";

const SPACING_BYTES = 256 * 1024; // 256 KiB

/** Scan positions in ascending order, the first being the segment's first frame. */
export class SegmentIndex {
  readonly #positions: ScanPosition[];

  constructor(first: ScanPosition) {
    this.#positions = [first];
  }

  /** Notes that a frame begins at this position. Positions may come again; only new ground is kept. */
  note(offset: number, nextLsn: number, chain: number): void {
    const last = this.#positions.at(-1);
    if (last === undefined || offset >= last.offset + SPACING_BYTES) {
      this.#positions.push({ offset, nextLsn, chain });
    }
  }

  /** The last known position at which the frame with `lsn` can still be found by scanning forward. */
  seek(lsn: number): ScanPosition {
    let low = 0;
    let high = this.#positions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#positions[middle]?.nextLsn ?? 0) <= lsn) low = middle;
      else high = middle - 1;
    }
    const found = this.#positions[low];
    if (found === undefined) throw new RangeError("a segment index is never empty");
    return found;
  }
}
