/**
 * Everything of the server that is on disk, behind one object: table store, log, cursor, write path.
 *
 * Opening it is recovery: the catalog says up to where rows are in Parquet, the log is replayed from there.
 * Closing it flushes every row, so that the next start has nothing to replay. HTTP knows only this.
 */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { openWal, type Wal } from "@walnut/wal";
import { durabilityText } from "./durability-text.ts";
import { ServerError } from "./errors.ts";
import { FlushCursor } from "./flush-cursor.ts";
import { DEFAULT_INGEST_LIMITS } from "./ingest/ingest-limits.ts";
import type { IngestBatch } from "./ingest/table-batch.ts";
import { continueLogAfter } from "./log-continuity.ts";
import { NO_ROWS, replayLog, type ReplayCounts } from "./log-replay.ts";
import type { RecoveryProgress, ResolvedServerOptions } from "./server-options.ts";
import {
  openTableStore,
  type AdmittedBatch,
  type QueryResult,
  type TableStore,
} from "./store/table-store.ts";
import { walDirectoryOf } from "./workers/shard.ts";
import { WritePath } from "./write-path.ts";

/** Number of the worker that owns the log. */
export const WORKER_ID = 1;

/** Largest record of the log: every batch that the decoders let through fits. */
export const MAX_RECORD_BYTES: number = DEFAULT_INGEST_LIMITS.maxBatchBytes;

/** Requests under load are hundreds of kilobytes: room for several in one write and one sync. */
const LOG_BUFFER_BYTES = 4 * 1024 * 1024; // 4 MiB

/** Name of the log's cursor that follows the flushes. */
const CURSOR_NAME = "parquet";

/** What start-up found and did. */
export interface RecoverySummary {
  /** Segments of the log that were there. */
  readonly segments: number;
  /** Records replayed: those that Parquet did not hold. */
  readonly records: number;
  readonly rows: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Bytes of an unfinished last write that were cut off. */
  readonly tornTailBytes: number;
}

/** What opening needs. */
export interface StorageOptions {
  readonly options: ResolvedServerOptions;
  /** The data directory; exists. */
  readonly directory: string;
  readonly monotonicMs: () => number;
  readonly onProgress: (progress: RecoveryProgress) => void;
  /** True when the server is stopping: recovery ends early and gives up nothing. */
  readonly isCancelled: () => boolean;
}

/** Opens the log and the store, and replays what is only in the log. */
export async function openStorage(options: StorageOptions): Promise<ServerStorage> {
  const startedMs = options.monotonicMs();
  const { logger, durability } = options.options;
  const wal = await openLog(options);
  const { segments, tornTailBytes } = wal.recovery;
  const cursor = new FlushCursor(wal.cursor(CURSOR_NAME), (error) => {
    logger.error(`the log's cursor could not be moved: ${messageOf(error)}`);
  });
  let store: TableStore | undefined;
  try {
    store = await openStore(options, wal, cursor);
    const replayed = await replay(options, store, wal);
    await passUsedLsns(options.options, store, wal);
    cursor.advance(store.flushedLsn);
    const { type } = await statfs(options.directory);
    return new ServerStorage({
      options: options.options,
      store,
      wal,
      cursor,
      durabilityText: durabilityText(durability, type),
      recovery: {
        ...replayed,
        segments,
        tornTailBytes,
        durationMs: options.monotonicMs() - startedMs,
      },
    });
  } catch (error) {
    // Rows in memory are in the log, and closing must not hide the first failure.
    await store?.close().catch(() => undefined);
    await wal.close().catch(() => undefined);
    throw error;
  }
}

async function openLog({ options, directory, onProgress }: StorageOptions): Promise<Wal> {
  return await openWal({
    directory: join(directory, walDirectoryOf(WORKER_ID)),
    durability: options.durability,
    segmentSizeBytes: options.segmentSizeBytes,
    segmentMaxAgeMs: options.segmentMaxAgeMs,
    syncIntervalMs: options.syncIntervalMs,
    maxRecordBytes: MAX_RECORD_BYTES,
    bufferSizeBytes: LOG_BUFFER_BYTES,
    recovery: options.recovery,
    onRecoveryProgress: ({ segmentsDone, bytesDone }) =>
      onProgress({ phase: "scan", segments: segmentsDone, records: 0, rows: 0, bytes: bytesDone }),
  });
}

async function openStore(
  { options, directory }: StorageOptions,
  wal: Wal,
  cursor: FlushCursor,
): Promise<TableStore> {
  const { flushRows, flushAgeMs, queryMemoryBytes, queryTimeoutMs, logger } = options;
  return await openTableStore({
    directory,
    flushRows,
    flushAgeMs,
    queryMemoryBytes,
    queryTimeoutMs,
    oldestLogLsn: wal.positions.firstLsn,
    makeLogDurable: async (lsn) => {
      if (options.durability !== "off" && wal.positions.durableLsn < lsn) await wal.sync();
    },
    onFlushed: (flushedLsn) => cursor.advance(flushedLsn),
    onBackgroundError: (error) => logger.error(`flush failed: ${messageOf(error)}`),
  });
}

async function replay(options: StorageOptions, store: TableStore, wal: Wal): Promise<ReplayCounts> {
  const { firstLsn } = wal.positions;
  const from = store.replayFromLsn;
  if (from < firstLsn) {
    throw new ServerError(
      "SERVER_STORAGE_CORRUPT",
      `the log begins at LSN ${firstLsn}, but rows from LSN ${from} on are not in the catalog: ` +
        "the catalog is older than the log, or was removed",
      { details: { firstLsn, replayFromLsn: from } },
    );
  }
  const { segments } = wal.recovery;
  return await replayLog({
    records: wal.read({ from }),
    store,
    flushAtBytes: options.options.maxMemoryBytes / 2,
    monotonicMs: options.monotonicMs,
    onProgress: (counts) => options.onProgress({ phase: "replay", segments, ...counts }),
    isCancelled: options.isCancelled,
  });
}

/** Makes sure that the next record gets an LSN that nothing in the store was inserted or flushed under. */
async function passUsedLsns(
  { durability, logger }: ResolvedServerOptions,
  store: TableStore,
  wal: Wal,
): Promise<void> {
  const { appendedLsn } = wal.positions;
  const usedLsn = Math.max(store.highestFlushedLsn, appendedLsn);
  const added = await continueLogAfter(wal, { lsn: usedLsn, lastLsn: appendedLsn });
  if (added === 0) return;
  store.insert(usedLsn, NO_ROWS);
  // At level "off" that is every start: the log keeps nothing.
  if (durability === "off") return;
  logger.warn(`the log ended ${added} records before what Parquet holds; it goes on after it`);
}

interface StorageParts {
  readonly options: ResolvedServerOptions;
  readonly store: TableStore;
  readonly wal: Wal;
  readonly cursor: FlushCursor;
  readonly recovery: RecoverySummary;
  readonly durabilityText: string;
}

/** The open storage. */
export class ServerStorage {
  readonly recovery: RecoverySummary;
  readonly wal: Wal;
  readonly store: TableStore;
  /** The durability level and what it survives, in words. */
  readonly durabilityText: string;
  readonly #cursor: FlushCursor;
  readonly #writePath: WritePath<AdmittedBatch>;

  /** @internal use {@link openStorage} */
  constructor(parts: StorageParts) {
    const { store, wal, options } = parts;
    this.recovery = parts.recovery;
    this.durabilityText = parts.durabilityText;
    this.wal = wal;
    this.store = store;
    this.#cursor = parts.cursor;
    this.#writePath = new WritePath<AdmittedBatch>({
      log: {
        keepsPayloads: options.durability !== "off",
        append: (payload) => wal.append(payload),
      },
      store,
      memoryBytes: () => store.memoryBytes(),
      maxMemoryBytes: options.maxMemoryBytes,
    });
  }

  /** See {@link WritePath.assertCapacity}. */
  assertCapacity(): void {
    this.#writePath.assertCapacity();
  }

  /** See {@link WritePath.write}. */
  write(batch: IngestBatch): Promise<number> {
    return this.#writePath.write(batch);
  }

  query(sql: string, options: { readonly signal: AbortSignal }): Promise<QueryResult> {
    return this.store.query(sql, options);
  }

  listDatabases(): readonly string[] {
    const names = new Set(this.store.stats().tables.map((table) => table.database));
    return [...names].toSorted();
  }

  /** Why writes would be refused now, or `undefined`. */
  findTrouble(): string | undefined {
    const { state, failure } = this.wal.status();
    return state === "poisoned"
      ? `the log refuses writes: ${failure ?? "a write failed"}`
      : undefined;
  }

  /**
   * Flushes every row, moves the cursor past them and closes the log. When the flush fails the log keeps
   * the rows.
   *
   * @throws {ServerError} `SERVER_FLUSH_FAILED`
   */
  async close(): Promise<void> {
    await this.#writePath.stop();
    try {
      await this.store.close();
      this.#cursor.advance(this.store.flushedLsn);
    } catch (error) {
      throw flushFailed(error);
    } finally {
      await this.#cursor.settled();
      await this.wal.close();
    }
  }
}

function flushFailed(cause: unknown): ServerError {
  return new ServerError(
    "SERVER_FLUSH_FAILED",
    `rows could not be flushed while stopping: ${messageOf(cause)}; ` +
      "the log keeps them and the next start replays them",
    { cause },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
