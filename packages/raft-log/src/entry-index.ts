/**
 * Where the entries of a group are: LSN and size of each, in a few bytes an entry.
 *
 * Entries of one group mostly follow each other in the log, so LSNs are kept as runs; sizes are four bytes each, in blocks that
 * are dropped as the log is compacted. Pure memory.
 */

const BLOCK_ENTRIES = 4096;
/** The last block begins with so many and grows: a node may have thousands of groups with a few entries each. */
const FIRST_ENTRIES = 16;

/** A stretch of entries whose LSNs follow each other. */
export interface EntryRun {
  readonly firstIndex: number;
  readonly firstLsn: number;
  readonly count: number;
}

/** Room for an entry at `offset`: the block itself, or a larger one in its place. */
function grown(block: Uint32Array | undefined, offset: number): Uint32Array {
  if (block !== undefined && offset < block.length) return block;
  const length = Math.max(FIRST_ENTRIES, 2 ** Math.ceil(Math.log2(offset + 1)));
  const next = new Uint32Array(Math.min(BLOCK_ENTRIES, length));
  if (block !== undefined) next.set(block);
  return next;
}

/** Positions of the entries from `firstIndex` to `lastIndex`. */
export class EntryIndex {
  /** Data bytes by entry. Block `b` begins at index `#blockBase + b * BLOCK_ENTRIES`. */
  #blocks: Uint32Array[] = [];
  #blockBase = 1;
  #runIndexes: number[] = [];
  #runLsns: number[] = [];
  #firstIndex = 1;
  #lastIndex = 0;
  #dataBytes = 0;

  get firstIndex(): number {
    return this.#firstIndex;
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** Data of all entries. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  /** Memory of the index, roughly. */
  get memoryBytes(): number {
    const entries = this.#blocks.reduce((sum, block) => sum + block.length, 0);
    return entries * 4 + this.#runIndexes.length * 16;
  }

  /** Adds the entry behind the last one. */
  add(lsn: number, dataBytes: number): void {
    const index = ++this.#lastIndex;
    const slot = index - this.#blockBase;
    const blockNumber = Math.floor(slot / BLOCK_ENTRIES);
    const offset = slot % BLOCK_ENTRIES;
    const block = grown(this.#blocks[blockNumber], offset);
    this.#blocks[blockNumber] = block;
    block[offset] = dataBytes;
    this.#dataBytes += dataBytes;
    const last = this.#runIndexes.length - 1;
    const expectedLsn = (this.#runLsns[last] ?? 0) + index - (this.#runIndexes[last] ?? 0);
    if (last >= 0 && expectedLsn === lsn) return;
    this.#runIndexes.push(index);
    this.#runLsns.push(lsn);
  }

  /** Data bytes of one entry. */
  sizeOf(index: number): number {
    const slot = index - this.#blockBase;
    return this.#blocks[Math.floor(slot / BLOCK_ENTRIES)]?.[slot % BLOCK_ENTRIES] ?? 0;
  }

  lsnOf(index: number): number {
    const run = this.#findRun(index);
    return (this.#runLsns[run] ?? 0) + index - (this.#runIndexes[run] ?? 0);
  }

  /** The runs that hold the entries from `lo` up to but not including `hi`. */
  runs(lo: number, hi: number): readonly EntryRun[] {
    const runs: EntryRun[] = [];
    let index = lo;
    for (let run = this.#findRun(lo); index < hi; run++) {
      const end = Math.min(hi, this.#runIndexes[run + 1] ?? this.#lastIndex + 1);
      runs.push({ firstIndex: index, firstLsn: this.lsnOf(index), count: end - index });
      index = end;
    }
    return runs;
  }

  /** Index behind the last entry that fits: the first always does. */
  fit(lo: number, hi: number, maxBytes: number): number {
    let bytes = 0;
    for (let index = lo; index < hi; index++) {
      bytes += this.sizeOf(index);
      if (bytes > maxBytes && index > lo) return index;
    }
    return hi;
  }

  /** Forgets the entries from `index` on. */
  truncate(index: number): void {
    if (index > this.#lastIndex) return;
    for (let gone = Math.max(index, this.#firstIndex); gone <= this.#lastIndex; gone++) {
      this.#dataBytes -= this.sizeOf(gone);
    }
    this.#lastIndex = Math.max(index, this.#firstIndex) - 1;
    this.#blocks.length = Math.ceil((this.#lastIndex + 1 - this.#blockBase) / BLOCK_ENTRIES);
    let runs = this.#runIndexes.length;
    while (runs > 0 && (this.#runIndexes[runs - 1] ?? 0) > this.#lastIndex) runs--;
    this.#runIndexes.length = runs;
    this.#runLsns.length = runs;
  }

  /** Forgets the entries before `firstIndex`, which is at most one behind the last. */
  compact(firstIndex: number): void {
    if (firstIndex > this.#lastIndex) {
      this.reset(firstIndex);
      return;
    }
    for (let gone = this.#firstIndex; gone < firstIndex; gone++) {
      this.#dataBytes -= this.sizeOf(gone);
    }
    const run = this.#findRun(firstIndex);
    const firstLsn = this.lsnOf(firstIndex);
    this.#runIndexes.splice(0, run);
    this.#runLsns.splice(0, run);
    this.#runIndexes[0] = firstIndex;
    this.#runLsns[0] = firstLsn;
    const blocks = Math.floor((firstIndex - this.#blockBase) / BLOCK_ENTRIES);
    this.#blocks.splice(0, blocks);
    this.#blockBase += blocks * BLOCK_ENTRIES;
    this.#firstIndex = firstIndex;
  }

  /** Empty, with `firstIndex` as the next index. */
  reset(firstIndex: number): void {
    this.#blocks = [];
    this.#blockBase = firstIndex;
    this.#runIndexes = [];
    this.#runLsns = [];
    this.#firstIndex = firstIndex;
    this.#lastIndex = firstIndex - 1;
    this.#dataBytes = 0;
  }

  /** Number of the run that holds `index`. */
  #findRun(index: number): number {
    let low = 0;
    let high = this.#runIndexes.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#runIndexes[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
