/**
 * A simple InfluxQL SELECT as SQL. Pure: statement and columns of the table in, SQL text out.
 *
 * As in InfluxDB, rows without a value in any of the selected fields are left out, rows are in the order of time,
 * and an aggregate over all rows has the time 0.
 */
import { ServerError } from "../errors.ts";
import type { ColumnSchema } from "../store/catalog-record.ts";
import { quoteIdentifier, quoteLiteral } from "../store/sql-identifier.ts";
import type { InfluxCondition, InfluxItem, InfluxSelect, InfluxValue } from "./influxql-parser.ts";

/** A SELECT in SQL. The first column is the time in nanoseconds. */
export interface TranslatedSelect {
  readonly sql: string;
  /** Names of the answer's columns, `time` first. */
  readonly columns: readonly string[];
}

const RFC3339 = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?)?$/;

/**
 * Translates a statement for a table with these columns.
 *
 * @throws {ServerError} `SERVER_INVALID_QUERY`
 */
export function translateSelect(
  select: InfluxSelect,
  table: { readonly database: string; readonly schema: readonly ColumnSchema[] },
): TranslatedSelect {
  const types = new Map(table.schema.map(({ name, type }) => [name, type]));
  const wanted: readonly InfluxItem[] =
    select.items.length > 0
      ? select.items.filter(({ column, aggregate }) => aggregate !== undefined || column !== "time")
      : [...types.keys()]
          .toSorted()
          .map((column) => ({ column, aggregate: undefined, alias: undefined }));
  const isAggregate = wanted.some(({ aggregate }) => aggregate !== undefined);
  if (isAggregate && wanted.some(({ aggregate }) => aggregate === undefined)) {
    throw refused("functions and plain columns cannot be selected together");
  }
  if (wanted.length === 0) throw refused("at least one field has to be selected");
  const fields = wanted.filter(({ column }) => (types.get(column) ?? "tag") !== "tag");
  const conditions = select.where === undefined ? [] : [conditionSql(select.where)];
  if (!isAggregate && fields.length > 0) {
    const present = fields.map(({ column }) => `${quoteIdentifier(column)} IS NOT NULL`);
    conditions.push(`(${present.join(" OR ")})`);
  }
  const parts = [
    `SELECT ${isAggregate ? "0" : "epoch_ns(time)"} AS "time"`,
    ...wanted.map((item, index) => `, ${itemSql(item, types)} AS c${index}`),
    ` FROM ${quoteIdentifier(table.database)}.${quoteIdentifier(select.measurement)}`,
    conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`,
    isAggregate ? "" : ` ORDER BY 1 ${select.isDescending ? "DESC" : "ASC"}`,
    select.limit === undefined || select.limit === 0 ? "" : ` LIMIT ${select.limit}`,
    select.offset === undefined ? "" : ` OFFSET ${select.offset}`,
  ];
  const names = wanted.map(({ column, aggregate, alias }) => alias ?? aggregate ?? column);
  return { sql: parts.join(""), columns: ["time", ...names] };
}

function itemSql({ column, aggregate }: InfluxItem, types: ReadonlyMap<string, string>): string {
  // As in InfluxDB a column that is not there has no values.
  const name = types.has(column) ? quoteIdentifier(column) : "NULL";
  if (aggregate === undefined) return name;
  return `${aggregate === "mean" ? "avg" : aggregate}(${name})`;
}

function conditionSql(condition: InfluxCondition): string {
  if (condition.kind !== "compare") {
    const parts = condition.parts.map(conditionSql);
    return parts.length === 1
      ? parts.join("")
      : `(${parts.join(` ${condition.kind.toUpperCase()} `)})`;
  }
  const { column, operator, value } = condition;
  const sqlOperator = operator === "!=" ? "<>" : operator;
  if (column.toLowerCase() === "time") return `time ${sqlOperator} ${timeSql(value)}`;
  return `${quoteIdentifier(column)} ${sqlOperator} ${valueSql(value)}`;
}

function valueSql(value: InfluxValue): string {
  switch (value.kind) {
    case "text":
      return quoteLiteral(value.text);
    case "number":
      return value.text;
    case "boolean":
      return String(value.value);
    case "now":
    case "duration":
      throw refused("times can only be compared with the column time");
  }
}

/** A time: nanoseconds, a duration since 1970, a date, or now() with an offset. */
function timeSql(value: InfluxValue): string {
  switch (value.kind) {
    case "number":
      if (!/^-?\d{1,19}$/.test(value.text)) throw refused("a time must be a whole number");
      return `make_timestamp_ns(${value.text})`;
    case "duration":
      return `make_timestamp_ns(${value.ns})`;
    case "text":
      if (!RFC3339.test(value.text))
        throw refused("a time must look like 2006-01-02T15:04:05.999Z");
      return `CAST(${quoteLiteral(value.text.replace("Z", ""))} AS TIMESTAMP_NS)`;
    case "now":
      return `make_timestamp_ns(epoch_ns(now()) + ${value.offsetNs})`;
    case "boolean":
      throw refused("a time cannot be compared with a boolean");
  }
}

function refused(reason: string): ServerError {
  return new ServerError(
    "SERVER_INVALID_QUERY",
    `InfluxQL: ${reason}. Only a small part of InfluxQL is answered here; send SQL to POST /api/v1/query`,
    { details: { reason } },
  );
}
