/**
 * A small time-series store: points go into a series log and a memtable; a full memtable becomes a sorted file; a query looks at files
 * and memtables. What `write` has answered is there after kill -9 or a power loss.
 */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { ListMemtable, openSeriesLog, type FrozenMemtable, type SeriesLog } from "@walnut/series";
import { inRange, SortedFile, type FoundPoint } from "./sorted-file.ts";

/** Points after which a memtable is flushed. */
const MAX_MEMTABLE_POINTS = 5000;

const FILE_SUFFIX = ".sorted";

export class SeriesStore {
  readonly #directory: string;
  readonly #log: SeriesLog<ListMemtable>;
  readonly #files = new Map<number, SortedFile>();
  #flush: Promise<unknown> = Promise.resolve();
  #points = 0;

  private constructor(directory: string, log: SeriesLog<ListMemtable>) {
    this.#directory = directory;
    this.#log = log;
  }

  static async open(directory: string): Promise<SeriesStore> {
    await mkdir(directory, { recursive: true });
    const log = await openSeriesLog({
      directory: join(directory, "log"),
      memtable: () => new ListMemtable(),
    });
    const store = new SeriesStore(directory, log);
    await store.#openFiles();
    for (const frozen of log.frozen()) await store.#flushOne(frozen);
    return store;
  }

  /** Resolves when the point is on the device and queries find it. */
  async write(seriesId: bigint, timestamp: bigint, value: Uint8Array): Promise<void> {
    await this.#log.write(seriesId, timestamp, value);
    if (++this.#points < MAX_MEMTABLE_POINTS) return;
    this.#points = 0;
    await this.#flush; // One flush at a time: who writes faster than the disk takes waits here.
    this.#flush = this.flush();
  }

  /** Makes a file of what is in memory. */
  async flush(): Promise<void> {
    for (const frozen of await this.#log.rotate()) await this.#flushOne(frozen);
  }

  /** Points of a series in a range of time, both ends included, in the order of time. */
  async query(seriesId: bigint, from: bigint, to: bigint): Promise<readonly FoundPoint[]> {
    // Taken in one step: a flush that ends meanwhile moves points from one to the other.
    const { active } = this.#log.memtable();
    const swapped = this.#log.frozen().filter(({ region }) => !this.#files.has(region));
    const memtables = [
      ...swapped.map(({ memtable }) => memtable),
      ...(active === undefined ? [] : [active]),
    ];
    const files = [...this.#files.values()];
    const found = memtables.flatMap((memtable) => {
      const entry = memtable.get(seriesId);
      return entry === undefined ? [] : inRange(entry, from, to);
    });
    for (const file of files) found.push(...(await file.find(seriesId, from, to)));
    return found.sort((a, b) => Number(a.timestamp - b.timestamp));
  }

  async close(): Promise<void> {
    await this.#flush;
    await this.#log.close();
  }

  async #openFiles(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      // A crash has come before its rename: the log still has what it should hold.
      if (name.endsWith(".tmp")) await rm(path);
      if (name.endsWith(FILE_SUFFIX))
        this.#files.set(Number.parseInt(name, 10), await SortedFile.open(path));
    }
  }

  /** The file first, then the release: a crash in between finds the file and only releases. */
  async #flushOne(frozen: FrozenMemtable<ListMemtable>): Promise<void> {
    const { region, memtable } = frozen;
    if (!this.#files.has(region)) {
      const path = join(this.#directory, `${region}${FILE_SUFFIX}`);
      this.#files.set(region, await SortedFile.write(path, memtable.entries()));
    }
    await frozen.release();
  }
}
