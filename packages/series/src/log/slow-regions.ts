/**
 * What happens to a region that holds many files because its memtable is slow: its points are carried forward, or its owner is asked
 * to flush it. The rule is in docs/series.md, "Slow memtables".
 *
 * Looked at whenever a file begins, for all regions at once: no timer, and nothing per memtable.
 */
import { isWalError } from "@walnut/wal";
import type { FlushRequest } from "../options.ts";
import type { FilePins } from "./file-pins.ts";
import type { FileWriter } from "./file-writer.ts";
import type { LogRoom } from "./log-room.ts";
import type { Region } from "./region.ts";
import type { WriteQueue } from "./write-queue.ts";

export interface SlowRegionsParts {
  readonly queue: WriteQueue;
  readonly files: FileWriter;
  readonly pins: FilePins;
  readonly room: LogRoom;
  readonly maxHeldFiles: number;
  readonly maxCarriedBytes: number;
  readonly onFlushWanted: (request: FlushRequest) => void;
  readonly regions: () => Iterable<Region>;
  readonly release: () => Promise<void>;
}

export class SlowRegions {
  readonly #parts: SlowRegionsParts;
  #relieving: Promise<void> | undefined;
  #carriedPoints = 0;

  constructor(parts: SlowRegionsParts) {
    this.#parts = parts;
  }

  /** Points that were written again since the log was opened. */
  get carriedPoints(): number {
    return this.#carriedPoints;
  }

  /** Settles when nothing is being carried; never rejects. */
  get settled(): Promise<void> {
    return this.#relieving ?? Promise.resolve();
  }

  /** Looks at all regions; one look at a time. Never rejects. */
  relieve(): Promise<void> {
    this.#relieving ??= this.#relieve()
      .catch(() => undefined) // An `onFlushWanted` that throws: it is called again with the next file.
      .finally(() => (this.#relieving = undefined));
    return this.#relieving;
  }

  async #relieve(): Promise<void> {
    const { pins, regions, maxHeldFiles, onFlushWanted } = this.#parts;
    let hasCarried = false;
    const isSlow = ({ pinLsn }: Region): boolean => pins.filesFrom(pinLsn) > maxHeldFiles;
    for (const region of Array.from(regions()).filter(isSlow)) {
      if (isLeaving(region)) continue;
      const heldFiles = pins.filesFrom(region.pinLsn);
      const { memtableId, number } = region;
      const isCarried = this.#mayCarry(region) && (await this.#carry(region));
      hasCarried ||= isCarried;
      if (isCarried || region.state !== "active") continue;
      onFlushWanted({ memtableId, region: number, heldFiles });
    }
    if (hasCarried) await this.#parts.release();
  }

  #mayCarry({ memtable, bytes, isCarriable }: Region): boolean {
    const { room, maxCarriedBytes } = this.#parts;
    const isPossible = isCarriable && memtable.entries !== undefined;
    return isPossible && bytes <= maxCarriedBytes && room.canCarry(bytes);
  }

  /**
   * Writes to the region wait meanwhile, so that log and memtable are the same when its points are taken.
   *
   * 1. Points appended again behind a restart, as one durable batch: both are in the log, and a replay begins anew at the restart
   *    (CRASH: series-carry-1)
   * 2. The old files go: see `FilePins`
   *
   * @returns false when it was not: the disk has no room, the memtable throws, or the region is being released
   */
  async #carry(region: Region): Promise<boolean> {
    const { queue, files, room } = this.#parts;
    let goOn = (): void => undefined;
    region.carrying = new Promise<void>((resolve) => (goOn = resolve));
    try {
      queue.handOver();
      await Promise.allSettled([region.lastBatch]);
      const entries = region.memtable.entries?.();
      if (entries === undefined || isLeaving(region)) return false;
      const place = await files.appendCarried(region, entries);
      region.pinLsn = place.fileLsn;
      region.lastLsn = Math.max(region.lastLsn, place.lastLsn);
      this.#carriedPoints += region.points;
      return true;
    } catch (error) {
      // Any other failure of the log is seen by the writes behind it.
      if (isWalError(error, "WAL_NO_SPACE")) room.hadNoneToCarry();
      else if (!isWalError(error)) region.isCarriable = false;
      return false;
    } finally {
      region.carrying = undefined;
      goOn();
    }
  }
}

function isLeaving({ state }: Region): boolean {
  return state === "releasing" || state === "released";
}
