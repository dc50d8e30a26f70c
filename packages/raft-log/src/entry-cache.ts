/**
 * The newest entries in memory, up to a number of bytes: what followers that are nearly up to date ask for. Pure memory.
 *
 * The cache holds a stretch of entries that ends with the last one of the log. It shrinks from the front; an entry larger than
 * the whole cache empties it. The limit counts data, and a fixed cost for each entry.
 */
import type { Entry } from "./raft-types.ts";

/** Objects around the data of one entry, roughly. */
const ENTRY_OVERHEAD_BYTES = 160;

/** In the place of an entry that has been dropped, so that its data can go. */
const DROPPED: Entry = Object.freeze({ index: 0, term: 0, type: 0, data: new Uint8Array(0) });

export class EntryCache {
  readonly limitBytes: number;
  #entries: Entry[] = [];
  /** Entries at the front of the array that have been dropped already. */
  #dropped = 0;
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Index of the first entry that is here; `Infinity` when there is none. */
  get firstIndex(): number {
    return this.#entries[this.#dropped]?.index ?? Number.POSITIVE_INFINITY;
  }

  /** Adds the entry behind the last one. */
  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += costOf(entry);
    while (this.#bytes > this.limitBytes) this.#dropFirst();
  }

  /** Entries from `lo` up to but not including `hi`; all of them are here. */
  slice(lo: number, hi: number): readonly Entry[] {
    const from = this.#dropped + lo - this.firstIndex;
    return this.#entries.slice(from, from + hi - lo);
  }

  /** Forgets the entries from `index` on. */
  truncate(index: number): void {
    for (;;) {
      const last = this.#entries.at(-1);
      if (last === undefined || last.index < index || this.#entries.length === this.#dropped) break;
      this.#entries.pop();
      this.#bytes -= costOf(last);
    }
    if (this.#entries.length === this.#dropped) this.clear();
  }

  /** Forgets the entries before `index`. */
  compact(index: number): void {
    while (this.firstIndex < index) this.#dropFirst();
  }

  clear(): void {
    this.#entries = [];
    this.#dropped = 0;
    this.#bytes = 0;
  }

  #dropFirst(): void {
    const first = this.#entries[this.#dropped];
    if (first === undefined) return;
    this.#bytes -= costOf(first);
    this.#entries[this.#dropped++] = DROPPED;
    if (this.#dropped * 2 < this.#entries.length) return;
    // Half of the array is gone: an array that is shifted for each entry would cost its length each time.
    this.#entries = this.#entries.slice(this.#dropped);
    this.#dropped = 0;
  }
}

function costOf(entry: Entry): number {
  return entry.data.byteLength + ENTRY_OVERHEAD_BYTES;
}
