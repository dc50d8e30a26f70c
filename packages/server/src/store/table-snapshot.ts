/**
 * A table at one moment, for one query: its files and the rows that are not in a file yet.
 *
 * Turned into the SELECT of a view. Every part names every column of the table: one that a part does not
 * have is NULL of the right type. Types come from the catalog and the memtables, never from guessing over
 * files. Pure.
 */
import type { CatalogFile, ColumnSchema, FileGroup } from "./catalog-record.ts";
import { TIME_COLUMN, sqlType } from "./column-type.ts";
import type { RowSet } from "./row-buffer.ts";
import { ROW_SCAN_FUNCTION } from "./row-scan.ts";
import { quoteIdentifier, quoteLiteral } from "./sql-identifier.ts";
import type { TableName } from "./table-name.ts";

/** Files and rows of a table, taken in one step: every row is in exactly one of them. */
export interface TableSnapshot extends TableName {
  readonly schema: readonly ColumnSchema[];
  readonly groups: readonly FileGroup[];
  readonly rowSets: readonly RowSet[];
}

/** Groups of files with different columns that a view lists one by one. */
const MAX_LISTED_GROUPS = 16;

/**
 * The rows of a table as a SELECT.
 *
 * @param pathOf - where the bytes of a file are
 * @param tokens - one for each set of rows, in order, as published for the scan function
 */
export function selectTable(
  snapshot: TableSnapshot,
  options: {
    readonly pathOf: (file: CatalogFile) => string;
    readonly tokens: readonly string[];
  },
): string {
  const { schema, groups, rowSets } = snapshot;
  const parts = selectGroups(schema, groups, options.pathOf);
  rowSets.forEach((rows, index) => {
    const positions = new Map(rows.columns.map((column, at) => [column.name, `c${at + 1}`]));
    const from = `${ROW_SCAN_FUNCTION}(${quoteLiteral(options.tokens[index] ?? "")})`;
    const select = selectColumns(schema, `c0`, (name) => positions.get(name));
    parts.push(`SELECT ${select} FROM ${from}`);
  });
  if (parts.length === 0) {
    const nothing = selectColumns(schema, "NULL::TIMESTAMP_NS", () => undefined);
    return `SELECT ${nothing} WHERE false`;
  }
  return parts.join(" UNION ALL ");
}

function selectGroups(
  schema: readonly ColumnSchema[],
  groups: readonly FileGroup[],
  pathOf: (file: CatalogFile) => string,
): string[] {
  // Sparse columns can make as many groups as files. Many groups are read as one list, where the engine
  // matches columns by name: slower, as it opens every file first, and the same result.
  const merged =
    groups.length <= MAX_LISTED_GROUPS
      ? groups
      : [
          {
            columns: [...new Set(groups.flatMap((group) => group.columns))],
            files: groups.flatMap((group) => group.files),
          },
        ];
  const byName = merged === groups ? "" : ", union_by_name=true";
  return merged.map((group) => {
    const present = new Set(group.columns);
    const paths = group.files.map((file) => quoteLiteral(pathOf(file))).join(",");
    const select = selectColumns(schema, quoteIdentifier(TIME_COLUMN), (name) =>
      present.has(name) ? quoteIdentifier(name) : undefined,
    );
    return `SELECT ${select} FROM read_parquet([${paths}], hive_partitioning=false${byName})`;
  });
}

function selectColumns(
  schema: readonly ColumnSchema[],
  time: string,
  expressionOf: (name: string) => string | undefined,
): string {
  const columns = schema.map(
    ({ name, type }) =>
      `CAST(${expressionOf(name) ?? "NULL"} AS ${sqlType(type)}) AS ${quoteIdentifier(name)}`,
  );
  return [`${time} AS ${quoteIdentifier(TIME_COLUMN)}`, ...columns].join(", ");
}
