/**
 * Records of the catalog: what a commit says, as JSON in UTF-8.
 *
 * Every record carries `version` and `kind`. A reader refuses a version or kind that it does not know: a
 * catalog that is understood by half is not understood. LSNs are plain numbers (below 2^53); times are exact
 * decimal strings of nanoseconds. Format: docs/storage.md. Pure.
 */
import type { ColumnType } from "../ingest/table-batch.ts";
import { ServerError } from "../errors.ts";

export const CATALOG_RECORD_VERSION = 1;

/** Name and type of a column of a table. */
export interface ColumnSchema {
  readonly name: string;
  readonly type: ColumnType;
}

/** A Parquet file that belongs to a table. */
export interface CatalogFile {
  /** Path relative to the Parquet root, with slashes. */
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  /** UTC hour of its rows, "YYYY-MM-DDTHH". */
  readonly hour: string;
  /** Times of the first and last row, in nanoseconds since 1970, as decimal text. */
  readonly minTime: string;
  readonly maxTime: string;
  /** Where the bytes are: below the Parquet root ("local", when it is left out) or in the bucket. */
  readonly place?: "local" | "object";
  /** Key in the bucket, for a file that is there. */
  readonly key?: string;
  /** SHA-256 of its bytes in hex, for a file that is in the bucket. */
  readonly sha256?: string;
}

/** The first record of every catalog: tells an empty one from one that was lost. */
export interface CreatedRecord {
  readonly version: 1;
  readonly kind: "created";
}

/** One flush: these files, holding the rows of this LSN range, are now part of this table. */
export interface FlushRecord {
  readonly version: 1;
  readonly kind: "flush";
  readonly database: string;
  readonly measurement: string;
  readonly firstLsn: number;
  readonly lastLsn: number;
  /** Every row of every table up to this LSN is in Parquet once this record is durable. */
  readonly flushedLsn: number;
  /** All columns of the table, in the order in which they appeared. */
  readonly schema: readonly ColumnSchema[];
  /** The columns that these files have, besides the time. */
  readonly columns: readonly string[];
  readonly files: readonly CatalogFile[];
}

/** Files that have the same columns. */
export interface FileGroup {
  /** Columns of the files besides the time. */
  readonly columns: readonly string[];
  readonly files: readonly CatalogFile[];
}

/**
 * One exchange: some files of a table give way to others, all at once. The rows of the log that the table
 * covers stay the same: replay does not bring back what was removed.
 */
export interface ReplaceRecord {
  readonly version: 1;
  readonly kind: "replace";
  readonly database: string;
  readonly measurement: string;
  /** All columns of the table afterwards. None when the table is gone: its types are free again. */
  readonly schema: readonly ColumnSchema[];
  /** Paths of files that are not part of the table any more. Their bytes go later: see removed-files.ts. */
  readonly removed: readonly string[];
  /** Files that are now part of it. A path that is also in `removed` is only described anew. */
  readonly added: readonly FileGroup[];
}

/** Records that change tables, one commit each. */
export type CommitRecord = FlushRecord | ReplaceRecord;

/** Begins a snapshot. Its parts follow; it counts for nothing until its end has been read. */
export interface SnapshotRecord {
  readonly version: 1;
  readonly kind: "snapshot";
  readonly flushedLsn: number;
}

/** Ends a snapshot: what was read before it began is forgotten, its parts take the place. */
export interface SnapshotEndRecord {
  readonly version: 1;
  readonly kind: "snapshot-end";
}

/** Part of a snapshot: one table and some of its files. A table with many files has several. */
export interface TableRecord {
  readonly version: 1;
  readonly kind: "table";
  readonly database: string;
  readonly measurement: string;
  readonly lastLsn: number;
  readonly schema: readonly ColumnSchema[];
  readonly columns: readonly string[];
  readonly files: readonly CatalogFile[];
}

/** Part of a snapshot: files that are part of no table and whose bytes may still be there. */
export interface RemovedRecord {
  readonly version: 1;
  readonly kind: "removed";
  readonly files: readonly CatalogFile[];
}

export type CatalogRecord =
  | CreatedRecord
  | CommitRecord
  | RemovedRecord
  | SnapshotRecord
  | SnapshotEndRecord
  | TableRecord;

/** A record as bytes. */
export function encodeCatalogRecord(record: CatalogRecord): Uint8Array {
  return Buffer.from(JSON.stringify(record), "utf8");
}

/**
 * Reads one record.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when the bytes are not a record of a known version
 */
export function decodeCatalogRecord(bytes: Uint8Array, lsn: number): CatalogRecord {
  const value = parseJson(bytes);
  if (typeof value !== "object" || value === null) throw corrupt(lsn, "it is not a JSON object");
  const record = value as Partial<CatalogRecord>; // Checked field by field below.
  if (record.version !== CATALOG_RECORD_VERSION) {
    throw corrupt(lsn, `its version is ${String(record.version)}, this program knows version 1`);
  }
  switch (record.kind) {
    case "created":
      return { version: 1, kind: "created" };
    case "snapshot-end":
      return { version: 1, kind: "snapshot-end" };
    case "snapshot":
      if (!isCount(record.flushedLsn)) throw corrupt(lsn, "flushedLsn is missing");
      return { version: 1, kind: "snapshot", flushedLsn: record.flushedLsn };
    case "flush":
    case "table":
      if (!isTablePart(record))
        throw corrupt(lsn, `a field of the "${record.kind}" record is wrong`);
      return record;
    case "replace":
      if (!isReplacement(record)) throw corrupt(lsn, 'a field of the "replace" record is wrong');
      return record;
    case "removed":
      if (!Array.isArray(record.files) || !record.files.every(isCatalogFile)) {
        throw corrupt(lsn, 'a field of the "removed" record is wrong');
      }
      return { version: 1, kind: "removed", files: record.files };
    case undefined:
      throw corrupt(lsn, "it has no kind");
    default:
      throw corrupt(lsn, `its kind is ${JSON.stringify((value as { kind: unknown }).kind)}`);
  }
}

function isTablePart(record: Partial<FlushRecord> | Partial<TableRecord>): record is FlushRecord {
  return (
    typeof record.database === "string" &&
    typeof record.measurement === "string" &&
    isCount(record.lastLsn) &&
    (record.kind !== "flush" || (isCount(record.firstLsn) && isCount(record.flushedLsn))) &&
    isSchema(record.schema) &&
    isFileGroup(record)
  );
}

function isReplacement(record: Partial<ReplaceRecord>): record is ReplaceRecord {
  return (
    typeof record.database === "string" &&
    typeof record.measurement === "string" &&
    isSchema(record.schema) &&
    isTextList(record.removed) &&
    Array.isArray(record.added) &&
    record.added.every(
      (group: unknown) => typeof group === "object" && group !== null && isFileGroup(group),
    )
  );
}

function isFileGroup(group: Partial<FileGroup>): group is FileGroup {
  return (
    isTextList(group.columns) && Array.isArray(group.files) && group.files.every(isCatalogFile)
  );
}

function isSchema(value: unknown): value is readonly ColumnSchema[] {
  return Array.isArray(value) && value.every(isColumnSchema);
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

function isColumnSchema(value: unknown): value is ColumnSchema {
  if (typeof value !== "object" || value === null) return false;
  const column = value as Partial<ColumnSchema>; // Checked here.
  return typeof column.name === "string" && COLUMN_TYPES.has(column.type);
}

function isCatalogFile(value: unknown): value is CatalogFile {
  if (typeof value !== "object" || value === null) return false;
  const file = value as Partial<CatalogFile>; // Checked here.
  return (
    typeof file.path === "string" &&
    isCount(file.rows) &&
    isCount(file.bytes) &&
    typeof file.hour === "string" &&
    typeof file.minTime === "string" &&
    typeof file.maxTime === "string" &&
    isPlace(file)
  );
}

function isPlace({ place, key, sha256 }: Partial<CatalogFile>): boolean {
  if (place === undefined || place === "local") return true;
  return place === "object" && typeof key === "string" && typeof sha256 === "string";
}

const COLUMN_TYPES: ReadonlySet<unknown> = new Set<ColumnType>([
  "tag",
  "string",
  "float",
  "integer",
  "unsigned",
  "boolean",
]);

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function corrupt(lsn: number, reason: string): ServerError {
  return new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `catalog record ${lsn} cannot be read: ${reason}`,
    { details: { lsn } },
  );
}
