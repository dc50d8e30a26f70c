/**
 * Records of the ingest server's log as rows: in line protocol for people, as JSON objects for programs. Pure.
 *
 * Knows the shape of a decoded batch only, so that commands which do not decode rows never load the server.
 */

/** A column as `decodeWriteRecord` gives it. */
export interface IngestColumn {
  readonly name: string;
  readonly type: string;
  readonly validity: Uint8Array | undefined;
  readonly codes?: Uint32Array;
  readonly dictionary?: readonly string[];
  readonly values?: Float64Array | BigInt64Array | BigUint64Array | Uint8Array;
}

export interface IngestTable {
  readonly database: string;
  readonly measurement: string;
  readonly rowCount: number;
  readonly timestamps: BigInt64Array;
  readonly columns: readonly IngestColumn[];
}

/** What is needed of a decoded batch. */
export interface IngestRows {
  readonly tables: readonly IngestTable[];
}

type Value = string | number | bigint | boolean;

/** Every row as database and line protocol. */
export function* rowLines(rows: IngestRows): Generator<{ database: string; line: string }> {
  for (const table of rows.tables) {
    for (let row = 0; row < table.rowCount; row++) {
      yield { database: table.database, line: lineOf(table, row) };
    }
  }
}

/** Every row as an object. Times and 64-bit integers are decimal strings where a number would be rounded. */
export function* rowObjects(rows: IngestRows): Generator<object> {
  for (const table of rows.tables) {
    for (let row = 0; row < table.rowCount; row++) {
      const tags: Record<string, Value> = {};
      const fields: Record<string, Value> = {};
      for (const column of table.columns) {
        const value = valueAt(column, row);
        if (value === undefined) continue;
        (column.type === "tag" ? tags : fields)[column.name] = exactJson(value);
      }
      const { database, measurement } = table;
      yield { database, measurement, time: String(table.timestamps[row] ?? 0n), tags, fields };
    }
  }
}

function lineOf(table: IngestTable, row: number): string {
  let tags = escaped(table.measurement, /[, ]/g);
  const fields: string[] = [];
  for (const column of table.columns) {
    const value = valueAt(column, row);
    if (value === undefined) continue;
    const name = escaped(column.name, /[,= ]/g);
    if (column.type === "tag") tags += `,${name}=${escaped(String(value), /[,= ]/g)}`;
    else fields.push(`${name}=${fieldText(column.type, value)}`);
  }
  return `${tags} ${fields.join(",")} ${table.timestamps[row] ?? 0n}`;
}

function fieldText(type: string, value: Value): string {
  switch (type) {
    case "integer":
      return `${String(value)}i`;
    case "unsigned":
      return `${String(value)}u`;
    case "string":
      return `"${escaped(String(value), /["\\]/g)}"`;
    default:
      return String(value);
  }
}

function valueAt(column: IngestColumn, row: number): Value | undefined {
  const { validity, codes, dictionary, values, type } = column;
  if (validity !== undefined && ((validity[row >> 3] ?? 0) & (1 << (row & 7))) === 0) {
    return undefined;
  }
  if (codes !== undefined) return dictionary?.[codes[row] ?? 0];
  const value = values?.[row];
  return type === "boolean" ? value === 1 : value;
}

function exactJson(value: Value): Value {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}

/** Line protocol has no way to write a line break outside a string; it is shown as one would read it. */
function escaped(text: string, special: RegExp): string {
  return text.replaceAll(special, String.raw`\$&`).replaceAll("\n", String.raw`\n`);
}
