/**
 * Where entry records stand: file and offset by their number in the log, four bytes each. Pure memory.
 *
 * Numbers count all entry records, replaced ones as well, so they are dense; which entry has which number is in the index of the
 * group. Frames begin at multiples of 8, so an offset divided by 8 fits, up to files of 32 GiB.
 */

const BLOCK_POSITIONS = 4096;
const FRAME_ALIGNMENT = 8;

export interface FramePosition {
  readonly sequence: number;
  readonly offsetBytes: number;
}

export class FramePositions {
  #blocks: Uint32Array[] = [];
  /** Number of the first position of the first block. */
  #base = 0;
  #count = 0;
  /** Files in order, each with the number of its first entry record. */
  readonly #sequences: number[] = [];
  readonly #firsts: number[] = [];

  /** Number that the next entry record gets. */
  get next(): number {
    return this.#count;
  }

  get memoryBytes(): number {
    return this.#blocks.length * BLOCK_POSITIONS * 4 + this.#firsts.length * 16;
  }

  /** Notes an entry record behind the last one. @returns its number */
  add({ sequence, offsetBytes }: FramePosition): number {
    if (this.#sequences.at(-1) !== sequence) {
      this.#sequences.push(sequence);
      this.#firsts.push(this.#count);
    }
    const slot = this.#count - this.#base;
    const blockNumber = Math.floor(slot / BLOCK_POSITIONS);
    let block = this.#blocks[blockNumber];
    if (block === undefined) {
      block = new Uint32Array(BLOCK_POSITIONS);
      this.#blocks[blockNumber] = block;
    }
    block[slot % BLOCK_POSITIONS] = offsetBytes / FRAME_ALIGNMENT;
    return this.#count++;
  }

  /** Position of a number that was given out and not forgotten. */
  at(number: number): FramePosition {
    const slot = number - this.#base;
    const offset = this.#blocks[Math.floor(slot / BLOCK_POSITIONS)]?.[slot % BLOCK_POSITIONS] ?? 0;
    return {
      sequence: this.#sequences[this.#fileOf(number)] ?? 0,
      offsetBytes: offset * FRAME_ALIGNMENT,
    };
  }

  /** True when the record stands first in its file, among entries. */
  isFirstOfFile(number: number): boolean {
    return this.#firsts[this.#fileOf(number)] === number;
  }

  /** Number behind the last entry record of the file that holds `number`. */
  endOfFile(number: number): number {
    return this.#firsts[this.#fileOf(number) + 1] ?? this.#count;
  }

  /** Forgets numbers below `number`, in whole blocks and files. */
  forget(number: number): void {
    const blocks = Math.max(0, Math.floor((number - this.#base) / BLOCK_POSITIONS));
    this.#blocks.splice(0, blocks);
    this.#base += blocks * BLOCK_POSITIONS;
    const files = Math.max(0, this.#fileOf(number));
    this.#sequences.splice(0, files);
    this.#firsts.splice(0, files);
  }

  #fileOf(number: number): number {
    let low = 0;
    let high = this.#firsts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#firsts[middle] ?? 0) <= number) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
