/**
 * All rows of a table, or those of a time range, a piece at a time: for leaving, not for queries.
 *
 * The table is flushed first, so every row that was written before is in a file; the files stay until the end, whatever
 * replaces them meanwhile. Files come hour by hour, rows of a file in time order: nothing is sorted as a whole, so
 * memory does not grow with the table.
 */
import type { DuckDBDataChunk } from "@duckdb/node-api";
import type { CatalogFile, ColumnSchema } from "./catalog-record.ts";
import { TIME_COLUMN, sqlType } from "./column-type.ts";
import { conditionOf, fateOf, type DeleteCriteria } from "./delete-criteria.ts";
import type { RemovedFiles } from "./removed-files.ts";
import { quoteIdentifier, quoteLiteral } from "./sql-identifier.ts";
import type { TableFiles } from "./table-files.ts";
import type { TableName } from "./table-name.ts";

export interface TableExportOptions {
  readonly tableFiles: TableFiles;
  readonly removedFiles: RemovedFiles;
  /** Puts every row of the table that is in memory into files. */
  readonly flushTable: (table: TableName) => Promise<void>;
}

/** Rows of a table: the time in nanoseconds, then the columns of the schema in order. */
export interface ExportedRows {
  readonly schema: readonly ColumnSchema[];
  readonly chunks: AsyncIterable<DuckDBDataChunk>;
}

/** Opens an export. `chunks` must be read to its end or be returned from: the files are held until then. */
export async function exportTable(
  { tableFiles, removedFiles, flushTable }: TableExportOptions,
  name: TableName,
  range: Pick<DeleteCriteria, "startNs" | "stopNs">,
): Promise<ExportedRows | undefined> {
  await flushTable(name);
  const table = tableFiles.table(name);
  if (table === undefined) return undefined;
  const { schema, groups } = table;
  const criteria = { ...range, tags: [] };
  const files = groups
    .flatMap(({ columns, files: members }) => members.map((file) => ({ columns, file })))
    .filter(({ columns, file }) => fateOf(file, columns, criteria) !== "keep")
    .toSorted((a, b) => compareHours(a.file, b.file));
  const release = removedFiles.hold();
  async function* read(): AsyncGenerator<DuckDBDataChunk> {
    try {
      for (const { columns, file } of files) {
        const opened = await tableFiles.open([file]);
        try {
          const select = selectFile(opened.pathOf(file), schema, { columns, criteria });
          yield* tableFiles.engine.chunks(select);
        } finally {
          opened.release();
        }
      }
    } finally {
      release();
    }
  }
  return { schema, chunks: read() };
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
  if (a.hour === b.hour) return 0;
  return BigInt(a.minTime) < BigInt(b.minTime) ? -1 : 1;
}
