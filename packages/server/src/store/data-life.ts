/**
 * What happens to rows after they are in Parquet: merged, deleted, expired, read as a whole.
 *
 * Holds the parts together for one table store; each has its own file. None of it stops ingestion or queries.
 */
import type { DuckDBDataChunk } from "@duckdb/node-api";
import type { Catalog } from "./catalog.ts";
import { Compactor, type CompactionStats } from "./compactor.ts";
import type { DeleteCriteria } from "./delete-criteria.ts";
import type { FileAccess } from "./file-access.ts";
import { expireFiles, type ExpiredFiles } from "./file-expiry.ts";
import { FileEngine } from "./file-engine.ts";
import { RemovedFiles, type RemovedFilesStats, type RemovedObjects } from "./removed-files.ts";
import { deleteRows, type DeletionCounts } from "./row-deletion.ts";
import type { StoreClock } from "./store-environment.ts";
import type { StoreFileSystem } from "./store-file-system.ts";
import type { ResolvedTableStoreOptions } from "./store-options.ts";
import { copyRows, readRows, type ExportedTable, type ExportRange } from "./table-export.ts";
import { TableFiles } from "./table-files.ts";
import type { TableName } from "./table-name.ts";

export interface DataLifeOptions {
  readonly catalog: Catalog;
  readonly files: StoreFileSystem;
  /** Absolute path of the Parquet root. */
  readonly root: string;
  readonly clock: StoreClock;
  readonly options: ResolvedTableStoreOptions;
  /** How files of tables are read. */
  readonly access: FileAccess;
  /** Object storage, when there is one. */
  readonly objects: RemovedObjects | undefined;
  /** True while tables have fallen behind with their flushes. */
  readonly isBusy: () => boolean;
  /** Puts every row of a table that is in memory into files. */
  readonly flushTable: (table: TableName) => Promise<void>;
  /** See {@link Catalog.reload}. */
  readonly onReloaded: () => void;
}

/** Numbers of {@link DataLife}. */
export interface DataLifeStats {
  readonly compaction: CompactionStats;
  readonly removedFiles: RemovedFilesStats;
}

/** Time that a removed file is kept beyond the longest query: a query that is stopped takes a moment. */
const REMOVED_FILE_MARGIN_MS = 30_000;

/** Time for which the bytes of a file are kept after the record that did away with them, in ms. */
export function fileGraceMs({ queryTimeoutMs }: ResolvedTableStoreOptions): number {
  return queryTimeoutMs + REMOVED_FILE_MARGIN_MS;
}

/** Everything that exchanges or reads files of tables as a whole. */
export class DataLife {
  readonly compactor: Compactor;
  readonly removedFiles: RemovedFiles;
  readonly #engine = new FileEngine();
  readonly #tableFiles: TableFiles;
  readonly #flushTable: (table: TableName) => Promise<void>;

  constructor(dataLife: DataLifeOptions) {
    const { catalog, files, root, clock, options, access, objects, isBusy, onReloaded } = dataLife;
    this.#flushTable = dataLife.flushTable;
    const onError = options.onBackgroundError;
    this.removedFiles = new RemovedFiles({
      list: catalog,
      files,
      root,
      clock,
      graceMs: fileGraceMs(options),
      objects,
      onError,
    });
    const tableFiles = new TableFiles({
      catalog,
      files,
      engine: this.#engine,
      root,
      access,
      removedFiles: this.removedFiles,
      onReloaded,
    });
    this.#tableFiles = tableFiles;
    this.compactor = new Compactor({
      tableFiles,
      clock,
      limits: {
        minFiles: options.compactionMinFiles,
        targetFileBytes: options.compactionTargetFileBytes,
      },
      intervalMs: options.compactionIntervalMs,
      isBusy,
      onError,
    });
  }

  get stats(): DataLifeStats {
    return { compaction: this.compactor.stats, removedFiles: this.removedFiles.stats };
  }

  /** See {@link deleteRows}. */
  async deleteRows(table: TableName, criteria: DeleteCriteria): Promise<DeletionCounts> {
    const parts = { tableFiles: this.#tableFiles, flushTable: this.#flushTable };
    return await deleteRows(parts, table, criteria);
  }

  /** See {@link expireFiles}. */
  async expire(
    table: TableName,
    limit: { readonly cutoffNs: bigint; readonly isDryRun: boolean },
  ): Promise<ExpiredFiles> {
    return await expireFiles(this.#tableFiles, table, limit);
  }

  /** Files with every row of a table that was written before; hold {@link removedFiles} first. */
  async tableForExport(name: TableName): Promise<ExportedTable | undefined> {
    await this.#flushTable(name);
    const table = this.#tableFiles.table(name);
    if (table === undefined) return undefined;
    const { database, measurement, schema, groups } = table;
    return { database, measurement, schema, groups };
  }

  /** See {@link readRows}. */
  readRows(table: ExportedTable, range: ExportRange): AsyncIterable<DuckDBDataChunk> {
    return readRows(this.#tableFiles, table, range);
  }

  /** See {@link copyRows}. */
  async copyRows(table: ExportedTable, target: Parameters<typeof copyRows>[2]): Promise<void> {
    await copyRows(this.#tableFiles, table, target);
  }

  /** Begins the work in the background. */
  start(): void {
    this.removedFiles.track();
    this.compactor.start();
  }

  /** Ends it, work under way included. */
  async stop(): Promise<void> {
    await this.compactor.stop();
    await this.removedFiles.stop();
    await this.#engine.close();
  }
}
