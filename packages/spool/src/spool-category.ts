/**
 * One category of a spool: a log in a directory of its own, what happens when it is full, and what it counts.
 */
import {
  isWalError,
  joinPath,
  openWalWith,
  type CapacityGroup,
  type Cursor,
  type DropReport,
  type Wal,
  type WalEnvironment,
} from "@walnut/wal";
import { encodeItem, ITEM_HEADER_BYTES, type ItemAttributes } from "./item-record.ts";
import { ItemReader } from "./item-reader.ts";
import { SpoolError } from "./errors.ts";
import type { ResolvedCategory, ResolvedSpoolOptions } from "./options.ts";

/** Where an item went. */
export interface PutResult {
  /** LSN of the item in its category; 0 when policy "drop-newest" has dropped it. */
  readonly lsn: number;
}

export interface PutOptions {
  /** What the consumer is to know about the item. */
  readonly attributes?: ItemAttributes | undefined;
}

/** What a category says about itself. */
export interface CategoryStatus {
  readonly name: string;
  readonly directory: string;
  readonly state: "open" | "closing" | "closed" | "poisoned";
  /** The worst that an item whose put has resolved survives, in words. */
  readonly survives: string;
  readonly warnings: readonly string[];
  /** Items since the first one ever, and since the spool was opened. */
  readonly lastLsn: number;
  readonly putItems: number;
  readonly putBytes: number;
  /** Bytes of segments, and the limits they meet. */
  readonly sizeBytes: number;
  readonly maxBytes: number;
  readonly guaranteedBytes: number;
  readonly whenFull: string;
  /** Puts that wait for room. */
  readonly waitingForRoom: number;
  /** Puts that were refused for want of room. */
  readonly refusedItems: number;
  readonly dropped: DropReport;
  /** Each reader of the category, with the last item that it is done with. */
  readonly cursors: readonly { readonly name: string; readonly lsn: number }[];
}

/** A log does not grow by less, and a small buffer is enough for a category. */
const BUFFER_BYTES = 256 * 1024;
const MAX_PREWRITE_BYTES = 256 * 1024;
/** Space that others hold may come back any time: how often a put that must not fail looks again. */
const RETRY_MS = 250;
const NO_DROPS: DropReport = {
  oldestRecords: 0,
  oldestBytes: 0,
  oldestRanges: [],
  newestRecords: 0,
  newestBytes: 0,
};

/** Opens the log of a category. It writes nothing but its lock until there is an item. */
export async function openCategory(
  environment: WalEnvironment,
  options: ResolvedSpoolOptions,
  parts: { readonly category: ResolvedCategory; readonly group: CapacityGroup },
): Promise<SpoolCategory> {
  const { category, group } = parts;
  const { segmentSizeBytes } = options;
  const wal = await openWalWith(environment, {
    directory: joinPath(options.directory, category.name),
    durability: category.durability,
    segmentSizeBytes,
    prewriteBytes: Math.min(MAX_PREWRITE_BYTES, Math.floor(segmentSizeBytes / 4)),
    bufferSizeBytes: BUFFER_BYTES,
    maxRecordBytes: options.maxItemBytes + ITEM_HEADER_BYTES + 0xff_ff,
    maxLogBytes: category.maxBytes,
    capacityGroup: group,
    guaranteedBytes: category.guaranteedBytes,
    reserveFreeBytes: options.reserveFreeBytes,
    whenFull: category.whenFull === "never-drop" ? "block" : category.whenFull,
    blockTimeoutMs: category.blockTimeoutMs,
  });
  return new SpoolCategory(environment, category, { wal, maxItemBytes: options.maxItemBytes });
}

/**
 * Gives a cursor its file, and its directory the few bytes with which it can be moved on a full volume. To be called while there is
 * room: a cursor that is moved for the first time when others have filled the volume cannot be, and nothing would ever be released.
 */
export async function settleCursor(cursor: Cursor): Promise<void> {
  // What is wrong is told to whoever moves it.
  await cursor.ack(cursor.lsn).catch(() => undefined);
}

/** One category, open. */
export class SpoolCategory {
  readonly name: string;
  readonly #environment: WalEnvironment;
  readonly #options: ResolvedCategory;
  readonly #wal: Wal;
  readonly #maxItemBytes: number;
  #refusedItems = 0;
  #isSyncing = false;
  #isSyncWanted = false;

  /** @internal use {@link openCategory} */
  constructor(
    environment: WalEnvironment,
    options: ResolvedCategory,
    parts: { readonly wal: Wal; readonly maxItemBytes: number },
  ) {
    this.name = options.name;
    this.#environment = environment;
    this.#options = options;
    this.#wal = parts.wal;
    this.#maxItemBytes = parts.maxItemBytes;
  }

  /**
   * Stores an item; see `Spool.put`.
   *
   * @throws {SpoolError} `SPOOL_ITEM_TOO_LARGE`; {@link WalError} `WAL_NO_SPACE`, `WAL_OVERLOADED`, `WAL_POISONED`, `WAL_CLOSED`
   */
  async put(payload: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    if (payload.byteLength > this.#maxItemBytes) {
      throw new SpoolError(
        "SPOOL_ITEM_TOO_LARGE",
        `an item of ${payload.byteLength} bytes; at most ${this.#maxItemBytes} are taken`,
        { details: { bytes: payload.byteLength, maxBytes: this.#maxItemBytes } },
      );
    }
    const putAtMs = this.#environment.nowMs();
    const record = encodeItem({ payload, attributes: options.attributes ?? {}, putAtMs });
    const lsn = await this.#append(record);
    if (this.#options.durability === "async" || this.#options.durability === "memory") {
      this.#syncSoon();
    }
    return { lsn };
  }

  /** Reads items from an LSN on; see `item-reader.ts`. */
  reader(fromLsn: number, onSkipped?: (lastLsn: number) => void): ItemReader {
    return new ItemReader({ wal: this.#wal, fromLsn, ...(onSkipped && { onSkipped }) });
  }

  /** A named position in the category; what no position has passed is kept. */
  cursor(name: string): Cursor {
    return this.#wal.cursor(name);
  }

  /** LSN of the first item that is there, or will be. */
  get firstLsn(): number {
    return this.#wal.positions.firstLsn;
  }

  /** LSN of the last item that was taken; 0 before the first one. */
  get lastLsn(): number {
    return this.#wal.positions.appendedLsn;
  }

  /** LSN of the last item that is on the device: what readers can have. */
  get durableLsn(): number {
    return this.#wal.positions.durableLsn;
  }

  /** Bytes from the slowest reader to the end, nearly. */
  get pendingBytes(): number {
    return this.#wal.metrics().spaceHolder?.lagBytes ?? this.#wal.metrics().sizeBytes;
  }

  /** When the first item from `lsn` on was put, in milliseconds since 1970; `undefined` when there is none. */
  async putAtMsOf(lsn: number): Promise<number | undefined> {
    if (lsn > this.#wal.positions.durableLsn) return undefined;
    const reader = this.reader(lsn);
    try {
      return (await reader.next())?.putAtMs;
    } finally {
      await reader.close();
    }
  }

  status(): CategoryStatus {
    const { state, survives, warnings, totals, dropped, cursors, waitingForRoom, directory } =
      this.#wal.status();
    return {
      name: this.name,
      directory,
      state,
      survives,
      warnings,
      lastLsn: this.lastLsn,
      putItems: totals.appendedRecords,
      putBytes: totals.appendedBytes,
      sizeBytes: this.#wal.metrics().sizeBytes,
      maxBytes: this.#options.maxBytes,
      guaranteedBytes: this.#options.guaranteedBytes,
      whenFull: this.#options.whenFull,
      waitingForRoom,
      refusedItems: this.#refusedItems,
      dropped: dropped ?? NO_DROPS,
      cursors,
    };
  }

  async close(): Promise<void> {
    await this.#wal.close();
  }

  /** Without room: as the policy says. The log itself waits, drops and refuses; here is what goes beyond that. */
  async #append(record: Uint8Array): Promise<number> {
    const { whenFull, blockTimeoutMs } = this.#options;
    const startedMs = this.#environment.monotonicMs();
    for (;;) {
      try {
        return await this.#wal.append(record);
      } catch (error) {
        const isFull = isWalError(error, "WAL_NO_SPACE") || isWalError(error, "WAL_OVERLOADED");
        const waitedMs = this.#environment.monotonicMs() - startedMs;
        const mayWait =
          whenFull === "never-drop" ||
          (whenFull === "block" && waitedMs + RETRY_MS < blockTimeoutMs);
        if (isFull && !mayWait) this.#refusedItems += 1;
        if (!isFull || !mayWait) throw error;
        await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#environment.setTimer(RETRY_MS, resolve, true));
  }

  /** Readers see what is on the device: at levels that do not sync by themselves, one sync after the other does. */
  #syncSoon(): void {
    this.#isSyncWanted = true;
    if (!this.#isSyncing) void this.#syncWhileWanted();
  }

  async #syncWhileWanted(): Promise<void> {
    this.#isSyncing = true;
    try {
      while (this.#isSyncWanted) {
        this.#isSyncWanted = false;
        await this.#wal.sync();
      }
    } catch {
      // A log whose sync has failed is poisoned, or closed, and says so to its next caller.
    } finally {
      this.#isSyncing = false;
    }
  }
}
