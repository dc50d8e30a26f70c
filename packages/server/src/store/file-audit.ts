/**
 * Compares the Parquet files on disk with the catalog when a store is opened.
 *
 * Gather (list and measure), decide (a pure function), apply (remove). A file of the catalog that is missing
 * or has another size stops the start: rows would be missing from answers in silence. Files that a flush
 * left behind when it died before its commit are removed, their rows are in the log. Everything else that is
 * not ours stays and is reported. Table of cases: docs/storage.md.
 */
import { ServerError } from "../errors.ts";
import type { CatalogFile } from "./catalog-record.ts";
import { filesOf, type CatalogTable } from "./catalog-state.ts";
import { parseFileName, tableDirectory, type LsnRange } from "./parquet-path.ts";
import type { StoreFileSystem } from "./store-file-system.ts";
import { describeTable } from "./table-name.ts";

/** What an audit needs to know. */
export interface FileAuditOptions {
  readonly files: StoreFileSystem;
  /** Absolute path of the Parquet root. */
  readonly root: string;
  /** Shard of the store. Files of others are not looked at: another process may be writing them. */
  readonly shard: number;
  /** The other shards that the data directory has. A file of a shard that is not there is a lost catalog's. */
  readonly otherShards: readonly number[];
  readonly tables: Iterable<CatalogTable>;
  /** Files that the catalog knows as removed: they go after their time of grace, not here. */
  readonly removedFiles: Iterable<CatalogFile>;
  /** Rows of the log up to here are in files of the catalog, or were deleted, whatever their table. */
  readonly flushedLsn: number;
  /** True when the catalog has no record at all. */
  readonly isCatalogEmpty: boolean;
  /** Oldest record that the log still has: a file with older rows is never removed. */
  readonly oldestLogLsn: number;
}

/** What an audit found and did. Paths are relative to the root. */
export interface FileAuditReport {
  /** Left by flushes and rewrites that died; removed. */
  readonly removed: readonly string[];
  /** Not known to the catalog and not recognised as a leftover; left alone. */
  readonly unknown: readonly string[];
}

/** Files measured at once. */
const CONCURRENT_CALLS = 32;
const NAMED_PROBLEMS = 5;

/**
 * Audits the files below the root.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when files of the catalog are missing or have another
 * size, or when there are files and no catalog
 */
export async function auditFiles(options: FileAuditOptions): Promise<FileAuditReport> {
  const tables = [...options.tables];
  await assertFilesPresent(options, tables);
  const known = new Set([
    ...tables.flatMap((table) => filesOf(table).map((file) => file.path)),
    ...[...options.removedFiles].map((file) => file.path),
  ]);
  const watermarks = new Map(
    tables.map((table) => [tableDirectory(table.database, table.measurement), table.lastLsn]),
  );
  const removed: string[] = [];
  const unknown: string[] = [];
  for await (const path of filesBelow(options)) {
    if (known.has(path)) continue;
    const watermark = watermarks.get(path.split("/").slice(0, 2).join("/")) ?? 0;
    const { shard, otherShards, oldestLogLsn, flushedLsn } = options;
    const verdict = judge(path, { shard, otherShards, watermark, oldestLogLsn, flushedLsn });
    if (verdict === "foreign") continue;
    if (verdict === "orphan") throw shardLost(options.root, path);
    if (verdict === "data" && options.isCatalogEmpty) throw catalogLost(options.root, path);
    if (verdict === "unknown") unknown.push(path);
    else removed.push(path);
  }
  // Only after the whole walk: a lost catalog must be noticed before anything is removed. Not synced: a
  // removal that a power loss undoes is done again at the next start.
  for (const path of removed) await options.files.removeFile(`${options.root}/${path}`);
  return { removed, unknown };
}

interface AuditLimits {
  readonly shard: number;
  readonly otherShards: readonly number[];
  readonly watermark: number;
  readonly oldestLogLsn: number;
  readonly flushedLsn: number;
}

/**
 * "data" and "temporary" files are leftovers of flushes and rewrites that were never committed. "foreign" ones
 * belong to another shard, "orphan" ones to a shard that is not there.
 */
function judge(
  path: string,
  limits: AuditLimits,
): "data" | "temporary" | "unknown" | "foreign" | "orphan" {
  const parts = path.split("/");
  const [, measurement = "", year = "", month = "", day = "", hour = "", name = ""] = parts;
  if (parts.length !== 7 || !/^\d{4}\/\d\d\/\d\d\/\d\d$/.test([year, month, day, hour].join("/"))) {
    return "unknown";
  }
  const parsed = parseFileName(name, measurement);
  switch (parsed.kind) {
    case "temporary":
      // Half a file of a shard that is not there is nobody's rows.
      if (parsed.shard === limits.shard) return "temporary";
      return limits.otherShards.includes(parsed.shard) ? "foreign" : "unknown";
    case "unknown":
      return "unknown";
    case "data":
      if (parsed.shard !== limits.shard) return foreign(parsed.shard, limits);
      return isInLog(parsed.range, limits) ? "data" : "unknown";
    case "rewritten":
      if (parsed.shard !== limits.shard) return foreign(parsed.shard, limits);
      return isCopy(parsed.range, limits) ? "data" : "unknown";
  }
}

/** All its rows came from files that this catalog has seen: they are in other files, or were deleted. */
function isCopy(range: LsnRange, { watermark, flushedLsn }: AuditLimits): boolean {
  return range.lastLsn <= Math.max(watermark, flushedLsn);
}

function foreign(shard: number, { otherShards }: AuditLimits): "foreign" | "orphan" {
  return otherShards.includes(shard) ? "foreign" : "orphan";
}

function isInLog(range: LsnRange, { watermark, oldestLogLsn }: AuditLimits): boolean {
  return range.firstLsn > watermark && range.firstLsn >= oldestLogLsn;
}

async function assertFilesPresent(
  { files, root }: FileAuditOptions,
  tables: readonly CatalogTable[],
): Promise<void> {
  const problems: string[] = [];
  let rows = 0;
  let count = 0;
  const check = async (table: CatalogTable, file: CatalogFile): Promise<void> => {
    const bytes = await files.fileSizeBytes(`${root}/${file.path}`);
    if (bytes === file.bytes) return;
    count++;
    rows += file.rows;
    const found = bytes === undefined ? "missing" : `${bytes} bytes instead of ${file.bytes}`;
    if (problems.length >= NAMED_PROBLEMS) return;
    problems.push(`${root}/${file.path} (${describeTable(table)}, ${file.rows} rows): ${found}`);
  };
  for (const table of tables) {
    // Those in object storage are looked at when they are read: each has its digest.
    const tableFiles = filesOf(table).filter((file) => file.place !== "object");
    for (let from = 0; from < tableFiles.length; from += CONCURRENT_CALLS) {
      const part = tableFiles.slice(from, from + CONCURRENT_CALLS);
      await Promise.all(part.map(async (file) => await check(table, file)));
    }
  }
  if (count === 0) return;
  throw new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `${count} Parquet file(s) with ${rows} rows are not as the catalog says: ${problems.join("; ")}` +
      (count > problems.length ? `; and ${count - problems.length} more` : "") +
      `. Restore them from a backup.`,
    { details: { files: count, rows } },
  );
}

/** Paths of all files below the root, relative to it. */
export async function* filesBelow(
  options: Pick<FileAuditOptions, "files" | "root">,
  relative = "",
): AsyncGenerator<string> {
  const directory = relative === "" ? options.root : `${options.root}/${relative}`;
  for (const entry of await options.files.listDirectory(directory)) {
    const path = relative === "" ? entry.name : `${relative}/${entry.name}`;
    if (entry.isDirectory) yield* filesBelow(options, path);
    else yield path;
  }
}

function shardLost(root: string, path: string): ServerError {
  return new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `${root}/${path} belongs to a shard that has no catalog and no log here. Restore them from a backup, or ` +
      "move the shard's files away to go on without their rows.",
    { details: { path: `${root}/${path}` } },
  );
}

function catalogLost(root: string, path: string): ServerError {
  return new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `the catalog is empty, but there are Parquet files, such as ${root}/${path}. Restore the catalog ` +
      `directory from a backup, or move ${root} away to begin anew.`,
    { details: { path: `${root}/${path}` } },
  );
}
