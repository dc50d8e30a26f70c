/** The name of a table: a measurement in a database. Pure. */

/** Database and measurement, as the client wrote them. */
export interface TableName {
  readonly database: string;
  readonly measurement: string;
}

/** A key for maps. Names hold no NUL (schema-registry.ts refuses it), so the key is unique. */
export function tableKey(table: TableName): string {
  return `${table.database}\0${table.measurement}`;
}

/** The name as people read and write it in messages. */
export function describeTable(table: TableName): string {
  return `${table.database}.${table.measurement}`;
}
