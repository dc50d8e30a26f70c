/**
 * The working half of the log's buffer: points that wait to be handed to the log, grouped by region and series.
 *
 * All who wrote into one buffer share one promise. Pure memory: no I/O, no timers.
 */
import type { SeriesEntry } from "../series-entry.ts";
import type { Region } from "./region.ts";

/** What a point takes in memory and log besides its value, at most, in bytes. */
export const POINT_OVERHEAD_BYTES = 40;

interface GroupedEntry extends SeriesEntry {
  readonly timestamps: bigint[];
  readonly values: Uint8Array[];
}

/** Points of one region. */
export class RegionGroup {
  readonly region: Region;
  points = 0;
  valueBytes = 0;
  readonly #entries = new Map<bigint, GroupedEntry>();

  constructor(region: Region) {
    this.region = region;
  }

  /** One per series, in the order in which the series came. */
  get entries(): readonly SeriesEntry[] {
    return [...this.#entries.values()];
  }

  /** Returns the copy that it keeps. */
  add(seriesId: bigint, timestamp: bigint, value: Uint8Array): Uint8Array {
    let entry = this.#entries.get(seriesId);
    if (entry === undefined) {
      entry = { seriesId, timestamps: [], values: [] };
      this.#entries.set(seriesId, entry);
    }
    const kept = this.region.arena.copy(value);
    entry.timestamps.push(timestamp);
    entry.values.push(kept);
    this.points++;
    this.valueBytes += kept.byteLength;
    return kept;
  }
}

export class GroupingBuffer {
  readonly #groups = new Map<Region, RegionGroup>();
  points = 0;
  bytes = 0;
  /** Resolves with the LSN of the last record of the batch that the points became. */
  readonly acknowledged: Promise<number>;
  resolve: (lsn: number) => void = () => undefined;
  reject: (reason: unknown) => void = () => undefined;

  constructor() {
    this.acknowledged = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  get groups(): IterableIterator<RegionGroup> {
    return this.#groups.values();
  }

  /** Returns the copy of the value that it keeps. */
  add(region: Region, seriesId: bigint, timestamp: bigint, value: Uint8Array): Uint8Array {
    let group = this.#groups.get(region);
    if (group === undefined) {
      group = new RegionGroup(region);
      this.#groups.set(region, group);
      region.lastBatch = this.acknowledged;
    }
    this.points++;
    this.bytes += POINT_OVERHEAD_BYTES + value.byteLength;
    return group.add(seriesId, timestamp, value);
  }
}
