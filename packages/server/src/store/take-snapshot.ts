/**
 * Reads the tables of one store as they are at this moment: everything in one step, so that no flush commits in
 * between and every row is either in a file or in memory.
 */
import type { Catalog } from "./catalog.ts";
import { isGone } from "./catalog-state.ts";
import { nearNames } from "./near-names.ts";
import type { SchemaRegistry } from "./schema-registry.ts";
import type { ShardSnapshot } from "./shard-snapshot.ts";
import type { TableIndex } from "./table-index.ts";
import { describeTable, type TableName } from "./table-name.ts";
import type { TableState } from "./table-state.ts";

/** The parts of a store that a snapshot is taken of. */
export interface SnapshotSource {
  readonly tables: TableIndex;
  readonly catalog: Catalog;
  readonly registry: SchemaRegistry;
}

/** Everything that the names could mean in this store, and names that come close to those it does not have. */
export function takeSnapshot(names: readonly TableName[], source: SnapshotSource): ShardSnapshot {
  const { tables, catalog, registry } = source;
  const found = new Set<TableState>();
  const near = new Set<string>();
  for (const name of names) {
    const alike = tables.alike(name).filter((table) => isVisible(table, catalog));
    for (const table of alike) found.add(table);
    if (alike.length > 0) continue;
    const others = [...tables].filter((table) => isVisible(table, catalog)).map(describeTable);
    for (const other of nearNames(describeTable(name), others)) near.add(other);
  }
  return {
    near: [...near],
    tables: Array.from(found, (table) => ({
      database: table.database,
      measurement: table.measurement,
      schema: registry.schema(table.key),
      groups: catalog.table(table.key)?.groups ?? [],
      rowSets: table.rowSets(),
    })),
  };
}

/** Deleted tables are kept for replay alone, until somebody writes to them again. */
export function isVisible(table: TableState, catalog: Catalog): boolean {
  const stored = catalog.table(table.key);
  return table.memtables.length > 0 || stored === undefined || !isGone(stored);
}
