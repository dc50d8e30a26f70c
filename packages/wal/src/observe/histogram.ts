/**
 * Histogram with fixed buckets: how often a value fell between two bounds, as plain numbers.
 *
 * Counting is a search over a dozen bounds and three additions; nothing is allocated until somebody asks.
 */

/** A histogram as of one moment. */
export interface HistogramSnapshot {
  /** Upper bounds of the buckets, ascending, each inclusive. */
  readonly bounds: readonly number[];
  /** Values per bucket, one more than there are bounds: the last is for what exceeds them all. Not cumulative. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
  /** Largest value; 0 when there is none. */
  readonly max: number;
}

export class Histogram {
  readonly #bounds: Float64Array;
  readonly #counts: Float64Array;
  #count = 0;
  #sum = 0;
  #max = 0;

  /** @param bounds - ascending upper bounds, each inclusive */
  constructor(bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  add(value: number): void {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= (this.#bounds[middle] ?? Number.POSITIVE_INFINITY)) high = middle;
      else low = middle + 1;
    }
    this.#counts[low] = (this.#counts[low] ?? 0) + 1;
    this.#count++;
    this.#sum += value;
    if (value > this.#max) this.#max = value;
  }

  snapshot(): HistogramSnapshot {
    return {
      bounds: [...this.#bounds],
      counts: [...this.#counts],
      count: this.#count,
      sum: this.#sum,
      max: this.#max,
    };
  }
}

/** `start`, then each bound `factor` times the one before. */
export function growingBounds(start: number, factor: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => start * factor ** index);
}
