/**
 * The catalog: says which Parquet files are part of which table.
 *
 * A file is part of a table when, and only when, a durable record says so; nothing is read from directory
 * listings or file names. Commits are records of a log and become visible in the order in which they were
 * made. The log stays bounded: when it has grown enough, the whole state is written as a snapshot that
 * counts when it is complete, and older records are released. Format and crash table: docs/storage.md.
 */
import { ServerError } from "../errors.ts";
import type { CatalogLog } from "./catalog-log.ts";
import {
  decodeCatalogRecord,
  encodeCatalogRecord,
  type CatalogFile,
  type CommitRecord,
} from "./catalog-record.ts";
import { CatalogState, type CatalogTable } from "./catalog-state.ts";

/** Least growth between two snapshots. Smaller: shorter start-up, more writing. */
export const DEFAULT_SNAPSHOT_BYTES: number = 8 * 1024 * 1024; // 8 MiB

/** Bytes of a snapshot that are appended at once. */
const MAX_PART_BYTES = 8 * 1024 * 1024; // 8 MiB

/** A snapshot is worth its cost when the log has grown to several times the last one. */
const SNAPSHOT_GROWTH_FACTOR = 4;

export interface CatalogOptions {
  /** Opens the log; called again after a failed append, when only reading tells what is durable. */
  readonly openLog: () => Promise<CatalogLog>;
  readonly snapshotBytes: number;
  /** Told of a failed snapshot: the commits before it stand, and the next one tries again. */
  readonly onSnapshotError: (error: unknown) => void;
}

/** Counters of a catalog. */
export interface CatalogStats {
  readonly commits: number;
  readonly snapshots: number;
  readonly reloads: number;
}

/** The open catalog. Commits are serialised: one is durable and visible before the next begins. */
export class Catalog {
  readonly #options: CatalogOptions;
  #log: CatalogLog;
  #state: CatalogState;
  #bytesSinceSnapshot: number;
  #lastSnapshotBytes: number;
  #isEmpty: boolean;
  #needsReload = false;
  #queue: Promise<unknown> = Promise.resolve();
  #stats = { commits: 0, snapshots: 0, reloads: 0 };

  private constructor(options: CatalogOptions, loaded: LoadedCatalog) {
    this.#options = options;
    this.#log = loaded.log;
    this.#state = loaded.state;
    this.#bytesSinceSnapshot = loaded.bytesSinceSnapshot;
    this.#lastSnapshotBytes = loaded.lastSnapshotBytes;
    this.#isEmpty = loaded.recordCount === 0;
  }

  /**
   * Opens a catalog by reading its log. A new one is empty until {@link begin}.
   *
   * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when a record cannot be understood
   */
  static async open(options: CatalogOptions): Promise<Catalog> {
    return new Catalog(options, await loadCatalog(options.openLog));
  }

  /** True when the log has no record at all: the catalog is new, or it was lost. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Writes the first record of a new catalog. From here on an empty log means a lost one. */
  async begin(): Promise<void> {
    if (!this.#isEmpty) return;
    await this.#append([encodeCatalogRecord({ version: 1, kind: "created" })]);
    this.#isEmpty = false;
  }

  /** See {@link CatalogState.flushedLsn}. */
  get flushedLsn(): number {
    return this.#state.flushedLsn;
  }

  get tables(): Iterable<CatalogTable> {
    return this.#state.tables;
  }

  /** See {@link CatalogState.removedFiles}. */
  get removedFiles(): Iterable<CatalogFile> {
    return this.#state.removedFiles;
  }

  /** See {@link CatalogState.isRemoved}. */
  isRemoved(path: string): boolean {
    return this.#state.isRemoved(path);
  }

  /** See {@link CatalogState.forgetRemoved}. Not a record: a start that reads it again finds the bytes gone. */
  forgetRemoved(path: string): void {
    this.#state.forgetRemoved(path);
  }

  get stats(): CatalogStats {
    return { ...this.#stats };
  }

  /** True after a failed append: nobody knows whether its record is durable until {@link reload}. */
  get needsReload(): boolean {
    return this.#needsReload;
  }

  table(key: string): CatalogTable | undefined {
    return this.#state.table(key);
  }

  /**
   * Makes a flush part of its table, or exchanges files of one. When it resolves the record is durable.
   * A replacement that does not fit what is there then is refused before anything is written.
   *
   * `onVisible` is called in the same step in which the files become visible, before anybody else runs.
   * When it rejects, the record may be durable or not: {@link reload} finds out.
   */
  async commit(makeRecord: () => CommitRecord, onVisible: () => void): Promise<void> {
    await this.#enqueue(async () => {
      if (this.#needsReload) {
        throw new ServerError("SERVER_INTERNAL", "an earlier commit of the catalog failed");
      }
      const record = makeRecord();
      const problem =
        record.kind === "replace" ? this.#state.replacementProblem(record) : undefined;
      if (problem !== undefined) {
        throw new ServerError("SERVER_INTERNAL", `files cannot be exchanged: ${problem}`);
      }
      const bytes = encodeCatalogRecord(record);
      const lsn = await this.#append([bytes]);
      this.#state.apply(record, lsn);
      this.#stats.commits++;
      onVisible();
      this.#bytesSinceSnapshot += bytes.byteLength;
      await this.#snapshotWhenDue();
    });
  }

  /**
   * Reads the log again after a failed append. `onReloaded` is called in the same step in which the state
   * is replaced: a record that was thought lost may turn out to be durable.
   */
  async reload(onReloaded: () => void): Promise<void> {
    await this.#enqueue(async () => {
      if (!this.#needsReload) return;
      // Closing a log that failed may fail again, and tells nothing that opening it will not.
      await this.#log.close().catch(() => undefined);
      const loaded = await loadCatalog(this.#options.openLog);
      this.#log = loaded.log;
      this.#state = loaded.state;
      this.#bytesSinceSnapshot = loaded.bytesSinceSnapshot;
      this.#lastSnapshotBytes = loaded.lastSnapshotBytes;
      this.#needsReload = false;
      this.#stats.reloads++;
      onReloaded();
    });
  }

  /** Waits for commits under way and closes the log. */
  async close(): Promise<void> {
    await this.#enqueue(async () => await this.#log.close());
  }

  async #enqueue<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(action);
    // The caller sees a failure through `result`; the queue only keeps the order.
    this.#queue = result.catch(() => undefined);
    return await result;
  }

  async #append(payloads: readonly Uint8Array[]): Promise<number> {
    try {
      return await this.#log.append(payloads);
    } catch (error) {
      this.#needsReload = true;
      throw error;
    }
  }

  async #snapshotWhenDue(): Promise<void> {
    const dueBytes = Math.max(
      this.#options.snapshotBytes,
      SNAPSHOT_GROWTH_FACTOR * this.#lastSnapshotBytes,
    );
    if (this.#bytesSinceSnapshot < dueBytes) return;
    try {
      await this.#writeSnapshot();
    } catch (error) {
      this.#options.onSnapshotError(error);
    }
  }

  async #writeSnapshot(): Promise<void> {
    const payloads = this.#state.toRecords().map(encodeCatalogRecord);
    // 1. Everything older goes into segments of its own. CRASH: catalog-1 leaves the old records.
    await this.#log.seal();
    // 2. The snapshot, in parts that the log can take. CRASH: catalog-2 leaves old records and the snapshot:
    //    complete, it replaces them when it is read; without its end, it is ignored.
    let firstLsn: number | undefined;
    for (const part of inParts(payloads)) {
      const lsn = await this.#append(part);
      firstLsn ??= lsn;
    }
    if (firstLsn === undefined) return;
    this.#lastSnapshotBytes = payloads.reduce((total, bytes) => total + bytes.byteLength, 0);
    this.#bytesSinceSnapshot = 0;
    this.#stats.snapshots++;
    // 3. The old records may go. CRASH: catalog-3 leaves some of them, which are read and replaced.
    await this.#log.release(firstLsn);
  }
}

/** Payloads in order, in parts of limited size. */
function inParts(payloads: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] {
  const parts: Uint8Array[][] = [];
  let partBytes = Infinity;
  for (const payload of payloads) {
    if (partBytes + payload.byteLength > MAX_PART_BYTES) {
      parts.push([]);
      partBytes = 0;
    }
    parts.at(-1)?.push(payload);
    partBytes += payload.byteLength;
  }
  return parts;
}

interface LoadedCatalog {
  readonly log: CatalogLog;
  readonly state: CatalogState;
  readonly bytesSinceSnapshot: number;
  readonly lastSnapshotBytes: number;
  readonly recordCount: number;
}

async function loadCatalog(openLog: () => Promise<CatalogLog>): Promise<LoadedCatalog> {
  const log = await openLog();
  try {
    const state = new CatalogState();
    let recordCount = 0;
    let bytesSinceSnapshot = 0;
    let snapshotBytes = 0;
    let lastSnapshotBytes = 0;
    for await (const { lsn, payload } of log.read()) {
      const record = decodeCatalogRecord(payload, lsn);
      if (record.kind === "snapshot") snapshotBytes = 0;
      if (record.kind === "table") snapshotBytes += payload.byteLength;
      if (record.kind === "flush" || record.kind === "replace") {
        bytesSinceSnapshot += payload.byteLength;
      }
      if (record.kind === "snapshot-end") {
        bytesSinceSnapshot = 0;
        lastSnapshotBytes = snapshotBytes;
      }
      state.apply(record, lsn);
      recordCount++;
    }
    return { log, state, bytesSinceSnapshot, lastSnapshotBytes, recordCount };
  } catch (error) {
    // The first error is the one to report.
    await log.close().catch(() => undefined);
    throw error;
  }
}
