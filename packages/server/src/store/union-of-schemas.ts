/** Tables of several shards as one list: each table once, with the columns that it has in any of them. Pure. */
import type { TableSchema } from "../coordinator/coordinator.ts";
import { foldIdentifier } from "./sql-identifier.ts";
import { tableKey } from "./table-name.ts";

/** The order of tables and columns is that of their first appearance. */
export function unionOfSchemas(tables: readonly TableSchema[]): readonly TableSchema[] {
  const merged = new Map<string, TableSchema>();
  for (const table of tables) {
    const key = tableKey(table);
    const known = merged.get(key);
    const names = new Set(known?.schema.map(({ name }) => foldIdentifier(name)));
    const added = table.schema.filter(({ name }) => !names.has(foldIdentifier(name)));
    const { database, measurement } = table;
    merged.set(key, { database, measurement, schema: [...(known?.schema ?? []), ...added] });
  }
  return [...merged.values()];
}
