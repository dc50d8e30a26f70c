/**
 * Region: the part of the log that belongs to one memtable from its first point to its release. Plain state.
 */
import type { Memtable } from "../memtable.ts";
import { ValueArena } from "./value-arena.ts";

export type RegionState = "active" | "frozen" | "releasing" | "released";

export class Region {
  readonly number: number;
  readonly memtableId: string;
  memtable: Memtable;
  state: RegionState;
  /** Points in the log, and the bytes of their values. */
  points = 0;
  bytes = 0;
  /** Points in the memtable: the same number, but for a moment, and without persistence. */
  applied = 0;
  /** LSN at which the first file begins that holds points of it; `Infinity` as long as none does. */
  pinLsn: number = Number.POSITIVE_INFINITY;
  /** LSN of its first record with points. */
  originLsn = 0;
  lastLsn = 0;
  /** Where its values are copied to: memory of its own, so that it is free when the memtable is. */
  readonly arena: ValueArena = new ValueArena();
  /** When the first point came, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** Settles with the last batch that holds points of it. */
  lastBatch: Promise<unknown> = Promise.resolve();
  /** While its points are carried forward: settles when writes may go on. */
  carrying: Promise<unknown> | undefined;
  /** Its memtable has not thrown when it was asked for its entries. */
  isCarriable = true;

  constructor(options: Pick<Region, "number" | "memtableId" | "memtable" | "state" | "sinceMs">) {
    this.number = options.number;
    this.memtableId = options.memtableId;
    this.memtable = options.memtable;
    this.state = options.state;
    this.sinceMs = options.sinceMs;
  }

  /** Points have come into the log. */
  took(points: number, bytes: number, place: PointsPlace): void {
    this.points += points;
    this.bytes += bytes;
    this.pinLsn = Math.min(this.pinLsn, place.fileLsn);
    if (this.originLsn === 0) this.originLsn = place.firstLsn;
    this.lastLsn = place.lastLsn;
  }
}

/** Where points are: the file's first LSN, and those of their batch. */
export interface PointsPlace {
  readonly fileLsn: number;
  readonly firstLsn: number;
  readonly lastLsn: number;
}
