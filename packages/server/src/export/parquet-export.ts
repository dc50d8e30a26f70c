/**
 * Reads a Parquet file that an export has made: its annotation, and its rows a piece at a time.
 *
 * Needs no server and no store. A file of somebody else has no annotation and is refused: nothing in it says what is a
 * tag.
 */
import { access } from "node:fs/promises";
import type { DuckDBValue } from "@duckdb/node-api";
import { z } from "zod";
import { ServerError } from "../errors.ts";
import type { ColumnType } from "../ingest/table-batch.ts";
import { TIME_COLUMN, sqlType } from "../store/column-type.ts";
import { FileEngine } from "../store/file-engine.ts";
import { quoteIdentifier, quoteLiteral } from "../store/sql-identifier.ts";

/** A column of an export. */
export interface ExportColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** A value of a row: texts, numbers, booleans, integers as bigint; null for none. */
export type ExportValue = string | number | bigint | boolean | null;

/** One row: its time in nanoseconds, and a value for each column. */
export type ExportRow = readonly [timeNs: bigint, values: readonly ExportValue[]];

/** What an export says about itself before its rows. */
export interface ExportAnnotation {
  readonly measurement: string;
  readonly columns: readonly ExportColumn[];
}

/** An export that is being read. Read `rows` to the end, or return from it: it holds an engine until then. */
export interface OpenExport extends ExportAnnotation {
  readonly rows: AsyncIterable<ExportRow>;
}

const ANNOTATION: z.ZodType<ExportAnnotation> = z.object({
  measurement: z.string().min(1),
  columns: z.array(
    z.object({
      name: z.string().min(1),
      type: z.enum(["tag", "string", "float", "integer", "unsigned", "boolean"]),
    }),
  ),
});

/**
 * Reads the annotation of an export.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST` when it is none
 */
export function parseExportAnnotation(text: string): ExportAnnotation {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw notOurs(error);
  }
  const parsed = ANNOTATION.safeParse(value);
  if (!parsed.success) throw notOurs(parsed.error);
  return parsed.data;
}

/**
 * Opens a Parquet file of an export.
 *
 * @throws {ServerError} `SERVER_INVALID_REQUEST` for other files; the error of the system when it cannot be read
 */
export async function openParquetExport(path: string): Promise<OpenExport> {
  await access(path);
  const engine = new FileEngine();
  try {
    const annotation = parseExportAnnotation(await readNote(engine, path));
    return { ...annotation, rows: readRows(engine, path, annotation.columns) };
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function readNote(engine: FileEngine, path: string): Promise<string> {
  try {
    const [row] = await engine.rows(
      `SELECT decode(value) FROM parquet_kv_metadata(${quoteLiteral(path)}) ` +
        "WHERE decode(key) = 'walnut'",
    );
    const note = row?.[0];
    return typeof note === "string" ? note : "";
  } catch (error) {
    throw notOurs(error);
  }
}

async function* readRows(
  engine: FileEngine,
  path: string,
  columns: readonly ExportColumn[],
): AsyncGenerator<ExportRow> {
  const values = columns.map(
    ({ name, type }) => `CAST(${quoteIdentifier(name)} AS ${sqlType(type)})`,
  );
  const select = [`epoch_ns(${quoteIdentifier(TIME_COLUMN)})`, ...values].join(", ");
  try {
    const from = `read_parquet(${quoteLiteral(path)}, hive_partitioning=false)`;
    for await (const chunk of engine.chunks(`SELECT ${select} FROM ${from}`)) {
      // The casts allow nothing else.
      for (const [time, ...row] of chunk.getRows() as readonly DuckDBValue[][]) {
        yield [time as bigint, row as ExportValue[]];
      }
    }
  } finally {
    await engine.close();
  }
}

function notOurs(cause: unknown): ServerError {
  return new ServerError(
    "SERVER_INVALID_REQUEST",
    "the file does not say what its columns are; expected one that `walnut export` has made",
    { cause },
  );
}
