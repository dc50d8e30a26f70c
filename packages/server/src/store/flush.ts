/**
 * One flush: rows of one table become Parquet files, durable and complete, ready to be committed.
 *
 * The steps are ordered so that a crash at any point leaves either nothing of the flush or all of it; each
 * `CRASH:` label is a row of the crash table in docs/storage.md and a test. The commit itself, and the
 * exchange of rows in memory for files, belong to the catalog and the flusher.
 */
import type { CatalogFile } from "./catalog-record.ts";
import type { DurableDirectories } from "./durable-directories.ts";
import type { HourFacts } from "./hour-partition.ts";
import {
  hourDirectory,
  parquetFileName,
  tableDirectory,
  temporaryFileName,
  type LsnRange,
} from "./parquet-path.ts";
import type { ParquetWriter, StagedRows } from "./parquet-writer.ts";
import type { RowSet } from "./row-buffer.ts";
import type { StoreFileSystem } from "./store-file-system.ts";
import type { TableName } from "./table-name.ts";

/** What a flush writes with and where. */
export interface FlushTarget {
  /** Number of the shard, part of every file's name. */
  readonly shard: number;
  readonly files: StoreFileSystem;
  readonly directories: DurableDirectories;
  readonly writer: ParquetWriter;
}

/** What a flush writes. */
export interface FlushSource extends LsnRange {
  readonly table: TableName;
  /** The arrays are taken: nobody else may use them afterwards. */
  readonly rows: RowSet;
  /** Different for every try, so that a temporary file is never written twice. */
  readonly attempt: number;
}

/** Files under way at once: one is written while another is synced. */
const CONCURRENT_FILES = 2;

/**
 * Writes the rows, one file per UTC hour. When it resolves, the files and their names survive a power loss,
 * and nobody reads them yet. When it rejects, files may be left: they are replaced by the next try or
 * removed at the next start.
 *
 * @returns the files in order of their hour
 */
export async function writeHourFiles(
  target: FlushTarget,
  source: FlushSource,
): Promise<readonly CatalogFile[]> {
  const staged = await target.writer.stage(source.rows);
  try {
    return await writeStaged(target, source, staged);
  } finally {
    staged.release();
  }
}

async function writeStaged(
  target: FlushTarget,
  source: FlushSource,
  staged: StagedRows,
): Promise<readonly CatalogFile[]> {
  const written: CatalogFile[] = [];
  const touched = new Set<string>();
  let next = 0;
  const work = async (): Promise<void> => {
    for (;;) {
      const index = next++;
      const hour = staged.hours[index];
      if (hour === undefined) return;
      const write = (path: string): Promise<void> => staged.write(index, path);
      const { file, directory } = await writeHourFile(target, source, { hour, write });
      written[index] = file;
      touched.add(directory);
    }
  };
  const workers = Array.from({ length: Math.min(CONCURRENT_FILES, staged.hours.length) }, work);
  // All of them, even when one fails: nothing may be written behind the back of the next try.
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === "rejected") throw result.reason;
  // 4. The new names become durable, one sync per directory. CRASH: flush-4 leaves complete files that
  //    no record knows: removed at the next start, their rows are still in the log.
  for (const directory of touched) await target.files.syncDirectory(directory);
  return written;
}

interface WrittenFile {
  readonly file: CatalogFile;
  readonly directory: string;
}

async function writeHourFile(
  { shard, files, directories }: FlushTarget,
  { table, attempt, firstLsn, lastLsn }: FlushSource,
  { hour, write }: { readonly hour: HourFacts; readonly write: (path: string) => Promise<void> },
): Promise<WrittenFile> {
  const tablePath = tableDirectory(table.database, table.measurement);
  const relative = `${tablePath}/${hourDirectory(hour.hourStartNs)}`;
  const directory = await directories.ensure(relative);
  const name = parquetFileName(table.measurement, shard, { firstLsn, lastLsn });
  const temporaryPath = `${directory}/${temporaryFileName(name, attempt)}`;
  try {
    const bytes = await writeDurably(files, temporaryPath, write);
    // 3. The name. CRASH: flush-3 leaves the temporary or the final name, both unknown to the catalog.
    await files.rename(temporaryPath, `${directory}/${name}`);
    return { directory, file: describeFile(`${relative}/${name}`, bytes, hour) };
  } catch (error) {
    // Half a file would hold space on a disk that may be full. If it cannot go now, the next start
    // removes it; the first error is the one to report.
    await files.removeFile(temporaryPath).catch(() => undefined);
    throw error;
  }
}

async function writeDurably(
  files: StoreFileSystem,
  temporaryPath: string,
  write: (path: string) => Promise<void>,
): Promise<number> {
  // 1. The rows, under a name that nobody reads. CRASH: flush-1 leaves a temporary file, removed at the
  //    next start.
  await write(temporaryPath);
  const bytes = await files.fileSizeBytes(temporaryPath);
  if (bytes === undefined) throw new Error(`${temporaryPath} vanished while it was written`);
  // 2. The bytes become durable before the name says that they are there. CRASH: flush-2, as flush-1.
  await files.syncFile(temporaryPath);
  return bytes;
}

function describeFile(path: string, bytes: number, hour: HourFacts): CatalogFile {
  const { rowCount, minTimeNs, maxTimeNs, hourStartNs } = hour;
  return {
    path,
    rows: rowCount,
    bytes,
    hour: hourDirectory(hourStartNs).replace(/^(\d+)\/(\d+)\/(\d+)\/(\d+)$/, "$1-$2-$3T$4"),
    minTime: String(minTimeNs),
    maxTime: String(maxTimeNs),
  };
}
