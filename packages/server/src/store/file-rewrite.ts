/**
 * One new file out of files of a table: rows merged, in time order, those that are not wanted left out.
 *
 * The file is durable and complete when it is returned, and part of nothing: the caller commits it. A crash
 * before that leaves a file that no record knows, whose rows are all in the files it was made of.
 */
import { basename, dirname } from "node:path/posix";
import type { CatalogFile, ColumnSchema, FileGroup } from "./catalog-record.ts";
import { TIME_COLUMN, sqlType } from "./column-type.ts";
import type { FileEngine } from "./file-engine.ts";
import { rewrittenPath, temporaryFileName } from "./parquet-path.ts";
import { quoteIdentifier, quoteLiteral } from "./sql-identifier.ts";
import type { StoreFileSystem } from "./store-file-system.ts";

/** What a rewrite works with. */
export interface RewriteTarget {
  readonly files: StoreFileSystem;
  readonly engine: FileEngine;
  /** Where the bytes of a file of the catalog are, as an absolute path. */
  readonly locate: (file: CatalogFile) => string;
  /** Absolute path of the Parquet root. */
  readonly root: string;
}

/** What is rewritten. */
export interface RewriteSource {
  /** All columns of the table. */
  readonly schema: readonly ColumnSchema[];
  /** Files of one hour, oldest first: rows of equal times keep the order of their files. */
  readonly groups: readonly FileGroup[];
  /** SQL condition of the rows that are kept; all when there is none. */
  readonly keep?: string | undefined;
  /** Different for every try, so that a temporary file is never written twice. */
  readonly attempt: number;
}

/** A file that may take the place of its sources. */
export interface RewrittenFile {
  /** Columns that the sources have, in the order of the table. */
  readonly columns: readonly string[];
  /** Missing when no row was kept. */
  readonly file: CatalogFile | undefined;
}

/** Rewrites files of one hour as one. When it rejects, nothing was changed; a file may be left that nobody knows. */
export async function rewriteFiles(
  { files, engine, locate, root }: RewriteTarget,
  source: RewriteSource,
): Promise<RewrittenFile> {
  const sources = source.groups.flatMap((group) => group.files);
  const [first] = sources;
  if (first === undefined) throw new RangeError("nothing to rewrite");
  const present = new Set(source.groups.flatMap((group) => group.columns));
  const schema = source.schema.filter((column) => present.has(column.name));
  const columns = schema.map((column) => column.name);
  const path = rewrittenPath(sources.map((file) => file.path));
  const directory = `${root}/${dirname(path)}`;
  const temporaryPath = `${directory}/${temporaryFileName(basename(path), source.attempt)}`;
  try {
    const ordered = inTimeOrder(sources);
    const paths = (ordered ?? sources).map(locate);
    const select = selectRows(paths, schema, {
      keep: source.keep,
      isOrdered: ordered !== undefined,
    });
    // 1. The rows, under a name that nobody reads. CRASH: rewrite-1 leaves a temporary file.
    const rows = await engine.copy(select, temporaryPath);
    if (rows === 0) {
      await files.removeFile(temporaryPath);
      return { columns, file: undefined };
    }
    const facts = await readFacts(engine, temporaryPath);
    const bytes = await files.fileSizeBytes(temporaryPath);
    const expected = source.keep === undefined ? sum(sources, (file) => file.rows) : rows;
    if (bytes === undefined || facts.rows !== rows || rows !== expected) {
      throw new Error(`${temporaryPath}: ${facts.rows} rows instead of ${expected}`);
    }
    // 2. The bytes become durable before the name says that they are there. CRASH: rewrite-2, as rewrite-1.
    await files.syncFile(temporaryPath);
    // 3. The name. CRASH: rewrite-3 leaves a file that no record knows, whose rows are in its sources.
    await files.rename(temporaryPath, `${root}/${path}`);
    // 4. The name becomes durable. CRASH: rewrite-4, as rewrite-3.
    await files.syncDirectory(directory);
    return { columns, file: { path, bytes, hour: first.hour, ...facts } };
  } catch (error) {
    // If it cannot go now, the next start removes it; the first error is the one to report.
    await files.removeFile(temporaryPath).catch(() => undefined);
    throw error;
  }
}

/** The files one behind the other, when their times allow it: no sorting is needed then. */
function inTimeOrder(files: readonly CatalogFile[]): readonly CatalogFile[] | undefined {
  const ordered = files.toSorted((a, b) => compare(BigInt(a.minTime), BigInt(b.minTime)));
  const overlaps = ordered.some((file, index) => {
    const before = ordered[index - 1];
    return before !== undefined && BigInt(before.maxTime) >= BigInt(file.minTime);
  });
  return overlaps ? undefined : ordered;
}

function selectRows(
  paths: readonly string[],
  schema: readonly ColumnSchema[],
  { keep, isOrdered }: { readonly keep: string | undefined; readonly isOrdered: boolean },
): string {
  const list = paths.map(quoteLiteral).join(",");
  const from = `read_parquet([${list}], hive_partitioning=false, union_by_name=true)`;
  const where = keep === undefined ? "" : ` WHERE ${keep}`;
  const casts = schema.map(
    ({ name, type }) => `CAST(${quoteIdentifier(name)} AS ${sqlType(type)})`,
  );
  const names = [TIME_COLUMN, ...schema.map(({ name }) => name)].map(quoteIdentifier);
  if (isOrdered) {
    const columns = [names[0], ...casts.map((cast, index) => `${cast} AS ${names[index + 1]}`)];
    return `SELECT ${columns.join(", ")} FROM ${from}${where}`;
  }
  // Names of our own inside: no column of the table can be taken for the order of arrival.
  const inner = [quoteIdentifier(TIME_COLUMN), ...casts].map(
    (value, index) => `${value} AS c${index}`,
  );
  const outer = names.map((name, index) => `source.c${index} AS ${name}`);
  return (
    `SELECT ${outer.join(", ")} FROM (SELECT ${inner.join(", ")}, row_number() OVER () AS arrival ` +
    `FROM ${from}${where}) AS source ORDER BY source.c0, source.arrival`
  );
}

interface FileFacts {
  readonly rows: number;
  readonly minTime: string;
  readonly maxTime: string;
}

async function readFacts(engine: FileEngine, path: string): Promise<FileFacts> {
  const time = quoteIdentifier(TIME_COLUMN);
  const [row] = await engine.rows(
    `SELECT count(*), epoch_ns(min(${time}))::VARCHAR, epoch_ns(max(${time}))::VARCHAR ` +
      `FROM read_parquet(${quoteLiteral(path)}, hive_partitioning=false)`,
  );
  const [rows, minTime, maxTime] = row ?? [];
  if (typeof minTime !== "string" || typeof maxTime !== "string")
    throw new Error(`${path} is empty`);
  return { rows: Number(rows), minTime, maxTime };
}

function sum(files: readonly CatalogFile[], value: (file: CatalogFile) => number): number {
  return files.reduce((total, file) => total + value(file), 0);
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
