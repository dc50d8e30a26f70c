/**
 * Numbers about the records of a log: counts, sizes, times, rates. Gathers in bounded memory. Pure.
 */
import type { LogRecords } from "@walnut/wal";

/** Records of sizes from `fromBytes` up to, not including, `toBytes`. */
export interface SizeBucket {
  readonly fromBytes: number;
  readonly toBytes: number;
  readonly records: number;
}

export interface LogStats {
  readonly records: number;
  readonly payloadBytes: number;
  readonly frames: number;
  /** Frames with records in the files: headers, bodies, padding. */
  readonly frameBytes: number;
  readonly recordsPerFrame: number;
  /** Bodies before compression over bodies as stored. */
  readonly compressionRatio: number;
  readonly framesByCodec: Readonly<Record<string, number>>;
  readonly recordsByKind: Readonly<Record<string, number>>;
  readonly sizes: {
    readonly min: number;
    readonly mean: number;
    /** Within 3 % of the true value. */
    readonly median: number;
    readonly p99: number;
    readonly max: number;
    readonly buckets: readonly SizeBucket[];
  };
  readonly firstTimeMs: number | undefined;
  readonly lastTimeMs: number | undefined;
}

const CODEC_NAMES = ["none", "deflate", "snappy", "lz4", "zstd"];
/** Parts that each power of two is divided into. */
const PARTS = 32;

export class StatsCounter {
  #records = 0;
  #payloadBytes = 0;
  #frames = 0;
  #frameBytes = 0;
  #storedBytes = 0;
  #rawBytes = 0;
  #minBytes = Number.POSITIVE_INFINITY;
  #maxBytes = 0;
  #firstTimeMs: number | undefined;
  #lastTimeMs: number | undefined;
  readonly #codecs = new Map<number, number>();
  readonly #kinds = new Map<number, number>();
  /** Records by part of a power of two. */
  readonly #sizes = new Map<number, number>();

  add(part: LogRecords): void {
    this.#frames++;
    this.#frameBytes += part.lengthBytes;
    this.#storedBytes += part.storedBytes;
    this.#rawBytes += part.rawBytes;
    this.#firstTimeMs ??= part.timeMs;
    this.#lastTimeMs = part.timeMs;
    count(this.#codecs, part.codecId);
    for (const { kind, payload } of part.records) {
      const bytes = payload.byteLength;
      this.#records++;
      this.#payloadBytes += bytes;
      this.#minBytes = Math.min(this.#minBytes, bytes);
      this.#maxBytes = Math.max(this.#maxBytes, bytes);
      count(this.#kinds, kind);
      count(this.#sizes, partOf(bytes));
    }
  }

  get stats(): LogStats {
    const records = this.#records;
    return {
      records,
      payloadBytes: this.#payloadBytes,
      frames: this.#frames,
      frameBytes: this.#frameBytes,
      recordsPerFrame: this.#frames === 0 ? 0 : records / this.#frames,
      compressionRatio: this.#storedBytes === 0 ? 1 : this.#rawBytes / this.#storedBytes,
      framesByCodec: named(this.#codecs, (id) => CODEC_NAMES[id] ?? `codec ${id}`),
      recordsByKind: named(this.#kinds, String),
      sizes: {
        min: records === 0 ? 0 : this.#minBytes,
        mean: records === 0 ? 0 : this.#payloadBytes / records,
        median: this.#percentile(50),
        p99: this.#percentile(99),
        max: this.#maxBytes,
        buckets: this.#buckets(),
      },
      firstTimeMs: this.#firstTimeMs,
      lastTimeMs: this.#lastTimeMs,
    };
  }

  #percentile(percent: number): number {
    const wanted = Math.ceil((this.#records * percent) / 100);
    let seen = 0;
    for (const [part, records] of this.#sortedSizes()) {
      seen += records;
      if (seen >= wanted) return Math.min(this.#maxBytes, Math.max(this.#minBytes, startOf(part)));
    }
    return 0;
  }

  /** One bucket per power of two, from the smallest to the largest size that occurs. */
  #buckets(): readonly SizeBucket[] {
    const byPower = new Map<number, number>();
    for (const [part, records] of this.#sizes) {
      const power = part === 0 ? -1 : Math.floor((part - 1) / PARTS);
      byPower.set(power, (byPower.get(power) ?? 0) + records);
    }
    const powers = [...byPower.keys()];
    const buckets: SizeBucket[] = [];
    for (let power = Math.min(...powers); power <= Math.max(...powers); power++) {
      const records = byPower.get(power) ?? 0;
      const fromBytes = power < 0 ? 0 : 2 ** power;
      buckets.push({ fromBytes, toBytes: power < 0 ? 1 : 2 ** (power + 1), records });
    }
    return buckets;
  }

  #sortedSizes(): [number, number][] {
    return [...this.#sizes].sort(([a], [b]) => a - b);
  }
}

function partOf(bytes: number): number {
  if (bytes === 0) return 0;
  const power = Math.floor(Math.log2(bytes));
  const part = Math.min(PARTS - 1, Math.floor((bytes / 2 ** power - 1) * PARTS));
  return 1 + power * PARTS + part;
}

function startOf(part: number): number {
  if (part === 0) return 0;
  const power = Math.floor((part - 1) / PARTS);
  return Math.ceil(2 ** power * (1 + ((part - 1) % PARTS) / PARTS));
}

function count(map: Map<number, number>, key: number): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

function named(
  map: ReadonlyMap<number, number>,
  nameOf: (key: number) => string,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...map].sort(([a], [b]) => a - b).map(([key, value]) => [nameOf(key), value]),
  );
}
