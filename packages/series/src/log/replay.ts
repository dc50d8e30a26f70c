/**
 * Replay: the regions of a log and their memtables, from its records in order. No I/O.
 *
 * A carried region begins anew with its carried points: what was read of it before may be all there was, or the rest that other
 * regions have held.
 */
import type { WalRecord } from "@walnut/wal";
import type { Memtable, MemtableInfo } from "../memtable.ts";
import { Region } from "./region.ts";
import type { StreamDecoder, StreamEvent } from "./stream-decoder.ts";

export interface ReplayedLog {
  /** Regions with points that were not released. */
  readonly regions: Iterable<Region>;
  readonly nextRegion: number;
  /** Points that were applied. */
  readonly points: number;
  /** Records that a salvage has lost, and those that cannot be read without them. */
  readonly lostRecords: number;
}

export class Replay {
  readonly #makeMemtable: (info: MemtableInfo) => Memtable;
  readonly #nowMs: number;
  readonly #files: { addFile(fileLsn: number): void };
  readonly #decoder: StreamDecoder;
  readonly #regions = new Map<number, Region>();
  #nextRegion = 1;
  #points = 0;

  /** @param files - is told of the files */
  constructor(
    makeMemtable: (info: MemtableInfo) => Memtable,
    nowMs: number,
    files: { addFile(fileLsn: number): void },
    decoder: StreamDecoder,
  ) {
    this.#makeMemtable = makeMemtable;
    this.#nowMs = nowMs;
    this.#files = files;
    this.#decoder = decoder;
  }

  /** @throws {SeriesError} `SERIES_CORRUPT`, `SERIES_UNSUPPORTED_FORMAT` */
  take(record: WalRecord): void {
    const event = this.#decoder.take(record);
    if (event === undefined) return;
    if (event.kind === "file") {
      this.#files.addFile(event.lsn);
      this.#nextRegion = Math.max(this.#nextRegion, event.nextRegion);
      return;
    }
    this.#nextRegion = Math.max(this.#nextRegion, event.region + 1);
    if (event.kind === "released") this.#regions.delete(event.region);
    else if (event.kind === "restart") this.#restart(event);
    else this.#apply(event);
  }

  /**
   * What was found.
   *
   * @param nextLsn - of the log: records may be missing at its end
   * @param hasLosses - the end of the log may be missing, and nobody can say how much
   */
  finish(nextLsn: number, hasLosses: boolean): ReplayedLog {
    this.#decoder.end(nextLsn);
    const { lostRecords } = this.#decoder;
    // What is lost may have known of higher numbers. Regions begin less often than once in a millisecond, so this one is new.
    const isUnsure = hasLosses || lostRecords > 0;
    const nextRegion = Math.max(this.#nextRegion, isUnsure ? Math.floor(this.#nowMs) : 0);
    return { regions: this.#regions.values(), nextRegion, points: this.#points, lostRecords };
  }

  #restart({ region, memtableId, originLsn }: StreamEvent & { readonly kind: "restart" }): void {
    this.#open(region, memtableId).originLsn = originLsn;
  }

  #apply({ lsn, region, memtableId, entries }: StreamEvent & { readonly kind: "points" }): void {
    const known = this.#regions.get(region) ?? this.#open(region, memtableId);
    let points = 0;
    let bytes = 0;
    for (const { values } of entries) {
      points += values.length;
      for (const value of values) bytes += value.byteLength;
    }
    known.memtable.apply(entries);
    known.applied += points;
    known.took(points, bytes, { fileLsn: this.#decoder.fileLsn, firstLsn: lsn, lastLsn: lsn });
    this.#points += points;
  }

  #open(number: number, memtableId: string): Region {
    const memtable = this.#makeMemtable({ memtableId, region: number });
    const sinceMs = this.#nowMs;
    const region = new Region({ number, memtableId, memtable, state: "frozen", sinceMs });
    this.#regions.set(number, region);
    return region;
  }
}
