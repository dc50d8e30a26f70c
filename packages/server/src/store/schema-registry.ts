/**
 * Types of columns: decides whether a batch fits the tables it is meant for, before it is logged.
 *
 * The first type a column is seen with is its type for ever. A batch is admitted as a whole or refused as a
 * whole, and admitting one reserves the columns that it introduces, so that two requests in flight cannot
 * introduce the same column with different types. A reservation ends when the batch is inserted (the column
 * is then part of the table) or abandoned (its log append failed). Where other processes write to the same
 * tables, columns that are unknown here are agreed on with them first (src/coordinator/) and held.
 *
 * Tags and strings are both text and go into each other's columns; the first kind is remembered. Integers
 * go into a float column when every value is exact there. Nothing else is converted.
 */
import { ServerError } from "../errors.ts";
import type { TableColumn } from "../coordinator/coordinator.ts";
import type { Column, ColumnType, IngestBatch, TableBatch } from "../ingest/table-batch.ts";
import type { ColumnSchema } from "./catalog-record.ts";
import { assertUniqueName, assertUsableTable, fitColumn } from "./column-fit.ts";
import { isStoredAlike } from "./column-type.ts";
import {
  assertColumnRoom,
  assertTableRoom,
  DEFAULT_SCHEMA_LIMITS,
  type SchemaLimits,
} from "./schema-limits.ts";
import { foldIdentifier } from "./sql-identifier.ts";
import { describeTable, tableKey, type TableName } from "./table-name.ts";

/** A batch that fits, with what it reserved. This, and not what the client sent, goes to the log. */
export interface AdmittedBatch extends IngestBatch {
  /** Columns that did not exist when the batch was admitted. */
  readonly reserved: readonly ReservedColumn[];
}

/** A column introduced by a batch that is not in the table yet. */
export interface ReservedColumn extends TableName {
  readonly name: string;
}

interface RegisteredColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** Part of the table, not only reserved by batches in flight. */
  isCommitted: boolean;
  reservations: number;
  /** Holds at the coordinator; given back when the column goes. */
  holds: number;
  /** Part of the table in another shard of this process: never goes. */
  isElsewhere: boolean;
}

interface RegisteredTable {
  readonly columns: Map<string, RegisteredColumn>;
  /** Columns that are part of the table, in the order of their arrival. Replaced, never changed. */
  schema: readonly ColumnSchema[];
}

/** Column types of all tables. */
export class SchemaRegistry {
  readonly #limits: SchemaLimits;
  readonly #tables = new Map<string, RegisteredTable>();

  constructor(limits: SchemaLimits = DEFAULT_SCHEMA_LIMITS) {
    this.#limits = limits;
  }

  /** Columns of a table, without those that are only reserved. */
  schema(key: string): readonly ColumnSchema[] {
    return this.#tables.get(key)?.schema ?? [];
  }

  /** Takes over the columns of a table that the catalog knows. */
  restore(table: TableName, schema: readonly ColumnSchema[]): void {
    for (const column of schema) this.#commit(table, column);
  }

  /** Forgets a table: it was deleted, and no batch with its columns is on its way. */
  forgetTable(key: string): void {
    this.#tables.delete(key);
  }

  /** Columns of a batch that this registry has never heard of: other workers may have. */
  unknownColumns(batch: IngestBatch): readonly TableColumn[] {
    const unknown: TableColumn[] = [];
    for (const { database, measurement, columns } of batch.tables) {
      const known = this.#tables.get(tableKey({ database, measurement }));
      for (let index = 0; index < columns.length; index++) {
        const column = columns[index];
        if (column === undefined || isSame(column, known?.schema[index])) continue;
        if (known?.columns.has(foldIdentifier(column.name)) === true) continue;
        unknown.push({ database, measurement, name: column.name, type: column.type });
      }
    }
    return unknown;
  }

  /** Takes over columns as the coordinator has agreed on them. They are not part of a table yet. */
  hold(columns: readonly TableColumn[]): void {
    for (const column of columns) this.#declare(column).holds++;
  }

  /**
   * Takes over the columns of a table in another shard of this process.
   *
   * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when this shard has one with another type
   */
  adopt(table: TableName, schema: readonly ColumnSchema[]): void {
    const { database, measurement } = table;
    for (const column of schema) {
      const known = this.#declare({ database, measurement, ...column });
      if (known.name !== column.name || !isStoredAlike(known.type, column.type)) {
        throw unexpected(table, { found: column, known, where: "in another shard" });
      }
      known.isElsewhere = true;
    }
  }

  /**
   * Forgets those of the columns that no batch uses.
   *
   * @returns what was held at the coordinator for them, once per hold
   */
  forgetUnused(columns: readonly ReservedColumn[]): readonly TableColumn[] {
    const given: TableColumn[] = [];
    for (const { database, measurement, name } of columns) {
      const key = tableKey({ database, measurement });
      const known = this.#tables.get(key)?.columns;
      const folded = foldIdentifier(name);
      const column = known?.get(folded);
      if (known === undefined || column === undefined || isUsed(column)) continue;
      known.delete(folded);
      if (known.size === 0) this.#tables.delete(key);
      const { type } = column;
      for (let hold = 0; hold < column.holds; hold++) {
        given.push({ database, measurement, name: column.name, type });
      }
    }
    return given;
  }

  /**
   * Checks a batch, converts what may be converted and reserves the columns it introduces.
   *
   * @throws {ServerError} `SERVER_TYPE_CONFLICT`, `SERVER_INVALID_REQUEST`, `SERVER_SCHEMA_LIMIT`; nothing is reserved
   *   then
   */
  admit(batch: IngestBatch): AdmittedBatch {
    // Everything is checked before anything is reserved: a refused batch leaves no trace.
    const tables = batch.tables.map((table) => this.#fit(table));
    this.#assertRoom(tables);
    const reserved: ReservedColumn[] = [];
    for (const table of tables) this.#reserve(table, reserved);
    return { tables, rowCount: batch.rowCount, reserved };
  }

  /**
   * Gives up the reservations of a batch that will never be inserted.
   *
   * @returns see {@link forgetUnused}
   */
  abandon(batch: AdmittedBatch): readonly TableColumn[] {
    for (const reserved of batch.reserved) {
      const columns = this.#tables.get(tableKey(reserved))?.columns;
      const column = columns?.get(foldIdentifier(reserved.name));
      if (column !== undefined) column.reservations--;
    }
    return this.forgetUnused(batch.reserved);
  }

  /**
   * Makes the columns of a batch part of its table: its rows are being inserted.
   *
   * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when the log holds a batch that was never admitted
   */
  commit(batch: TableBatch): void {
    const schema = this.#tables.get(tableKey(batch))?.schema;
    for (let index = 0; index < batch.columns.length; index++) {
      const column = batch.columns[index];
      // Most batches have the table's columns in the table's order: nothing to look up then.
      const expected = schema?.[index];
      if (column === undefined || isSame(column, expected)) continue;
      this.#commit(batch, column);
    }
  }

  /** What is only reserved or held counts as added: it goes again when this batch is refused. */
  #assertRoom(tables: readonly TableBatch[]): void {
    let missing = 0;
    let added = 0;
    for (const table of tables) {
      const known = this.#tables.get(tableKey(table));
      if (known === undefined) missing++;
      if (known === undefined || known.schema.length === 0) added++;
      const size = known?.columns.size ?? 0;
      // Most tables are far from the limit: nothing to count then.
      if (size + table.columns.length <= this.#limits.maxTableColumns) continue;
      const found = table.columns.map(({ name }) => known?.columns.get(foldIdentifier(name)));
      const isNew = (column: RegisteredColumn | undefined): boolean =>
        column === undefined || !(column.isCommitted || column.isElsewhere);
      assertColumnRoom(this.#limits, table, {
        total: size + found.filter((column) => column === undefined).length,
        added: found.filter(isNew).length,
      });
    }
    assertTableRoom(this.#limits, { total: this.#tables.size + missing, added });
  }

  #fit(table: TableBatch): TableBatch {
    assertUsableTable(table);
    const known = this.#tables.get(tableKey(table))?.columns;
    const schema = this.#tables.get(tableKey(table))?.schema;
    const inBatch = new Map<string, string>();
    let converted: Column[] | undefined;
    for (let index = 0; index < table.columns.length; index++) {
      const column = table.columns[index];
      if (column === undefined || isSame(column, schema?.[index])) continue;
      const fitted = fitColumn(table, column, known?.get(foldIdentifier(column.name)));
      assertUniqueName(table, column, inBatch);
      if (fitted === column) continue;
      converted ??= [...table.columns];
      converted[index] = fitted;
    }
    return converted === undefined ? table : { ...table, columns: converted };
  }

  #reserve(table: TableBatch, reserved: ReservedColumn[]): void {
    const { columns, schema } = this.#table(tableKey(table));
    for (let index = 0; index < table.columns.length; index++) {
      const column = table.columns[index];
      if (column === undefined || isSame(column, schema[index])) continue;
      this.#reserveColumn(columns, column, table, reserved);
    }
  }

  #reserveColumn(
    columns: Map<string, RegisteredColumn>,
    { name, type }: Column,
    { database, measurement }: TableName,
    reserved: ReservedColumn[],
  ): void {
    const folded = foldIdentifier(name);
    let column = columns.get(folded);
    if (column?.isCommitted === true) return;
    if (column === undefined) {
      column = newColumn({ name, type });
      columns.set(folded, column);
    }
    column.reservations++;
    reserved.push({ database, measurement, name });
  }

  #commit(tableName: TableName, { name, type }: ColumnSchema): void {
    const table = this.#table(tableKey(tableName));
    const folded = foldIdentifier(name);
    const known = table.columns.get(folded);
    if (known === undefined) {
      table.columns.set(folded, { ...newColumn({ name, type }), isCommitted: true });
      table.schema = [...table.schema, { name, type }];
      return;
    }
    if (known.name !== name || !isStoredAlike(known.type, type)) {
      throw unexpected(tableName, { found: { name, type }, known, where: "in the log" });
    }
    if (known.isCommitted) return;
    known.isCommitted = true;
    table.schema = [...table.schema, { name: known.name, type: known.type }];
  }

  #declare({ name, type, ...table }: TableColumn): RegisteredColumn {
    const { columns } = this.#table(tableKey(table));
    const folded = foldIdentifier(name);
    let column = columns.get(folded);
    if (column === undefined) {
      column = newColumn({ name, type });
      columns.set(folded, column);
    }
    return column;
  }

  #table(key: string): RegisteredTable {
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = { columns: new Map(), schema: [] };
      this.#tables.set(key, table);
    }
    return table;
  }
}

function newColumn({ name, type }: ColumnSchema): RegisteredColumn {
  return { name, type, isCommitted: false, reservations: 0, holds: 0, isElsewhere: false };
}

function isUsed(column: RegisteredColumn): boolean {
  return column.isCommitted || column.isElsewhere || column.reservations > 0;
}

function isSame(column: Column, schema: ColumnSchema | undefined): boolean {
  return schema !== undefined && schema.name === column.name && schema.type === column.type;
}

function unexpected(
  table: TableName,
  {
    found,
    known,
    where,
  }: { readonly found: ColumnSchema; readonly known: ColumnSchema; readonly where: string },
): ServerError {
  const { database, measurement } = table;
  return new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `table ${describeTable(table)}: column "${found.name}" is ${found.type} ${where}, but ` +
      `"${known.name}" is ${known.type} in the table`,
    {
      details: {
        database,
        measurement,
        column: found.name,
        found: found.type,
        expected: known.type,
      },
    },
  );
}
