/**
 * The newest entries in memory, up to a number of bytes: what followers that are nearly up to date ask for. Pure memory.
 *
 * A cache holds a stretch of entries of one group that ends with the last one of its log. The limit is one for all groups of a node,
 * and counts data and a fixed cost for each entry: what is too much goes from the front of the group that has not saved for longest.
 * An entry larger than the limit empties its cache.
 */
import type { Entry } from "./raft-types.ts";

/** Objects around the data of one entry, roughly. */
const ENTRY_OVERHEAD_BYTES = 160;

/** In the place of an entry that has been dropped, so that its data can go. */
const DROPPED: Entry = Object.freeze({ index: 0, term: 0, type: 0, data: new Uint8Array(0) });

/** What the caches of all groups may hold together. */
export class CacheBudget {
  readonly limitBytes: number;
  /** Caches that hold something, the one that was added to last at the end. */
  readonly #caches = new Set<EntryCache>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes note of what a cache holds more, or less when negative, and makes room. */
  changed(cache: EntryCache, bytes: number): void {
    this.#bytes += bytes;
    if (bytes > 0) {
      this.#caches.delete(cache);
      this.#caches.add(cache);
    }
    if (cache.bytes === 0) this.#caches.delete(cache);
    if (this.#bytes <= this.limitBytes) return;
    for (const oldest of this.#caches) {
      while (this.#bytes > this.limitBytes && oldest.bytes > 0) oldest.dropFirst();
      if (this.#bytes <= this.limitBytes) return;
    }
  }
}

export class EntryCache {
  readonly #budget: CacheBudget;
  #entries: Entry[] = [];
  /** Entries at the front of the array that have been dropped already. */
  #dropped = 0;
  #bytes = 0;

  constructor(budget: CacheBudget) {
    this.#budget = budget;
  }

  get limitBytes(): number {
    return this.#budget.limitBytes;
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
    this.#entries.push(withOwnData(entry));
    this.#count(costOf(entry));
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
      this.#count(-costOf(last));
    }
    if (this.#entries.length === this.#dropped) this.clear();
  }

  /** Forgets the entries before `index`. */
  compact(index: number): void {
    while (this.firstIndex < index) this.dropFirst();
  }

  clear(): void {
    this.#entries = [];
    this.#dropped = 0;
    this.#count(-this.#bytes);
  }

  /** Forgets the first entry. */
  dropFirst(): void {
    const first = this.#entries[this.#dropped];
    if (first === undefined) return;
    this.#entries[this.#dropped++] = DROPPED;
    this.#count(-costOf(first));
    if (this.#dropped * 2 < this.#entries.length) return;
    // Half of the array is gone: an array that is shifted for each entry would cost its length each time.
    this.#entries = this.#entries.slice(this.#dropped);
    this.#dropped = 0;
  }

  #count(bytes: number): void {
    if (bytes === 0) return;
    this.#bytes += bytes;
    this.#budget.changed(this, bytes);
  }
}

/** Data that is a part of larger memory, a frame that was read or a message that came in, is copied: it would keep the whole of it. */
function withOwnData(entry: Entry): Entry {
  const { data } = entry;
  if (data.byteLength === data.buffer.byteLength) return entry;
  return { ...entry, data: new Uint8Array(data) };
}

function costOf(entry: Entry): number {
  return entry.data.byteLength + ENTRY_OVERHEAD_BYTES;
}
