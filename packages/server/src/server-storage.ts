/**
 * Everything of this process that is on disk, behind one object: its own shard, shards it has adopted, and the
 * write path into its own.
 *
 * All shards recover at the same time. Writes go to the own shard; queries read all of them, and the shards of
 * other workers where there are some. HTTP knows only this.
 */
import type { Wal } from "@walnut/wal";
import type { Coordinator, TableSchema } from "./coordinator/coordinator.ts";
import { unionOfSchemas } from "./store/union-of-schemas.ts";
import type { WriteLedger } from "./idempotency/known-writes.ts";
import type { WriteIdentity } from "./idempotency/write-identity.ts";
import { writeOnce, type WriteOutcome } from "./idempotency/write-once.ts";
import type { IngestBatch } from "./ingest/table-batch.ts";
import { openObjectStorage, type ObjectStorage } from "./objects/object-storage.ts";
import { UploadBudget } from "./objects/upload-budget.ts";
import type { UploadStats } from "./objects/uploader.ts";
import { ProgressSum, sumRecoveries, type RecoverySummary } from "./recovery-summary.ts";
import type { RecoveryProgress, ResolvedServerOptions } from "./server-options.ts";
import { REFUSAL_IS_TOLD_MS } from "./log-room.ts";
import { openNotedShard } from "./noted-start.ts";
import type { ShardStorage } from "./shard-storage.ts";
import type { ShardSnapshot } from "./store/shard-snapshot.ts";
import type { TableName } from "./store/table-name.ts";
import type { AdmittedBatch, QueryResult, TableStore } from "./store/table-store.ts";
import { WritePath } from "./write-path.ts";

/** What the other workers have for a query. */
export type ReadPeers = (
  names: readonly TableName[],
  signal: AbortSignal,
) => Promise<readonly ShardSnapshot[]>;

/** What opening needs. */
export interface StorageOptions {
  readonly options: ResolvedServerOptions;
  /** The data directory; exists. */
  readonly directory: string;
  /** Shards of this process, its own first. */
  readonly shards: readonly number[];
  /** Shards of other workers. */
  readonly otherShards: readonly number[];
  /** How long to wait for another process to let go of a log, in milliseconds. */
  readonly lockWaitMs: number;
  /** Decides with other workers, and reads their rows; `undefined` where there are none. */
  readonly peers: { readonly coordinator: Coordinator; readonly read: ReadPeers } | undefined;
  /** Decides about writes with an identity, for all workers. */
  readonly ledger: WriteLedger;
  readonly monotonicMs: () => number;
  /** Wall clock in milliseconds. */
  readonly nowMs: () => number;
  readonly onProgress: (progress: RecoveryProgress) => void;
  /** True when the server is stopping: recovery ends early and gives up nothing. */
  readonly isCancelled: () => boolean;
}

/**
 * Opens the shards, replays what is only in their logs, and makes sure that column types agree everywhere.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT`; the errors of the log
 */
export async function openStorage(options: StorageOptions): Promise<ServerStorage> {
  const { shards, otherShards } = options;
  const objects = await openObjectStorage({ ...options, worker: shards[0] ?? 1 });
  const progress = new ProgressSum(options.onProgress);
  const results = await Promise.allSettled(
    shards.map((shard, index) =>
      openNotedShard({
        ...options,
        objects,
        shard,
        isOwn: index === 0,
        otherShards: [...shards, ...otherShards].filter((other) => other !== shard),
        flushAtBytes: options.options.maxMemoryBytes / 2 / shards.length,
        onProgress: (step) => progress.advance(shard, step),
      }),
    ),
  );
  const opened = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
  try {
    for (const result of results) if (result.status === "rejected") throw result.reason;
    const [own, ...adopted] = opened;
    if (own === undefined) throw new RangeError("a process without a shard");
    for (const { store } of adopted) {
      for (const table of store.schemas()) own.store.columns.adopt(table, table.schema);
    }
    await options.peers?.coordinator.reportSchemas(opened.flatMap(({ store }) => store.schemas()));
    await options.ledger.reportWrites(opened.flatMap(({ keys }) => keys.takeRecovered()));
    return new ServerStorage(options, objects, { own, adopted });
  } catch (error) {
    // Rows in memory are in the logs, and closing must not hide the first failure.
    await Promise.allSettled(opened.map((shard) => shard.close()));
    await objects?.close().catch(() => undefined);
    throw error;
  }
}

/** The open storage. */
export class ServerStorage {
  readonly recovery: RecoverySummary;
  /** The shard that this process writes to. */
  readonly own: ShardStorage;
  /** All shards of this process, its own first. */
  readonly shards: readonly ShardStorage[];
  /** Object storage, when files move there. */
  readonly objects: ObjectStorage | undefined;
  readonly #uploadBudget: UploadBudget;
  readonly #readPeers: ReadPeers | undefined;
  readonly #ledger: WriteLedger;
  readonly #writePath: WritePath<AdmittedBatch>;

  /** @internal use {@link openStorage} */
  constructor(
    { options, peers, ledger }: StorageOptions,
    objects: ObjectStorage | undefined,
    { own, adopted }: { readonly own: ShardStorage; readonly adopted: readonly ShardStorage[] },
  ) {
    this.own = own;
    this.shards = [own, ...adopted];
    this.recovery = sumRecoveries(this.shards.map((shard) => shard.recovery));
    this.objects = objects;
    this.#uploadBudget = new UploadBudget(
      options.maxPendingUploadBytes,
      this.shards.flatMap(({ store }) => store.objects ?? []),
    );
    this.#readPeers = peers?.read;
    this.#ledger = ledger;
    this.#writePath = new WritePath<AdmittedBatch>({
      log: {
        keepsPayloads: options.durability !== "off",
        append: (payload) => own.wal.append(payload),
        room: own.room,
      },
      store: own.store,
      coordinator: peers?.coordinator,
      memoryBytes: () => this.memoryBytes(),
      maxMemoryBytes: options.maxMemoryBytes,
      onIdentity: (lsn, identity) => own.keys.stored(lsn, identity),
    });
  }

  /** Log of the own shard. */
  get wal(): Wal {
    return this.own.wal;
  }

  /** Tables of the own shard. */
  get store(): TableStore {
    return this.own.store;
  }

  /** The durability level and what it survives, in words. */
  get durabilityText(): string {
    return this.own.durabilityText;
  }

  /** Bytes of rows of all shards that are not in Parquet yet, approximately. */
  memoryBytes(): number {
    let bytes = 0;
    for (const { store } of this.shards) bytes += store.memoryBytes();
    return bytes;
  }

  /** See {@link WritePath.assertCapacity}. */
  assertCapacity(): void {
    this.#uploadBudget.assertRoom();
    this.#writePath.assertCapacity();
  }

  /** See {@link WritePath.write}; a request with an identity is written once, see {@link writeOnce}. */
  async write(batch: IngestBatch, identity: WriteIdentity | undefined): Promise<WriteOutcome> {
    if (identity !== undefined) {
      const write = (): Promise<number> => this.#writePath.write(batch, identity);
      return await writeOnce(this.#ledger, identity, write);
    }
    await this.#writePath.write(batch);
    return "stored";
  }

  /** Runs SQL over the tables of all workers. */
  query(sql: string, options: { readonly signal: AbortSignal }): Promise<QueryResult> {
    const hasOthers = this.#readPeers !== undefined || this.shards.length > 1;
    return this.store.query(sql, {
      signal: options.signal,
      readOtherShards: hasOthers ? (names, signal) => this.#readOthers(names, signal) : undefined,
    });
  }

  /** The named tables in the shards of this process, each shard in one step. */
  snapshots(names: readonly TableName[]): readonly ShardSnapshot[] {
    return this.shards.map(({ store }) => store.snapshot(names));
  }

  /** Tables of the shards of this process, each with its columns; a table of two shards is there once. */
  listTables(): readonly TableSchema[] {
    return unionOfSchemas(this.shards.flatMap(({ store }) => store.schemas()));
  }

  /** Flushes every row that is in memory now, in all shards of this process. */
  async flush(): Promise<void> {
    await Promise.all(this.shards.map(({ store }) => store.flush()));
  }

  /** Uploads of all shards of this process; `undefined` when files stay local. */
  get uploads(): UploadStats | undefined {
    return this.objects && this.#uploadBudget.stats;
  }

  /** What is not as it should be although writes are taken, or `undefined`. */
  async findConcern(): Promise<string | undefined> {
    return (await this.own.room.findLack(REFUSAL_IS_TOLD_MS)) ?? this.#uploadBudget.findConcern();
  }

  /** Why writes would be refused now, or `undefined`. */
  async findTrouble(): Promise<string | undefined> {
    return (await this.own.findTrouble()) ?? this.#uploadBudget.findTrouble();
  }

  /**
   * Flushes every row, moves the cursors past them and closes the logs. When a flush fails the log keeps the rows.
   *
   * @throws {ServerError} `SERVER_FLUSH_FAILED`
   */
  async close(): Promise<void> {
    await this.#writePath.stop();
    const results = await Promise.allSettled(this.shards.map((shard) => shard.close()));
    await this.objects?.close();
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #readOthers(
    names: readonly TableName[],
    signal: AbortSignal,
  ): Promise<readonly ShardSnapshot[]> {
    const peers = (await this.#readPeers?.(names, signal)) ?? [];
    const [, ...adopted] = this.shards;
    return [...peers, ...adopted.map(({ store }) => store.snapshot(names))];
  }
}
