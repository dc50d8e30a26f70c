/**
 * Terms of a range of entries, run-length coded: terms change rarely, so a million entries take a few numbers. Pure memory.
 */

/** Terms by index; the range ends where its owner says. */
export class TermRuns {
  /** First index of each run, ascending; its term beside it. */
  readonly #firstIndexes: number[] = [];
  readonly #terms: number[] = [];

  get runCount(): number {
    return this.#terms.length;
  }

  /** Notes the term of the entry behind the last one, or of one further on. */
  add(index: number, term: number): void {
    if (this.#terms.at(-1) === term) return;
    this.#firstIndexes.push(index);
    this.#terms.push(term);
  }

  /** Term at an index that has been added; of the last run before it otherwise. */
  at(index: number): number {
    return this.#terms[this.#find(index)] ?? 0;
  }

  /** Forgets the entries from `index` on. */
  truncate(index: number): void {
    let count = this.#firstIndexes.length;
    while (count > 0 && (this.#firstIndexes[count - 1] ?? 0) >= index) count--;
    this.#firstIndexes.length = count;
    this.#terms.length = count;
  }

  /** Forgets the entries before `index`. */
  compact(index: number): void {
    const run = this.#find(index);
    if (run <= 0) return;
    this.#firstIndexes.splice(0, run);
    this.#terms.splice(0, run);
  }

  clear(): void {
    this.#firstIndexes.length = 0;
    this.#terms.length = 0;
  }

  /** Number of the run that holds `index`. */
  #find(index: number): number {
    let low = 0;
    let high = this.#firstIndexes.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#firstIndexes[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
