/**
 * DELETE: rows of a table go, all at once, and do not come back.
 *
 * The table is flushed first, so that every row that was written before is in a file and replay skips it. Files that
 * are meant as a whole are dropped, others are written anew without the rows; one record of the catalog does all of
 * it. A crash before the record leaves everything, one after it nothing of the rows. Rows written meanwhile may go
 * either way, rows written after the answer stay.
 */
import type { CatalogFile, FileGroup } from "./catalog-record.ts";
import type { CatalogTable } from "./catalog-state.ts";
import {
  assertTagConditions,
  conditionOf,
  fateOf,
  type DeleteCriteria,
} from "./delete-criteria.ts";
import { quoteLiteral } from "./sql-identifier.ts";
import type { TableFiles } from "./table-files.ts";
import type { TableName } from "./table-name.ts";

export interface RowDeletionOptions {
  readonly tableFiles: TableFiles;
  /** Puts every row of the table that is in memory into files. */
  readonly flushTable: (table: TableName) => Promise<void>;
}

/** What a DELETE did. */
export interface DeletionCounts {
  readonly deletedRows: number;
  readonly droppedFiles: number;
  readonly rewrittenFiles: number;
}

const NOTHING: DeletionCounts = { deletedRows: 0, droppedFiles: 0, rewrittenFiles: 0 };

interface Exchange {
  readonly removed: string[];
  readonly added: FileGroup[];
  deletedRows: number;
}

/**
 * Deletes rows. When it resolves, no query sees them and no start brings them back. A table without any row left is
 * gone: its types are free again.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST`; whatever a flush or a file throws: nothing was deleted then, or,
 * when the record failed, all or nothing
 */
export async function deleteRows(
  { tableFiles, flushTable }: RowDeletionOptions,
  name: TableName,
  criteria: DeleteCriteria,
): Promise<DeletionCounts> {
  return await tableFiles.exclusive(name, async (current) => {
    await flushTable(name);
    const table = current();
    if (table === undefined) return NOTHING;
    assertTagConditions(criteria, table.schema);
    const exchange = await prepare(tableFiles, table, criteria);
    const { removed, added, deletedRows } = exchange;
    // An empty table that is deleted gives its types free.
    const isEmptied = table.fileCount === 0 && table.schema.length > 0;
    if (removed.length === 0 && !isEmptied) return NOTHING;
    await tableFiles.exchange(name, {
      removed,
      added,
      schemaAfter: (fileCount, schema) => (fileCount === 0 ? [] : schema),
    });
    const rewrittenFiles = added.length;
    return { deletedRows, droppedFiles: removed.length - rewrittenFiles, rewrittenFiles };
  });
}

async function prepare(
  tableFiles: TableFiles,
  table: CatalogTable,
  criteria: DeleteCriteria,
): Promise<Exchange> {
  const exchange: Exchange = { removed: [], added: [], deletedRows: 0 };
  for (const { columns, files } of table.groups) {
    const condition = conditionOf(criteria, columns);
    for (const file of files) {
      const fate = fateOf(file, columns, criteria);
      if (fate === "keep") continue;
      const isDropped = fate === "drop";
      const meant = isDropped ? file.rows : await count(tableFiles, file, condition);
      if (meant === 0) continue;
      exchange.deletedRows += meant;
      exchange.removed.push(file.path);
      if (meant === file.rows) continue;
      const group = { columns, files: [file] };
      const made = await tableFiles.rewrite(table.schema, [group], `NOT ${condition}`);
      if (made.file?.rows !== file.rows - meant) {
        throw new Error(`${file.path}: ${made.file?.rows ?? 0} rows left of ${file.rows}`);
      }
      exchange.added.push({ columns: made.columns, files: [made.file] });
    }
  }
  return exchange;
}

async function count(
  tableFiles: TableFiles,
  file: CatalogFile,
  condition: string,
): Promise<number> {
  const opened = await tableFiles.open([file]);
  try {
    const path = quoteLiteral(opened.pathOf(file));
    const from = `read_parquet(${path}, hive_partitioning=false)`;
    const [row] = await tableFiles.engine.rows(`SELECT count(*) FROM ${from} WHERE ${condition}`);
    return Number(row?.[0]);
  } finally {
    opened.release();
  }
}
