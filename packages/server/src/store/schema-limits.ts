/**
 * How many tables and columns there may be: a client that makes names out of values would make one of each for every value.
 *
 * Each table costs memory, a Parquet file per hour and a place in every snapshot; each column costs every later file. Tag
 * values have no limit: there is no index of them, and they cost what other text costs. Pure.
 */
import { ServerError } from "../errors.ts";
import { describeTable, type TableName } from "./table-name.ts";

/** Limits of a process, on what new requests bring; what is there already stays. */
export interface SchemaLimits {
  /** Tables of all databases. */
  readonly maxTables: number;
  /** Columns of one table, over all time. */
  readonly maxTableColumns: number;
}

/** The limits of a store that is given none. */
export const DEFAULT_SCHEMA_LIMITS: SchemaLimits = Object.freeze({
  maxTables: 10_000,
  maxTableColumns: 4_096,
});

/** How many there would be, and how many of these the request brings. */
export interface SchemaGrowth {
  readonly total: number;
  readonly added: number;
}

/** @throws {ServerError} `SERVER_SCHEMA_LIMIT` when the request adds tables and that makes too many */
export function assertTableRoom({ maxTables }: SchemaLimits, tables: SchemaGrowth): void {
  if (tables.added === 0 || tables.total <= maxTables) return;
  throw new ServerError(
    "SERVER_SCHEMA_LIMIT",
    `there would be ${tables.total} tables, and may be ${maxTables} (maxTables); put what differs into tags, not into ` +
      "the name of the measurement",
    { details: { limit: "maxTables", max: maxTables, found: tables.total } },
  );
}

/** @throws {ServerError} `SERVER_SCHEMA_LIMIT` when the request adds columns and that makes too many */
export function assertColumnRoom(
  { maxTableColumns }: SchemaLimits,
  table: TableName,
  columns: SchemaGrowth,
): void {
  if (columns.added === 0 || columns.total <= maxTableColumns) return;
  const { database, measurement } = table;
  throw new ServerError(
    "SERVER_SCHEMA_LIMIT",
    `${describeTable(table)} would have ${columns.total} columns, and may have ${maxTableColumns} (maxTableColumns); ` +
      "put what differs into tags, not into the names of fields",
    {
      details: {
        limit: "maxTableColumns",
        max: maxTableColumns,
        found: columns.total,
        database,
        measurement,
      },
    },
  );
}
