/**
 * Opens a table store: catalog first, since its log locks the directory, then the audit of the files, then the rest.
 *
 * The composition root of the store: real disk, clock and threads enter here, and tests put others in their place.
 */
import * as path from "node:path";
import type { ObjectStorage } from "../objects/object-storage.ts";
import { assertAllLocal } from "../objects/store-objects.ts";
import { catalogDirectoryOf } from "../workers/shard.ts";
import { Catalog, DEFAULT_SNAPSHOT_BYTES } from "./catalog.ts";
import type { CatalogLog } from "./catalog-log.ts";
import { prepareRoot } from "./durable-directories.ts";
import { auditFiles } from "./file-audit.ts";
import { openThreadedParquetWriter } from "./parquet-thread.ts";
import type { ParquetWriter } from "./parquet-writer.ts";
import { systemStoreClock, type StoreClock } from "./store-environment.ts";
import { nodeStoreFileSystem, type StoreFileSystem } from "./store-file-system.ts";
import { resolveTableStoreOptions, type TableStoreOptions } from "./store-options.ts";
import { TableStore } from "./table-store.ts";
import { openWalCatalogLog } from "./wal-catalog-log.ts";

/** What a store takes from outside besides its options: disk, clock, log. */
export interface TableStoreEnvironment {
  readonly files: StoreFileSystem;
  readonly clock: StoreClock;
  readonly openCatalogLog: () => Promise<CatalogLog>;
  readonly openParquetWriter: () => Promise<ParquetWriter>;
  /** Object storage, when files move there. */
  readonly objects?: ObjectStorage | undefined;
  /** Growth of the catalog's log between snapshots, in bytes. */
  readonly catalogSnapshotBytes: number;
}

/**
 * Opens a store: reads the catalog, checks that its files are there, removes leftovers of flushes that died.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT`, `SERVER_INVALID_OPTION`
 */
export async function openTableStore(
  options: TableStoreOptions,
  objects?: ObjectStorage,
): Promise<TableStore> {
  const resolved = resolveTableStoreOptions(options);
  return await openTableStoreWith(
    {
      files: nodeStoreFileSystem,
      clock: systemStoreClock,
      openCatalogLog: async () =>
        await openWalCatalogLog({
          directory: path.join(resolved.directory, catalogDirectoryOf(resolved.shard)),
          durability: resolved.catalogDurability,
        }),
      openParquetWriter: async () => await openThreadedParquetWriter(),
      objects,
      catalogSnapshotBytes: DEFAULT_SNAPSHOT_BYTES,
    },
    options,
  );
}

/** As {@link openTableStore}, on a given environment. */
export async function openTableStoreWith(
  environment: TableStoreEnvironment,
  options: TableStoreOptions,
): Promise<TableStore> {
  const resolved = resolveTableStoreOptions(options);
  // The catalog first: its log locks the directory.
  const catalog = await Catalog.open({
    openLog: environment.openCatalogLog,
    snapshotBytes: environment.catalogSnapshotBytes,
    onSnapshotError: resolved.onBackgroundError,
  });
  try {
    if (environment.objects === undefined) assertAllLocal(catalog.tables);
    const root = await prepareRoot(environment.files, resolved.directory);
    const audit = await auditFiles({
      files: environment.files,
      root,
      shard: resolved.shard,
      otherShards: resolved.otherShards,
      tables: catalog.tables,
      isCatalogEmpty: catalog.isEmpty,
      removedFiles: catalog.removedFiles,
      flushedLsn: catalog.flushedLsn,
      oldestLogLsn: resolved.oldestLogLsn,
    });
    await catalog.begin();
    const writer = await environment.openParquetWriter();
    const store = new TableStore({ environment, options: resolved, catalog, writer, root, audit });
    await store.start();
    store.objects?.start();
    return store;
  } catch (error) {
    // The first error is the one to report.
    await catalog.close().catch(() => undefined);
    throw error;
  }
}
