/**
 * What a query reads, put together from all shards: which tables its names mean, and their files and rows.
 *
 * Each shard gives, in one step, everything that the names could mean there. A row is in one shard only, and in
 * one file or in memory there, so the union has every row once. A column that only some shards know is NULL in
 * the others. Pure.
 */
import { ServerError } from "../errors.ts";
import type { ColumnSchema, FileGroup } from "./catalog-record.ts";
import { withFiles } from "./catalog-state.ts";
import { isStoredAlike } from "./column-type.ts";
import { nearNames } from "./near-names.ts";
import { foldIdentifier } from "./sql-identifier.ts";
import { describeTable, tableKey, type TableName } from "./table-name.ts";
import type { TableSnapshot } from "./table-snapshot.ts";

/** What one shard has for the tables that a query names. */
export interface ShardSnapshot {
  /** Every table whose name SQL does not tell apart from one of those asked for. */
  readonly tables: readonly TableSnapshot[];
  /** Names of other tables that come close to those that the shard does not have; see {@link nearNames}. */
  readonly near: readonly string[];
}

/**
 * The tables that a query means: of exactly the name, or the only one that SQL takes for the same.
 *
 * @throws {ServerError} `SERVER_INVALID_QUERY` when there is no such table, or several
 */
export function uniteShards(
  references: readonly TableName[],
  shards: readonly ShardSnapshot[],
): readonly TableSnapshot[] {
  const parts = new Map<string, TableSnapshot[]>();
  for (const { tables } of shards) {
    for (const table of tables) {
      const key = tableKey(table);
      parts.set(key, [...(parts.get(key) ?? []), table]);
    }
  }
  const meant = new Set(references.map((reference) => resolve(reference, parts, shards)));
  return [...meant].map((key) => unite(parts.get(key) ?? []));
}

function resolve(
  reference: TableName,
  parts: ReadonlyMap<string, readonly TableSnapshot[]>,
  shards: readonly ShardSnapshot[],
): string {
  const key = tableKey(reference);
  if (parts.has(key)) return key;
  const folded = foldIdentifier(key);
  const alike = [...parts.keys()].filter((other) => foldIdentifier(other) === folded);
  const [only] = alike;
  if (only !== undefined && alike.length === 1) return only;
  const candidates =
    alike.length > 1
      ? alike.flatMap((other) => parts.get(other)?.[0] ?? []).map(describeTable)
      : [...new Set(shards.flatMap((shard) => shard.near))];
  const near = nearNames(describeTable(reference), candidates);
  const hint = near.length === 0 ? "" : `; did you mean ${near.join(", ")}?`;
  throw new ServerError(
    "SERVER_INVALID_QUERY",
    `unknown table ${describeTable(reference)}${hint}`,
    { details: { database: reference.database, measurement: reference.measurement } },
  );
}

function unite(parts: readonly TableSnapshot[]): TableSnapshot {
  const [first, ...others] = parts;
  if (first === undefined) throw new RangeError("a table without a part");
  if (others.length === 0) return first;
  const schema = new Map<string, ColumnSchema>();
  let groups: readonly FileGroup[] = [];
  for (const part of parts) {
    for (const column of part.schema) addColumn(schema, column, part);
    for (const group of part.groups) groups = withFiles(groups, group);
  }
  return {
    database: first.database,
    measurement: first.measurement,
    schema: [...schema.values()],
    groups,
    rowSets: parts.flatMap((part) => part.rowSets),
  };
}

function addColumn(
  schema: Map<string, ColumnSchema>,
  column: ColumnSchema,
  table: TableName,
): void {
  const folded = foldIdentifier(column.name);
  const known = schema.get(folded);
  if (known === undefined) {
    schema.set(folded, column);
    return;
  }
  if (known.name === column.name && isStoredAlike(known.type, column.type)) return;
  throw new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `table ${describeTable(table)}: column "${column.name}" is ${column.type} in one shard and ` +
      `"${known.name}" is ${known.type} in another`,
    { details: { ...tableNameOf(table), column: column.name } },
  );
}

function tableNameOf({ database, measurement }: TableName): {
  readonly database: string;
  readonly measurement: string;
} {
  return { database, measurement };
}
