/** What each column type is in SQL and in Parquet. Pure. */
import type { ColumnType } from "../ingest/table-batch.ts";

/** Name of the column of timestamps in every table. */
export const TIME_COLUMN = "time";

const SQL_TYPES: Readonly<Record<ColumnType, string>> = {
  tag: "VARCHAR",
  string: "VARCHAR",
  float: "DOUBLE",
  integer: "BIGINT",
  unsigned: "UBIGINT",
  boolean: "BOOLEAN",
};

/** Name of the SQL type that a column is read as. */
export function sqlType(type: ColumnType): string {
  return SQL_TYPES[type];
}

/** True for types that share a representation in memory and in Parquet: tags and strings. */
export function isStoredAlike(a: ColumnType, b: ColumnType): boolean {
  return SQL_TYPES[a] === SQL_TYPES[b];
}
