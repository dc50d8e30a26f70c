/**
 * Whether a column of a batch fits the column that the table has: taken as it is, converted, or refused with what
 * to do. What goes into what is listed in docs/storage.md. Pure.
 */
import { ServerError } from "../errors.ts";
import type {
  Column,
  ColumnType,
  FloatColumn,
  IntegerColumn,
  TableBatch,
  UnsignedColumn,
} from "../ingest/table-batch.ts";
import { hasBit } from "./bitmap.ts";
import type { ColumnSchema } from "./catalog-record.ts";
import { TIME_COLUMN, isStoredAlike } from "./column-type.ts";
import { foldIdentifier, identifierProblem } from "./sql-identifier.ts";
import { describeTable, type TableName } from "./table-name.ts";
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

/**
 * Checks what does not depend on the table: names, database, times.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST`
 */
export function assertUsableTable(table: TableBatch): void {
  assertUsableName(table, "database", table.database);
  assertUsableName(table, "measurement", table.measurement);
  if (RESERVED_DATABASES.has(foldIdentifier(table.database))) {
    throw invalid(table, `database name "${table.database}" is reserved, choose another`);
  }
  const timestamp = unsupportedTimestamp(table.timestamps);
  if (timestamp !== undefined) {
    throw invalid(table, `timestamp ${timestamp} ns is outside 1677-09-22 to 2262-04-11`);
  }
}

/** The column as the table holds it, or an error that says what to do. */
export function fitColumn(
  table: TableBatch,
  column: Column,
  known: ColumnSchema | undefined,
): Column {
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
export function assertUniqueName(
  table: TableBatch,
  column: Column,
  seen: Map<string, string>,
): void {
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
