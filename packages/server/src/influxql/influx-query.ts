/**
 * Answers the statements that InfluxDB 1.x tools send: each against the tables of all workers, or by SQL.
 */
import type { TableSchema } from "../coordinator/coordinator.ts";
import { ServerError } from "../errors.ts";
import type { ColumnType } from "../ingest/table-batch.ts";
import type { QueryResult } from "../store/table-store.ts";
import {
  influxAnswer,
  influxValue,
  timeWriter,
  type InfluxSeries,
  type TimeWriter,
} from "./influx-answer.ts";
import { parseInfluxQl, type InfluxSelect, type InfluxStatement } from "./influxql-parser.ts";
import { translateSelect } from "./influxql-select.ts";

/** Where answers come from. */
export interface InfluxQuerySource {
  /** All tables and their columns. */
  readonly listTables: () => Promise<readonly TableSchema[]>;
  readonly query: (sql: string, options: { readonly signal: AbortSignal }) => Promise<QueryResult>;
}

/** One request. */
export interface InfluxQueryRequest {
  readonly text: string;
  /** Database of statements that name none. */
  readonly database: string | undefined;
  /** Unit of times in the answer; RFC 3339 without it. */
  readonly epoch: string | undefined;
}

const FIELD_TYPES: Readonly<Record<Exclude<ColumnType, "tag">, string>> = {
  float: "float",
  integer: "integer",
  unsigned: "unsigned",
  string: "string",
  boolean: "boolean",
};

/**
 * Runs the statements of a request and makes the text of the answer.
 *
 * @throws {ServerError} `SERVER_INVALID_QUERY`, `SERVER_INVALID_REQUEST`, and what SQL throws
 */
export async function runInfluxQuery(
  source: InfluxQuerySource,
  request: InfluxQueryRequest,
  signal: AbortSignal,
): Promise<string> {
  const statements = parseInfluxQl(request.text);
  const writeTime = timeWriter(request.epoch);
  const tables = await source.listTables();
  const results: (readonly InfluxSeries[])[] = [];
  for (const statement of statements) {
    const context = { source, tables, writeTime, signal, database: request.database };
    results.push(await runStatement(statement, context));
  }
  return influxAnswer(results);
}

interface StatementContext {
  readonly source: InfluxQuerySource;
  readonly tables: readonly TableSchema[];
  readonly writeTime: TimeWriter;
  readonly signal: AbortSignal;
  readonly database: string | undefined;
}

async function runStatement(
  statement: InfluxStatement,
  context: StatementContext,
): Promise<readonly InfluxSeries[]> {
  switch (statement.kind) {
    case "create-database":
      return []; // A database begins with its first write, so there is nothing to create.
    case "show-databases": {
      const names = new Set(context.tables.map((table) => table.database));
      return [listing("databases", ["name"], [...names])];
    }
    case "show-retention-policies":
      return [
        {
          name: "",
          columns: ["name", "duration", "shardGroupDuration", "replicaN", "default"],
          values: [['"autogen"', '"0s"', '"168h0m0s"', "1", "true"]],
        },
      ];
    case "show-measurements": {
      const names = tablesOf(context, statement).map((table) => table.measurement);
      return names.length === 0 ? [] : [listing("measurements", ["name"], names)];
    }
    case "show-tag-keys":
      return columnsOf(context, statement, ["tagKey"], ({ name, type }) =>
        type === "tag" ? [name] : undefined,
      );
    case "show-field-keys":
      return columnsOf(context, statement, ["fieldKey", "fieldType"], ({ name, type }) =>
        type === "tag" ? undefined : [name, FIELD_TYPES[type]],
      );
    case "select":
      return await runSelect(statement, context);
  }
}

async function runSelect(
  select: InfluxSelect,
  context: StatementContext,
): Promise<readonly InfluxSeries[]> {
  const [table] = tablesOf(context, select);
  if (table === undefined) return []; // As InfluxDB does.
  const { sql, columns } = translateSelect(select, table);
  const result = await context.source.query(sql, { signal: context.signal });
  if (result.rowCount === 0) return [];
  const types = result.columns.map((column) => column.type);
  const values = result.rows.map(([time, ...cells]) => [
    context.writeTime(nanosecondsOf(time)),
    ...cells.map((cell, index) => influxValue(cell, types[index + 1] ?? "")),
  ]);
  return [{ name: select.measurement, columns, values }];
}

/** Tables of the database that a statement is about, of one measurement if it names one. */
function tablesOf(
  context: StatementContext,
  named: { readonly database: string | undefined; readonly measurement: string | undefined },
): readonly TableSchema[] {
  const database = named.database ?? context.database;
  if (database === undefined || database === "") {
    throw new ServerError(
      "SERVER_INVALID_REQUEST",
      "the database is missing: give it as ?db=NAME, or in the statement",
    );
  }
  return context.tables
    .filter(
      (table) =>
        table.database === database &&
        (named.measurement === undefined || table.measurement === named.measurement),
    )
    .toSorted((a, b) => (a.measurement < b.measurement ? -1 : 1));
}

function columnsOf(
  context: StatementContext,
  statement: { readonly database: string | undefined; readonly measurement: string | undefined },
  columns: readonly string[],
  describe: (column: TableSchema["schema"][number]) => readonly string[] | undefined,
): readonly InfluxSeries[] {
  return tablesOf(context, statement).flatMap(({ measurement, schema }) => {
    const rows = schema.flatMap((column) => {
      const described = describe(column);
      return described === undefined ? [] : [described.map((text) => JSON.stringify(text))];
    });
    if (rows.length === 0) return [];
    return [{ name: measurement, columns, values: rows.toSorted(byFirst) }];
  });
}

function listing(name: string, columns: readonly string[], names: readonly string[]): InfluxSeries {
  return { name, columns, values: names.toSorted().map((text) => [JSON.stringify(text)]) };
}

function byFirst([a = ""]: readonly string[], [b = ""]: readonly string[]): number {
  return a < b ? -1 : 1;
}

/** The first column of a translated SELECT: a number, or a decimal string beyond 2^53. */
function nanosecondsOf(time: unknown): bigint {
  return typeof time === "number" || typeof time === "string" ? BigInt(time) : 0n;
}
