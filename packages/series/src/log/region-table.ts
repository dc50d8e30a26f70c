/**
 * The regions of a log that were not released: at most one active one for each memtable id, and any number of frozen ones.
 *
 * A memtable has a region from its first point to the swap, and nothing in between: ids that are no longer used leave nothing behind.
 */
import type { Memtable, MemtableInfo } from "../memtable.ts";
import { Region } from "./region.ts";

export class RegionTable {
  readonly #makeMemtable: (info: MemtableInfo) => Memtable;
  readonly #nowMs: () => number;
  readonly #active = new Map<string, Region>();
  readonly #frozen = new Map<number, Region>();
  #nextNumber = 1;

  constructor(makeMemtable: (info: MemtableInfo) => Memtable, nowMs: () => number) {
    this.#makeMemtable = makeMemtable;
    this.#nowMs = nowMs;
  }

  /** The number that the next region will get. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  get activeIds(): readonly string[] {
    return [...this.#active.keys()];
  }

  get frozen(): Iterable<Region> {
    return this.#frozen.values();
  }

  *all(): IterableIterator<Region> {
    yield* this.#frozen.values();
    yield* this.#active.values();
  }

  /** Takes over what a replay has found. All of it is frozen: what was in memory before a restart gets no further points. */
  restore(replayed: { readonly regions: Iterable<Region>; readonly nextRegion: number }): void {
    for (const region of replayed.regions) this.#frozen.set(region.number, region);
    this.#nextNumber = Math.max(this.#nextNumber, replayed.nextRegion);
  }

  active(memtableId: string): Region | undefined {
    return this.#active.get(memtableId);
  }

  /** The active region of a memtable, begun if there is none. */
  activate(memtableId: string): Region {
    const known = this.#active.get(memtableId);
    if (known !== undefined) return known;
    const number = this.#nextNumber++;
    const memtable = this.#makeMemtable({ memtableId, region: number });
    const sinceMs = this.#nowMs();
    const region = new Region({ number, memtableId, memtable, state: "active", sinceMs });
    this.#active.set(memtableId, region);
    return region;
  }

  /** Swaps: from now on points of this memtable go into another region. One step: nothing can come in between. */
  freeze(memtableId: string): Region | undefined {
    const region = this.#active.get(memtableId);
    if (region === undefined) return undefined;
    this.#active.delete(memtableId);
    region.state = "frozen";
    this.#frozen.set(region.number, region);
    return region;
  }

  remove(region: Region): void {
    this.#frozen.delete(region.number);
  }
}
