/**
 * Types of columns: decides whether a batch fits the tables it is meant for, before it is logged.
 *
 * The first type a column is seen with is its type for ever. A batch is admitted as a whole or refused as a
 * whole, and admitting one reserves the columns that it introduces, so that two requests in flight cannot
 * introduce the same column with different types. A reservation ends when the batch is inserted (the column
 * is then part of the table) or abandoned (its log append failed).
 *
 * Tags and strings are both text and go into each other's columns; the first kind is remembered. Integers
 * go into a float column when every value is exact there. Nothing else is converted.
 */
import { ServerError } from "../errors.ts";
import type {
  Column,
  ColumnType,
  FloatColumn,
  IngestBatch,
  IntegerColumn,
  TableBatch,
  UnsignedColumn,
} from "../ingest/table-batch.ts";
import { hasBit } from "./bitmap.ts";
import type { ColumnSchema } from "./catalog-record.ts";
import { TIME_COLUMN, isStoredAlike } from "./column-type.ts";
import { foldIdentifier, identifierProblem } from "./sql-identifier.ts";
import { describeTable, tableKey, type TableName } from "./table-name.ts";
import { unsupportedTimestamp } from "./timestamp-range.ts";

/** Schemas of the SQL engine's own tables: a database of that name could be written and never read. */
const RESERVED_DATABASES: ReadonlySet<string> = new Set(["information_schema", "pg_catalog"]);

/** What each type is to whoever reads the table. */
const DESCRIPTIONS: Readonly<Record<ColumnType, string>> = {
  tag: "tag (text)",
  string: "string (text)",
  float: "float",
  integer: "integer",
  unsigned: "unsigned integer",
  boolean: "boolean",
};

/** A batch that fits, with what it reserved. This, and not what the client sent, goes to the log. */
export interface AdmittedBatch extends IngestBatch {
  /** Columns that did not exist when the batch was admitted. */
  readonly reserved: readonly ReservedColumn[];
}

/** A column introduced by a batch that is not in the table yet. */
export interface ReservedColumn {
  readonly key: string;
  readonly name: string;
}

interface RegisteredColumn {
  readonly name: string;
  readonly type: ColumnType;
  /** Part of the table, not only reserved by batches in flight. */
  isCommitted: boolean;
  reservations: number;
}

interface RegisteredTable {
  readonly columns: Map<string, RegisteredColumn>;
  /** Columns that are part of the table, in the order of their arrival. Replaced, never changed. */
  schema: readonly ColumnSchema[];
}

/** Column types of all tables. */
export class SchemaRegistry {
  readonly #tables = new Map<string, RegisteredTable>();

  /** Columns of a table, without those that are only reserved. */
  schema(key: string): readonly ColumnSchema[] {
    return this.#tables.get(key)?.schema ?? [];
  }

  /** Takes over the columns of a table that the catalog knows. */
  restore(table: TableName, schema: readonly ColumnSchema[]): void {
    for (const column of schema) this.#commit(table, column);
  }

  /**
   * Checks a batch, converts what may be converted and reserves the columns it introduces.
   *
   * @throws {ServerError} `SERVER_TYPE_CONFLICT`, `SERVER_INVALID_REQUEST`; nothing is reserved then
   */
  admit(batch: IngestBatch): AdmittedBatch {
    // Everything is checked before anything is reserved: a refused batch leaves no trace.
    const tables = batch.tables.map((table) => this.#fit(table));
    const reserved: ReservedColumn[] = [];
    for (const table of tables) this.#reserve(table, reserved);
    return { tables, rowCount: batch.rowCount, reserved };
  }

  /** Gives up the reservations of a batch that will never be inserted. */
  abandon(batch: AdmittedBatch): void {
    for (const { key, name } of batch.reserved) {
      const columns = this.#tables.get(key)?.columns;
      const column = columns?.get(foldIdentifier(name));
      if (columns === undefined || column === undefined) continue;
      column.reservations--;
      if (!column.isCommitted && column.reservations === 0) columns.delete(foldIdentifier(name));
    }
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

  #fit(table: TableBatch): TableBatch {
    assertUsableName(table, "database", table.database);
    assertUsableName(table, "measurement", table.measurement);
    if (RESERVED_DATABASES.has(foldIdentifier(table.database))) {
      throw invalid(table, `database name "${table.database}" is reserved, choose another`);
    }
    const timestamp = unsupportedTimestamp(table.timestamps);
    if (timestamp !== undefined) {
      throw invalid(table, `timestamp ${timestamp} ns is outside 1677-09-22 to 2262-04-11`);
    }
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
    const key = tableKey(table);
    const { columns, schema } = this.#table(key);
    for (let index = 0; index < table.columns.length; index++) {
      const column = table.columns[index];
      if (column === undefined || isSame(column, schema[index])) continue;
      this.#reserveColumn(columns, column, key, reserved);
    }
  }

  #reserveColumn(
    columns: Map<string, RegisteredColumn>,
    { name, type }: Column,
    key: string,
    reserved: ReservedColumn[],
  ): void {
    const folded = foldIdentifier(name);
    let column = columns.get(folded);
    if (column?.isCommitted === true) return;
    if (column === undefined) {
      column = { name, type, isCommitted: false, reservations: 0 };
      columns.set(folded, column);
    }
    column.reservations++;
    reserved.push({ key, name });
  }

  #commit(tableName: TableName, { name, type }: ColumnSchema): void {
    const table = this.#table(tableKey(tableName));
    const folded = foldIdentifier(name);
    const known = table.columns.get(folded);
    if (known === undefined) {
      table.columns.set(folded, { name, type, isCommitted: true, reservations: 0 });
      table.schema = [...table.schema, { name, type }];
      return;
    }
    if (known.name !== name || !isStoredAlike(known.type, type)) {
      throw new ServerError(
        "SERVER_STORAGE_CORRUPT",
        `table ${describeTable(tableName)}: column "${name}" is ${type} in the log, but ` +
          `"${known.name}" is ${known.type} in the table`,
        { details: { ...tableName, column: name, found: type, expected: known.type } },
      );
    }
    if (known.isCommitted) return;
    known.isCommitted = true;
    table.schema = [...table.schema, { name: known.name, type: known.type }];
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

function isSame(column: Column, schema: ColumnSchema | undefined): boolean {
  return schema !== undefined && schema.name === column.name && schema.type === column.type;
}

/** The column as the table holds it, or an error that says what to do. */
function fitColumn(table: TableBatch, column: Column, known: RegisteredColumn | undefined): Column {
  if (known === undefined) {
    assertUsableName(table, "column", column.name);
    if (foldIdentifier(column.name) === TIME_COLUMN) {
      throw conflict(table, column, {
        expected: "timestamp",
        advice: `"${TIME_COLUMN}" is the column of timestamps; rename the tag or field`,
      });
    }
    return column;
  }
  if (known.name !== column.name) {
    throw conflict(table, column, {
      expected: DESCRIPTIONS[known.type],
      advice:
        `it differs from the existing column "${known.name}" only in upper and lower case, ` +
        `which SQL does not tell apart; use "${known.name}" or another name`,
    });
  }
  if (isStoredAlike(known.type, column.type)) return column;
  if (known.type === "float" && (column.type === "integer" || column.type === "unsigned")) {
    return toFloat(table, column);
  }
  throw conflict(table, column, {
    expected: DESCRIPTIONS[known.type],
    advice: `send it as ${DESCRIPTIONS[known.type]}, or under another name`,
  });
}

function toFloat(table: TableBatch, column: IntegerColumn | UnsignedColumn): FloatColumn {
  const { name, validity } = column;
  const values = new Float64Array(table.rowCount);
  for (let row = 0; row < table.rowCount; row++) {
    if (validity !== undefined && !hasBit(validity, row)) continue;
    const exact = column.values[row] ?? 0n;
    const value = Number(exact);
    if (BigInt(value) !== exact) {
      throw conflict(table, column, {
        expected: DESCRIPTIONS.float,
        advice: `${exact} has no exact float value; send it as float, or under another name`,
      });
    }
    values[row] = value;
  }
  return { name, type: "float", validity, values };
}

/** Two new columns of one batch may differ only in case as little as old and new ones. */
function assertUniqueName(table: TableBatch, column: Column, seen: Map<string, string>): void {
  const folded = foldIdentifier(column.name);
  const other = seen.get(folded);
  if (other !== undefined) {
    throw conflict(table, column, {
      expected: "one column",
      advice:
        other === column.name
          ? "the batch has it twice"
          : `the batch also has "${other}", which SQL does not tell apart from it`,
    });
  }
  seen.set(folded, column.name);
}

function assertUsableName(table: TableName, kind: string, name: string): void {
  const problem = identifierProblem(name);
  if (problem !== undefined)
    throw invalid(table, `${kind} name ${JSON.stringify(name)} ${problem}`);
}

function invalid(table: TableName, reason: string): ServerError {
  return new ServerError("SERVER_INVALID_REQUEST", `table ${describeTable(table)}: ${reason}`, {
    details: { database: table.database, measurement: table.measurement },
  });
}

function conflict(
  table: TableName,
  column: Column,
  { expected, advice }: { readonly expected: string; readonly advice: string },
): ServerError {
  const found = DESCRIPTIONS[column.type];
  return new ServerError(
    "SERVER_TYPE_CONFLICT",
    `table ${describeTable(table)}, column "${column.name}": found ${found}, expected ${expected}: ` +
      advice,
    {
      details: {
        database: table.database,
        measurement: table.measurement,
        column: column.name,
        found: column.type,
        expected,
      },
    },
  );
}
