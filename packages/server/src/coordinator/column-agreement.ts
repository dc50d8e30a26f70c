/**
 * Which type each column has, over all workers: the first one that asks decides.
 *
 * A column is known as long as some worker holds it. Holds are counted, so that a worker can give back exactly
 * what it asked for, whatever else of it is under way. Decides; knows nothing of messages or time.
 */
import { ServerError } from "../errors.ts";
import type { ColumnType } from "../ingest/table-batch.ts";
import { isStoredAlike } from "../store/column-type.ts";
import { foldIdentifier } from "../store/sql-identifier.ts";
import { describeTable, tableKey, type TableName } from "../store/table-name.ts";
import type { TableColumn, TableSchema } from "./coordinator.ts";

interface AgreedColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** Holds by number of the worker. Never empty, none below 1. */
  readonly holds: Map<number, number>;
}

/** Columns of all tables that any worker holds. */
export class ColumnAgreement {
  readonly #tables = new Map<string, Map<string, AgreedColumn>>();

  /** Holds columns for a worker. The answer has the same order, with the names and types that came first. */
  reserve(worker: number, columns: readonly TableColumn[]): readonly TableColumn[] {
    return columns.map((column) => this.#hold(worker, column));
  }

  /** Takes back one hold of a worker for each column. */
  release(worker: number, columns: readonly TableColumn[]): void {
    for (const column of columns) this.#drop(worker, column);
  }

  /**
   * Replaces everything that a worker holds by what it has recovered.
   *
   * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when another worker holds a column with another type; the worker
   *   then holds nothing
   */
  replace(worker: number, tables: readonly TableSchema[]): void {
    this.#dropAll(worker);
    for (const table of tables) {
      for (const column of table.schema) {
        const { database, measurement } = table;
        const agreed = this.#hold(worker, { database, measurement, ...column });
        if (agreed.name === column.name && isStoredAlike(agreed.type, column.type)) continue;
        this.#dropAll(worker);
        throw disagreement(worker, table, { found: column, agreed });
      }
    }
  }

  #hold(worker: number, { database, measurement, name, type }: TableColumn): TableColumn {
    const key = tableKey({ database, measurement });
    let columns = this.#tables.get(key);
    if (columns === undefined) {
      columns = new Map();
      this.#tables.set(key, columns);
    }
    const folded = foldIdentifier(name);
    let column = columns.get(folded);
    if (column === undefined) {
      column = { name, type, holds: new Map() };
      columns.set(folded, column);
    }
    column.holds.set(worker, (column.holds.get(worker) ?? 0) + 1);
    return { database, measurement, name: column.name, type: column.type };
  }

  #drop(worker: number, { database, measurement, name }: TableColumn): void {
    const key = tableKey({ database, measurement });
    const columns = this.#tables.get(key);
    const folded = foldIdentifier(name);
    const column = columns?.get(folded);
    const count = column?.holds.get(worker);
    // A worker that died and came back may release what it no longer holds.
    if (columns === undefined || column === undefined || count === undefined) return;
    if (count > 1) column.holds.set(worker, count - 1);
    else column.holds.delete(worker);
    if (column.holds.size > 0) return;
    columns.delete(folded);
    if (columns.size === 0) this.#tables.delete(key);
  }

  #dropAll(worker: number): void {
    for (const [key, columns] of this.#tables) {
      for (const [folded, column] of columns) {
        column.holds.delete(worker);
        if (column.holds.size === 0) columns.delete(folded);
      }
      if (columns.size === 0) this.#tables.delete(key);
    }
  }
}

function disagreement(
  worker: number,
  table: TableName,
  { found, agreed }: Readonly<Record<"found" | "agreed", Pick<TableColumn, "name" | "type">>>,
): ServerError {
  return new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `table ${describeTable(table)}: column "${found.name}" is ${found.type} in a shard of worker ${worker}, but ` +
      `"${agreed.name}" is ${agreed.type} in another one; shards of two servers cannot be put together`,
    {
      details: {
        worker,
        database: table.database,
        measurement: table.measurement,
        column: found.name,
        found: found.type,
        expected: agreed.type,
      },
    },
  );
}
