/**
 * Numbers for series ids, so that an id of eight bytes is written once and referred to by one to three bytes.
 *
 * Writer and reader build the same dictionary from the same entries, beginning with an empty one in each file: a file is readable
 * when those before it are gone. Only so many series get a number, which bounds memory; the others are written in full.
 */

/** Series of one file that get a number. */
export const MAX_DICTIONARY_SERIES = 65_536;

export class SeriesDictionary {
  readonly #numbers = new Map<bigint, number>();
  readonly #ids: bigint[] = [];

  get size(): number {
    return this.#ids.length;
  }

  get isFull(): boolean {
    return this.#ids.length >= MAX_DICTIONARY_SERIES;
  }

  numberOf(seriesId: bigint): number | undefined {
    return this.#numbers.get(seriesId);
  }

  idOf(number: number): bigint | undefined {
    return this.#ids[number];
  }

  /** Gives the next number to a series. */
  add(seriesId: bigint): void {
    this.#numbers.set(seriesId, this.#ids.length);
    this.#ids.push(seriesId);
  }

  clear(): void {
    this.#numbers.clear();
    this.#ids.length = 0;
  }
}
