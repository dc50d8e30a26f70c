/**
 * The state of a store as numbers, for status pages and metrics.
 *
 * Computed when asked for, by looking at every table: not for the path of a write.
 */
import type { UploadStats } from "../objects/uploader.ts";
import type { Catalog, CatalogStats } from "./catalog.ts";
import type { DataLifeStats } from "./data-life.ts";
import type { FileAuditReport } from "./file-audit.ts";
import type { FlushStats } from "./flusher.ts";
import type { TableName } from "./table-name.ts";
import type { TableState } from "./table-state.ts";

/** One table in {@link TableStoreStats}. */
export interface TableStats extends TableName {
  readonly rowsInMemory: number;
  readonly bytesInMemory: number;
  readonly files: number;
  readonly rowsOnDisk: number;
  readonly bytesOnDisk: number;
  /** Rows up to this LSN are in Parquet; 0 when none are. */
  readonly flushedLsn: number;
}

/** The state of a store, for status pages and metrics. */
export interface TableStoreStats {
  readonly insertedLsn: number;
  readonly flushedLsn: number;
  readonly rowsInMemory: number;
  readonly bytesInMemory: number;
  readonly files: number;
  readonly rowsOnDisk: number;
  readonly bytesOnDisk: number;
  /** Age of the oldest row that is not in Parquet, in ms; 0 when all are. */
  readonly oldestUnflushedAgeMs: number;
  readonly flushes: FlushStats;
  readonly catalog: CatalogStats;
  readonly dataLife: DataLifeStats;
  readonly audit: FileAuditReport;
  /** Uploads to object storage; left out when files stay local. */
  readonly uploads: UploadStats | undefined;
  readonly tables: readonly TableStats[];
}

/** Numbers of one table. */
export function tableStats(table: TableState, catalog: Catalog): TableStats {
  const stored = catalog.table(table.key);
  return {
    database: table.database,
    measurement: table.measurement,
    rowsInMemory: table.memtables.reduce((total, memtable) => total + memtable.rowCount, 0),
    bytesInMemory: table.memtables.reduce((total, memtable) => total + memtable.bytes, 0),
    files: stored?.fileCount ?? 0,
    rowsOnDisk: stored?.rows ?? 0,
    bytesOnDisk: stored?.bytes ?? 0,
    flushedLsn: stored?.lastLsn ?? 0,
  };
}

/** Sums over tables. */
export function sumTables(
  tables: readonly TableStats[],
): Pick<TableStoreStats, "files" | "rowsOnDisk" | "bytesOnDisk"> {
  let [files, rowsOnDisk, bytesOnDisk] = [0, 0, 0];
  for (const table of tables) {
    files += table.files;
    rowsOnDisk += table.rowsOnDisk;
    bytesOnDisk += table.bytesOnDisk;
  }
  return { files, rowsOnDisk, bytesOnDisk };
}

/** Age of the oldest row that is not in Parquet, in ms; 0 when there is none. */
export function oldestUnflushedAgeMs(tables: Iterable<TableState>, nowMs: number): number {
  let age = 0;
  for (const table of tables) {
    const oldest = table.memtables[0];
    if (oldest !== undefined) age = Math.max(age, nowMs - oldest.createdAtMs);
  }
  return age;
}
