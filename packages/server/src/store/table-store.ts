/**
 * The table store: rows of the log as tables that can be queried, in memory at first, then in Parquet.
 *
 *     admit -> (log append) -> insert -> memtable -> flush -> Parquet + catalog -> flushedLsn
 *
 * What was inserted is visible to every later query, exactly once, whatever flushes do meanwhile. What is at
 * or below `flushedLsn` is durable in Parquet and in the catalog, and the log may forget it; what is above
 * comes back by replaying the log from `replayFromLsn`, and rows that were flushed already are skipped.
 * This class holds the parts together; each has its own file. Protocol and crash table: docs/storage.md.
 */
import { ServerError } from "../errors.ts";
import type { TableColumn, TableSchema } from "../coordinator/coordinator.ts";
import type { IngestBatch } from "../ingest/table-batch.ts";
import { StoreObjects } from "../objects/store-objects.ts";
import { AdmittedTables } from "./admitted-tables.ts";
import type { Catalog } from "./catalog.ts";
import { isGone } from "./catalog-state.ts";
import { DataLife, fileGraceMs } from "./data-life.ts";
import { DurableDirectories } from "./durable-directories.ts";
import type { FileAuditReport } from "./file-audit.ts";
import { localFileAccess } from "./file-access.ts";
import { Flusher } from "./flusher.ts";
import type { ParquetWriter } from "./parquet-writer.ts";
import { QueryEngine, type QueryResult as Answer, type TakeSnapshot } from "./query-engine.ts";
import { SchemaRegistry, type AdmittedBatch as Admission } from "./schema-registry.ts";
import { uniteShards, type ShardSnapshot } from "./shard-snapshot.ts";
import type { StoreClock } from "./store-environment.ts";
import {
  oldestUnflushedAgeMs,
  sumTables,
  tableStats,
  type TableStoreStats,
} from "./store-stats.ts";
import type { TableStoreEnvironment } from "./open-table-store.ts";
import type { ResolvedTableStoreOptions } from "./store-options.ts";
import { TableIndex } from "./table-index.ts";
import { describeTable, tableKey, type TableName } from "./table-name.ts";
import { isVisible, takeSnapshot } from "./take-snapshot.ts";
import type { TableState } from "./table-state.ts";

/** A batch that fits its tables: goes to the log, then to {@link TableStore.insert}. */
export type AdmittedBatch = Admission;

/** The answer of {@link TableStore.query}. */
export type QueryResult = Answer;

/** How a query is run, see {@link TableStore.query}. */
export interface StoreQueryOptions {
  /** Stops the query. */
  readonly signal?: AbortSignal | undefined;
  /** Reads the tables of other shards, while the query is under way. Default: there are none. */
  readonly readOtherShards?:
    | ((names: readonly TableName[], signal: AbortSignal) => Promise<readonly ShardSnapshot[]>)
    | undefined;
}

const noOtherShards = (): Promise<readonly ShardSnapshot[]> => Promise.resolve([]);

/** What a store is made of. */
export interface TableStoreParts {
  readonly environment: TableStoreEnvironment;
  readonly options: ResolvedTableStoreOptions;
  readonly catalog: Catalog;
  readonly writer: ParquetWriter;
  readonly root: string;
  readonly audit: FileAuditReport;
}

/** Tables over one catalog. See the head of this file. */
export class TableStore {
  /** Lowest LSN that replay must start from. */
  readonly replayFromLsn: number;
  /** Object storage of these tables; `undefined` when files stay local. */
  readonly objects: StoreObjects | undefined;
  /** What happens to rows that are in Parquet. */
  readonly dataLife: DataLife;
  readonly #options: ResolvedTableStoreOptions;
  readonly #clock: StoreClock;
  readonly #catalog: Catalog;
  readonly #writer: ParquetWriter;
  readonly #audit: FileAuditReport;
  readonly #engine: QueryEngine;
  readonly #flusher: Flusher;
  readonly #registry: SchemaRegistry;
  readonly #admitted = new AdmittedTables();
  readonly #totals = { rows: 0, bytes: 0 };
  readonly #tables = new TableIndex(this.#totals);
  #insertedLsn: number;
  #closing: Promise<void> | undefined;

  /** @internal Use `openTableStore`. */
  constructor({ environment, options, catalog, writer, root, audit }: TableStoreParts) {
    this.#options = options;
    this.#registry = new SchemaRegistry(options);
    this.#clock = environment.clock;
    this.#catalog = catalog;
    this.#writer = writer;
    this.#audit = audit;
    this.replayFromLsn = catalog.flushedLsn + 1;
    this.#insertedLsn = catalog.flushedLsn;
    const files = environment.files;
    const onReloaded = (): void => this.#onReloaded();
    this.objects =
      environment.objects &&
      new StoreObjects({
        storage: environment.objects,
        catalog,
        files,
        root,
        graceMs: fileGraceMs(options),
        isHeld: () => this.dataLife.removedFiles.isHeld,
        onMoved: () => this.#onCommitted(),
        onReloaded,
        onError: options.onBackgroundError,
      });
    const access = this.objects?.access ?? localFileAccess(root);
    this.#engine = new QueryEngine({
      files: access,
      clock: environment.clock,
      memoryBytes: options.queryMemoryBytes,
      timeoutMs: options.queryTimeoutMs,
      maxRows: options.queryMaxRows,
      maxResultBytes: options.queryMaxResultBytes,
      concurrentQueries: options.concurrentQueries,
    });
    this.#flusher = new Flusher({
      catalog,
      registry: this.#registry,
      target: {
        shard: options.shard,
        files,
        writer,
        directories: new DurableDirectories(files, root),
      },
      clock: environment.clock,
      flushRows: options.flushRows,
      flushAgeMs: options.flushAgeMs,
      makeLogDurable: options.makeLogDurable,
      flushedLsnAfter: (table, lastLsn) => this.#flushedLsnAfter(table, lastLsn),
      onCommitted: () => this.#onCommitted(),
      onReloaded,
      onError: options.onBackgroundError,
    });
    this.dataLife = new DataLife({
      catalog,
      files,
      root,
      clock: environment.clock,
      options,
      access,
      objects: this.objects,
      isBusy: () => [...this.#tables].some((table) => table.frozen.length > 1),
      flushTable: async (name) => await this.#flushTable(name),
      onReloaded,
    });
    for (const table of catalog.tables) {
      this.#registry.restore(table, table.schema);
      this.#tables.ensure(table);
    }
  }

  /** Begins the work in the background; where queries come, the SQL engine starts before the first of them. */
  async start(): Promise<void> {
    if (this.#options.answersQueries) await this.#engine.start();
    this.dataLife.start();
  }

  /** Up to where the log may forget: {@link flushedLsn}, or less when object storage must have the rows first. */
  get releasableLsn(): number {
    return this.objects?.releasableLsn(this.flushedLsn) ?? this.flushedLsn;
  }

  /** Every row of every table up to this LSN is durable in Parquet. */
  get flushedLsn(): number {
    return Math.max(this.#catalog.flushedLsn, this.#flushedLsnAfter(undefined, 0));
  }

  /** Highest LSN of any row in Parquet. A log that lost its tail must not give out LSNs up to it again. */
  get highestFlushedLsn(): number {
    let highest = this.#catalog.flushedLsn;
    for (const table of this.#catalog.tables) highest = Math.max(highest, table.lastLsn);
    return highest;
  }

  /** Bytes of rows that are not in Parquet yet, approximately: what back-pressure is measured by. */
  memoryBytes(): number {
    return this.#totals.bytes;
  }

  /**
   * Checks a batch against the types of its tables and reserves the columns it introduces. What is returned
   * goes to the log and then to {@link insert}; when the append fails, to {@link abandon}.
   *
   * @throws {ServerError} `SERVER_TYPE_CONFLICT`, `SERVER_INVALID_REQUEST`
   */
  admit(batch: IngestBatch): AdmittedBatch {
    for (const table of batch.tables) this.#freeTypes(tableKey(table));
    const admitted = this.#registry.admit(batch);
    this.#admitted.enter(admitted);
    return admitted;
  }

  /** Takes back what {@link admit} reserved, for a batch that did not get into the log. */
  abandon(batch: AdmittedBatch): readonly TableColumn[] {
    this.#admitted.leave(batch);
    return this.#registry.abandon(batch);
  }

  /** Types of columns: what other shards and workers have to agree with. */
  get columns(): SchemaRegistry {
    return this.#registry;
  }

  /** All tables and their columns. */
  schemas(): readonly TableSchema[] {
    return [...this.#tables]
      .filter((table) => isVisible(table, this.#catalog))
      .map(({ database, measurement, key }) => ({
        database,
        measurement,
        schema: this.#registry.schema(key),
      }));
  }

  /**
   * Makes rows visible to queries. Called in LSN order, live and on replay; on replay, rows that are in
   * Parquet already are skipped. The batch belongs to the store from then on.
   *
   * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when the log gave a new batch an LSN that is in Parquet
   */
  insert(lsn: number, batch: IngestBatch): void {
    this.#assertOpen();
    if (!(lsn > this.#insertedLsn)) {
      // Replay may start earlier than it must: everything up to the first `flushedLsn` is in Parquet.
      if (lsn < this.replayFromLsn && !isNew(batch)) return;
      throw new RangeError(`insert of LSN ${lsn} after ${this.#insertedLsn}`);
    }
    this.#insertedLsn = lsn;
    if (isNew(batch)) this.#admitted.leave(batch);
    for (const table of batch.tables) {
      if (table.rowCount === 0) continue;
      const state = this.#tables.ensure(table);
      if ((this.#catalog.table(state.key)?.lastLsn ?? 0) >= lsn) {
        // Replay skips it. A new batch must not be skipped: its rows would never be seen again.
        if (isNew(batch)) throw lsnUsedTwice(lsn, table);
        continue;
      }
      this.#registry.commit(table);
      this.#flusher.insert(state, lsn, table);
    }
  }

  /**
   * Runs one SELECT. Everything inserted before the call is in the answer.
   *
   * @throws {ServerError} `SERVER_INVALID_QUERY`, `SERVER_QUERY_FAILED`, `SERVER_OVERLOADED`
   */
  async query(sql: string, options: StoreQueryOptions = {}): Promise<QueryResult> {
    this.#assertOpen();
    const { signal, readOtherShards = noOtherShards } = options;
    const unite: TakeSnapshot = async (references, stop) => {
      const others = await readOtherShards(references, stop);
      return uniteShards(references, [this.snapshot(references), ...others]);
    };
    return await this.#engine.run(sql, unite, signal);
  }

  /** Tables as they are now, all in one step: no flush can commit in between. */
  snapshot(names: readonly TableName[]): ShardSnapshot {
    return takeSnapshot(names, {
      tables: this.#tables,
      catalog: this.#catalog,
      registry: this.#registry,
    });
  }

  /** Flushes every row that is in memory now; resolves when all of them are committed. */
  async flush(): Promise<void> {
    this.#assertOpen();
    await this.#flusher.flushAll(this.#tables);
  }

  /** The state of the store and of every table. */
  stats(): TableStoreStats {
    const tables = [...this.#tables]
      .filter((table) => isVisible(table, this.#catalog))
      .map((table) => tableStats(table, this.#catalog));
    return {
      insertedLsn: this.#insertedLsn,
      flushedLsn: this.flushedLsn,
      rowsInMemory: this.#totals.rows,
      bytesInMemory: this.#totals.bytes,
      ...sumTables(tables),
      oldestUnflushedAgeMs: oldestUnflushedAgeMs(this.#tables, this.#clock.nowMs()),
      flushes: this.#flusher.stats,
      catalog: this.#catalog.stats,
      dataLife: this.dataLife.stats,
      audit: this.#audit,
      uploads: this.objects?.stats,
      tables,
    };
  }

  /**
   * Stops queries, flushes everything, commits it and closes. Idempotent. When the last flush fails, everything is closed
   * all the same and the error is thrown: the rows are in the log.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const steps = [
      async () => await this.#engine.close(),
      async () => await this.dataLife.stop(),
      async () => await this.#flusher.flushAll(this.#tables),
      async () => await this.#flusher.stop(),
      async () => await this.objects?.stop(),
      async () => await this.#catalog.close(),
      async () => await this.#writer.close(),
    ];
    const failures: unknown[] = [];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  async #flushTable(name: TableName): Promise<void> {
    this.#assertOpen();
    const table = this.#tables.get(tableKey(name));
    if (table !== undefined) await this.#flusher.flushAll([table]);
  }

  /**
   * Forgets the types of a table that was deleted, when nothing of it is left anywhere and nothing is on its way. Other
   * shards may still have rows of it, so where there are some the types stay until the next start.
   */
  #freeTypes(key: string): void {
    const stored = this.#catalog.table(key);
    if (stored === undefined || !isGone(stored) || this.#admitted.has(key)) return;
    const isInMemory = (this.#tables.get(key)?.memtables.length ?? 0) > 0;
    if (isInMemory || this.#options.otherShards.length > 0) return;
    this.#registry.forgetTable(key);
  }

  #assertOpen(): void {
    if (this.#closing === undefined) return;
    throw new ServerError("SERVER_NOT_READY", "the table store is closing");
  }

  /** What `flushedLsn` is once `table` has no rows up to `lastLsn`. */
  #flushedLsnAfter(flushed: TableState | undefined, lastLsn: number): number {
    let flushedLsn = this.#insertedLsn;
    for (const table of this.#tables) {
      const firstLsn = table === flushed ? table.firstLsnAfter(lastLsn) : table.firstUnflushedLsn;
      if (firstLsn !== undefined) flushedLsn = Math.min(flushedLsn, firstLsn - 1);
    }
    return flushedLsn;
  }

  #onCommitted(): void {
    this.objects?.wake();
    this.#options.onFlushed(this.releasableLsn);
  }

  #onReloaded(): void {
    for (const table of this.#tables) {
      table.dropFlushed(this.#catalog.table(table.key)?.lastLsn ?? 0);
    }
    this.dataLife.removedFiles.track();
    this.#onCommitted();
  }
}

/** True for a batch that comes from a client, not from the log. */
function isNew(batch: IngestBatch): batch is AdmittedBatch {
  return "reserved" in batch;
}

function lsnUsedTwice(lsn: number, table: TableName): ServerError {
  return new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `LSN ${lsn} was given out again: rows of ${describeTable(table)} up to it are in Parquet already`,
    { details: { lsn, database: table.database, measurement: table.measurement } },
  );
}
