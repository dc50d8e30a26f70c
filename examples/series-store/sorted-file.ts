/**
 * A sorted file: the points of a flushed memtable, series by series and in the order of time, with an index of where each series is.
 *
 *     blocks (entries in layout v2) | index (JSON) | bytes of the index, CRC-32 of all before (4 bytes each)
 *
 * It appears whole or not at all: temporary name, sync, rename, sync of the directory.
 */
import { open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { decodeEntriesV2, encodeEntriesV2, type SeriesEntry } from "@walnut/series";

const FOOTER_BYTES = 8;

interface Block {
  readonly offset: number;
  readonly bytes: number;
  readonly from: bigint;
  readonly to: bigint;
}

/** A point as a query answers it. */
export interface FoundPoint {
  readonly timestamp: bigint;
  readonly value: Uint8Array;
}

export class SortedFile {
  readonly #path: string;
  readonly #blocks: ReadonlyMap<bigint, Block>;

  private constructor(path: string, blocks: ReadonlyMap<bigint, Block>) {
    this.#path = path;
    this.#blocks = blocks;
  }

  static async write(path: string, entries: Iterable<SeriesEntry>): Promise<SortedFile> {
    const blocks = new Map<bigint, Block>();
    const parts: Uint8Array[] = [];
    let offset = 0;
    for (const entry of [...entries].sort((a, b) => (a.seriesId < b.seriesId ? -1 : 1))) {
      const sorted = byTime(entry);
      const part = encodeEntriesV2([sorted]);
      const { timestamps } = sorted;
      const range = { from: timestamps[0] ?? 0n, to: timestamps.at(-1) ?? 0n };
      blocks.set(entry.seriesId, { offset, bytes: part.byteLength, ...range });
      parts.push(part);
      offset += part.byteLength;
    }
    const rows = [...blocks].map(([id, { bytes, from, to }]) => [
      String(id),
      bytes,
      String(from),
      String(to),
    ]);
    const index = Buffer.from(JSON.stringify(rows));
    const content = Buffer.concat([...parts, index, new Uint8Array(FOOTER_BYTES)]);
    content.writeUInt32LE(index.byteLength, content.byteLength - FOOTER_BYTES);
    content.writeUInt32LE(crc32(content.subarray(0, -4)), content.byteLength - 4);
    await writeDurably(path, content);
    return new SortedFile(path, blocks);
  }

  static async open(path: string): Promise<SortedFile> {
    const content = await readFile(path);
    const end = content.byteLength - FOOTER_BYTES;
    if (end < 0 || crc32(content.subarray(0, -4)) !== content.readUInt32LE(end + 4)) {
      throw new Error(`${path} is damaged; restore it from a copy`);
    }
    const rows = JSON.parse(
      content.subarray(end - content.readUInt32LE(end), end).toString(),
    ) as readonly [string, number, string, string][];
    const blocks = new Map<bigint, Block>();
    let offset = 0;
    for (const [id, bytes, from, to] of rows) {
      blocks.set(BigInt(id), { offset, bytes, from: BigInt(from), to: BigInt(to) });
      offset += bytes;
    }
    return new SortedFile(path, blocks);
  }

  /** Points of a series in a range of time, both ends included. */
  async find(seriesId: bigint, from: bigint, to: bigint): Promise<FoundPoint[]> {
    const block = this.#blocks.get(seriesId);
    if (block === undefined || block.from > to || block.to < from) return [];
    const file = await open(this.#path);
    try {
      const bytes = new Uint8Array(block.bytes);
      await file.read(bytes, 0, block.bytes, block.offset);
      return decodeEntriesV2(bytes).flatMap((entry) => inRange(entry, from, to));
    } finally {
      await file.close();
    }
  }
}

/** Points of an entry in a range of time, both ends included, in the order of the entry. */
export function inRange(
  { timestamps, values }: SeriesEntry,
  from: bigint,
  to: bigint,
): FoundPoint[] {
  return values.flatMap((value, index) => {
    const timestamp = timestamps[index] ?? 0n;
    return timestamp >= from && timestamp <= to ? [{ timestamp, value }] : [];
  });
}

function byTime({ seriesId, timestamps, values }: SeriesEntry): SeriesEntry {
  const order = [...timestamps.keys()].sort((a, b) =>
    Number((timestamps[a] ?? 0n) - (timestamps[b] ?? 0n)),
  );
  return {
    seriesId,
    timestamps: order.map((index) => timestamps[index] ?? 0n),
    values: order.map((index) => values[index] ?? new Uint8Array(0)),
  };
}

async function writeDurably(path: string, content: Uint8Array): Promise<void> {
  const file = await open(`${path}.tmp`, "w");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.tmp`, path);
  const directory = await open(dirname(path));
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
