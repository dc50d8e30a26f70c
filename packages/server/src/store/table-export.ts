/**
 * All rows of a table, or those of a time range, for leaving, not for queries: a piece at a time, or as one file.
 *
 * Works on a list of files, which may be those of several shards: whoever made the list holds their bytes until the
 * end, whatever replaces them meanwhile. Files come hour by hour, rows of a file in time order: nothing is sorted as a
 * whole, so memory does not grow with the table.
 */
import type { DuckDBDataChunk } from "@duckdb/node-api";
import type { CatalogFile, ColumnSchema, FileGroup } from "./catalog-record.ts";
import { TIME_COLUMN, sqlType } from "./column-type.ts";
import { conditionOf, fateOf, type DeleteCriteria } from "./delete-criteria.ts";
import { quoteIdentifier, quoteLiteral } from "./sql-identifier.ts";
import type { TableFiles } from "./table-files.ts";
import type { TableName } from "./table-name.ts";
import { selectTable } from "./table-snapshot.ts";

/** Times that are exported: from the first to before the second. */
export type ExportRange = Pick<DeleteCriteria, "startNs" | "stopNs">;

/** Files with every row of a table, of one shard or of several. Plain data. */
export interface ExportedTable extends TableName {
  readonly schema: readonly ColumnSchema[];
  readonly groups: readonly FileGroup[];
}

/** The part of a table that has rows of a range. */
export function narrowTable(table: ExportedTable, range: ExportRange): ExportedTable {
  const criteria = { ...range, tags: [] };
  const groups = table.groups.flatMap(({ columns, files }) => {
    const meant = files.filter((file) => fateOf(file, columns, criteria) !== "keep");
    return meant.length === 0 ? [] : [{ columns, files: meant.toSorted(compareHours) }];
  });
  return { ...table, groups };
}

/** The rows, a piece at a time: the time in nanoseconds, then the columns of the schema in order. */
export async function* readRows(
  tableFiles: TableFiles,
  { schema, groups }: ExportedTable,
  range: ExportRange,
): AsyncGenerator<DuckDBDataChunk> {
  const criteria = { ...range, tags: [] };
  const files = groups
    .flatMap(({ columns, files: members }) => members.map((file) => ({ columns, file })))
    .toSorted((a, b) => compareHours(a.file, b.file));
  for (const { columns, file } of files) {
    const opened = await tableFiles.open([file]);
    try {
      const select = selectFile(opened.pathOf(file), schema, { columns, criteria });
      yield* tableFiles.engine.chunks(select);
    } finally {
      opened.release();
    }
  }
}

/** Writes the rows to a Parquet file. All files are opened together. Nothing is synced. */
export async function copyRows(
  tableFiles: TableFiles,
  table: ExportedTable,
  target: ExportRange & {
    readonly path: string;
    /** See {@link FileEngine.copy}. */
    readonly note: string;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const opened = await tableFiles.open(table.groups.flatMap(({ files }) => files));
  try {
    const pathOf = (file: CatalogFile): string => opened.pathOf(file);
    const select = selectTable({ ...table, rowSets: [] }, { pathOf, tokens: [] });
    const condition = conditionOf({ ...target, tags: [] }, []);
    const sql = `SELECT * FROM (${select}) WHERE ${condition}`;
    await tableFiles.engine.copy(sql, target.path, target);
  } finally {
    opened.release();
  }
}

function selectFile(
  path: string,
  schema: readonly ColumnSchema[],
  { columns, criteria }: { readonly columns: readonly string[]; readonly criteria: DeleteCriteria },
): string {
  const values = schema.map(({ name, type }) => {
    const value = columns.includes(name) ? quoteIdentifier(name) : "NULL";
    return `CAST(${value} AS ${sqlType(type)})`;
  });
  const select = [`epoch_ns(${quoteIdentifier(TIME_COLUMN)})`, ...values].join(", ");
  const from = `read_parquet(${quoteLiteral(path)}, hive_partitioning=false)`;
  return `SELECT ${select} FROM ${from} WHERE ${conditionOf(criteria, columns)}`;
}

function compareHours(a: CatalogFile, b: CatalogFile): number {
  const [aNs, bNs] = [BigInt(a.minTime), BigInt(b.minTime)];
  if (aNs === bNs) return 0;
  return aNs < bNs ? -1 : 1;
}
