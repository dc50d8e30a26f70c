/**
 * One shard on disk, opened: its log, its table store, and the cursor between them.
 *
 * Opening it is recovery: the catalog says up to where rows are in Parquet, the log is replayed from there.
 * Closing it flushes every row, so that the next start has nothing to replay.
 */
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isWalError, openWal, type Wal } from "@walnut/wal";
import { durabilityText } from "./durability-text.ts";
import { ServerError } from "./errors.ts";
import { FlushCursor } from "./flush-cursor.ts";
import { openShardKeys, type ShardKeys } from "./idempotency/shard-keys.ts";
import { freeBytesOf } from "./free-bytes.ts";
import { DEFAULT_INGEST_LIMITS } from "./ingest/ingest-limits.ts";
import { continueLogAfter } from "./log-continuity.ts";
import { LogRoom, REFUSAL_STOPS_WRITES_MS } from "./log-room.ts";
import { NO_ROWS, replayLog, type ReplayCounts } from "./log-replay.ts";
import type { ObjectStorage } from "./objects/object-storage.ts";
import type { RecoverySummary } from "./recovery-summary.ts";
import { replayExtent } from "./replay-extent.ts";
import type { RecoveryProgress, ResolvedServerOptions } from "./server-options.ts";
import { openTableStore } from "./store/open-table-store.ts";
import type { TableStore } from "./store/table-store.ts";
import { keyDirectoryOf, walDirectoryOf } from "./workers/shard.ts";

/** Largest record of the log: every batch that the decoders let through fits, with an identity behind it. */
export const MAX_RECORD_BYTES: number = DEFAULT_INGEST_LIMITS.maxBatchBytes + 512;

/** Requests under load are hundreds of kilobytes: room for several in one write and one sync. */
const LOG_BUFFER_BYTES = 4 * 1024 * 1024; // 4 MiB

/** Name of the log's cursor that follows the flushes. */
const CURSOR_NAME = "parquet";

const LOCK_POLL_MS = 100;

/** What opening needs. */
export interface ShardStorageOptions {
  readonly options: ResolvedServerOptions;
  /** The data directory; exists. */
  readonly directory: string;
  readonly shard: number;
  /** The other shards that the data directory has. */
  readonly otherShards: readonly number[];
  /** Object storage, when files move there. */
  readonly objects: ObjectStorage | undefined;
  /** True for the shard that its process writes to; queries run in its store. */
  readonly isOwn: boolean;
  /** Bytes of replayed rows in memory at which replay waits for a flush. */
  readonly flushAtBytes: number;
  /** How long to wait for another process to let go of the log, in milliseconds. */
  readonly lockWaitMs: number;
  readonly monotonicMs: () => number;
  /** Wall clock in milliseconds. */
  readonly nowMs: () => number;
  readonly onProgress: (progress: RecoveryProgress) => void;
  /** True when the server is stopping: recovery ends early and gives up nothing. */
  readonly isCancelled: () => boolean;
}

/** Opens the log and the store, and replays what is only in the log. */
export async function openShardStorage(options: ShardStorageOptions): Promise<ShardStorage> {
  const startedMs = options.monotonicMs();
  const { logger, durability } = options.options;
  const wal = await openLog(options);
  const { segments, tornTailBytes } = wal.recovery;
  let store: TableStore | undefined;
  let keys: ShardKeys | undefined;
  try {
    keys = await openKeys(options);
    const logCursor = wal.cursor(CURSOR_NAME);
    const releasedLsn = logCursor.lsn;
    const cursor = new FlushCursor(keys.guard(logCursor), (error) => {
      logger.error(`the log's cursor could not be moved: ${messageOf(error)}`);
    });
    // Uploads of files from before the start go on at once, and would let the log forget records whose identities have not
    // been read yet.
    cursor.hold();
    store = await openStore(options, wal, cursor);
    const replayed = await replay(options, { store, wal, keys, cursor, releasedLsn });
    await passUsedLsns(options.options, store, wal);
    cursor.advance(store.releasableLsn);
    const { type } = await statfs(options.directory);
    return new ShardStorage({
      shard: options.shard,
      store,
      wal,
      cursor,
      keys,
      room: new LogRoom({
        monotonicMs: options.monotonicMs,
        freeBytes: () => freeBytesOf(wal.status().directory),
      }),
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
    await keys?.close().catch(() => undefined);
    await wal.close().catch(() => undefined);
    throw error;
  }
}

async function openLog(options: ShardStorageOptions): Promise<Wal> {
  const giveUpAtMs = options.monotonicMs() + options.lockWaitMs;
  for (;;) {
    try {
      return await tryOpenLog(options);
    } catch (error) {
      const isLocked = isWalError(error) && error.code === "WAL_LOCKED";
      if (!isLocked || options.isCancelled() || options.monotonicMs() >= giveUpAtMs) throw error;
      // A worker of a server that was killed is ending: it lets go when its last request is answered.
      await delay(LOCK_POLL_MS);
    }
  }
}

async function tryOpenLog({
  options,
  directory,
  shard,
  onProgress,
}: ShardStorageOptions): Promise<Wal> {
  return await openWal({
    directory: join(directory, walDirectoryOf(shard)),
    durability: options.durability,
    segmentSizeBytes: options.segmentSizeBytes,
    segmentMaxAgeMs: options.segmentMaxAgeMs,
    syncIntervalMs: options.syncIntervalMs,
    maxRecordBytes: MAX_RECORD_BYTES,
    bufferSizeBytes: LOG_BUFFER_BYTES,
    maxLogBytes: options.maxLogBytes,
    recovery: options.recovery,
    released: options.releasedSegments,
    archiveMaxAgeMs: options.archiveMaxAgeMs,
    onRecoveryProgress: (progress) =>
      onProgress({ phase: "scan", records: 0, rows: 0, ...progress }),
  });
}

async function openStore(
  { options, directory, shard, otherShards, isOwn, objects }: ShardStorageOptions,
  wal: Wal,
  cursor: FlushCursor,
): Promise<TableStore> {
  const { flushRows, flushAgeMs, queryMemoryBytes, queryTimeoutMs, logger } = options;
  return await openTableStore(
    {
      directory,
      shard,
      otherShards,
      answersQueries: isOwn,
      flushRows,
      flushAgeMs,
      maxTables: options.maxTables,
      maxTableColumns: options.maxTableColumns,
      queryMemoryBytes,
      queryTimeoutMs,
      compactionIntervalMs: options.compactionEnabled ? options.compactionIntervalMs : 0,
      compactionMinFiles: options.compactionMinFiles,
      compactionTargetFileBytes: options.compactionTargetFileBytes,
      oldestLogLsn: wal.positions.firstLsn,
      makeLogDurable: async (lsn) => {
        if (options.durability !== "off" && wal.positions.durableLsn < lsn) await wal.sync();
      },
      onFlushed: (releasableLsn) => cursor.advance(releasableLsn),
      onBackgroundError: (error) => logger.error(`work on the tables failed: ${messageOf(error)}`),
    },
    objects,
  );
}

async function openKeys({
  options,
  directory,
  shard,
  nowMs,
}: ShardStorageOptions): Promise<ShardKeys> {
  return await openShardKeys({
    directory: join(directory, keyDirectoryOf(shard)),
    windowMs: options.idempotencyWindowMs,
    maxKeys: options.idempotencyMaxKeys,
    nowMs,
  });
}

/** Rows from behind what Parquet holds, identities from behind what the log may already have released. */
async function replay(
  options: ShardStorageOptions,
  parts: {
    readonly store: TableStore;
    readonly wal: Wal;
    readonly keys: ShardKeys;
    /** Held: let go when all identities are known. */
    readonly cursor: FlushCursor;
    /** Where the log's cursor stood: identities up to it are kept elsewhere. */
    readonly releasedLsn: number;
  },
): Promise<ReplayCounts> {
  const { store, wal, keys, cursor, releasedLsn } = parts;
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
  const readFrom = Math.max(firstLsn, Math.min(from, releasedLsn + 1));
  const { segments } = wal.status();
  function report(next: number, counts: Pick<ReplayCounts, "records" | "rows">): void {
    const extent = replayExtent(segments, { from: readFrom, next });
    options.onProgress({ phase: "replay", ...counts, ...extent });
  }
  report(readFrom, { records: 0, rows: 0 });
  return await replayLog({
    records: wal.read({
      from: readFrom,
      reuseMemory: true,
      // Only a repair that somebody asked for leaves gaps: what is lost is known, and what is left must be served.
      onGap: (gap) => logGap(options, gap),
    }),
    store,
    rowsFromLsn: from,
    onIdentity: (lsn, identity) => keys.recover(lsn, identity),
    onIdentitiesKnown: () => cursor.letGo(),
    flushAtBytes: options.flushAtBytes,
    monotonicMs: options.monotonicMs,
    onProgress: ({ records, rows }, lsn) => report(lsn + 1, { records, rows }),
    isCancelled: options.isCancelled,
  });
}

function logGap(
  { options: { logger }, shard }: ShardStorageOptions,
  { firstLsn, lastLsn }: { readonly firstLsn: number; readonly lastLsn: number },
): void {
  const text = `records ${firstLsn} to ${lastLsn} of the log were lost to damage and given up by a repair; their rows are missing`;
  logger.error(text, { shard, firstLsn, lastLsn });
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

interface ShardStorageParts {
  readonly shard: number;
  readonly store: TableStore;
  readonly wal: Wal;
  readonly cursor: FlushCursor;
  readonly keys: ShardKeys;
  readonly room: LogRoom;
  readonly recovery: RecoverySummary;
  readonly durabilityText: string;
}

/** An open shard. */
export class ShardStorage {
  readonly shard: number;
  readonly recovery: RecoverySummary;
  readonly wal: Wal;
  readonly store: TableStore;
  /** Identities of writes that the log holds or held. */
  readonly keys: ShardKeys;
  /** Whether its log finds room. */
  readonly room: LogRoom;
  /** The durability level and what it survives, in words. */
  readonly durabilityText: string;
  readonly #cursor: FlushCursor;

  /** @internal use {@link openShardStorage} */
  constructor(parts: ShardStorageParts) {
    this.shard = parts.shard;
    this.recovery = parts.recovery;
    this.durabilityText = parts.durabilityText;
    this.wal = parts.wal;
    this.store = parts.store;
    this.keys = parts.keys;
    this.room = parts.room;
    this.#cursor = parts.cursor;
  }

  /** Why writes would be refused now, or `undefined`. */
  async findTrouble(): Promise<string | undefined> {
    const { state, failure } = this.wal.status();
    return state === "poisoned"
      ? `the log refuses writes: ${failure ?? "a write failed"}`
      : await this.room.findLack(REFUSAL_STOPS_WRITES_MS);
  }

  /**
   * Flushes every row, moves the cursor past them and closes the log. When the flush fails the log keeps
   * the rows.
   *
   * @throws {ServerError} `SERVER_FLUSH_FAILED`
   */
  async close(): Promise<void> {
    try {
      await this.store.close();
      this.#cursor.advance(this.store.releasableLsn);
    } catch (error) {
      throw flushFailed(error);
    } finally {
      await this.#cursor.settled();
      await this.keys.close();
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
