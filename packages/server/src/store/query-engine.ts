/**
 * Runs one SELECT over a snapshot of tables, in a DuckDB that can do nothing else.
 *
 * Fences, each enough alone: only the tables a query names are put before it, as views in a database of its
 * own; the syntax tree is checked before (query-references.ts); the prepared statement must be a SELECT; the
 * engine may read below the Parquet root and nowhere else, cannot load extensions, and its settings are
 * locked. Memory, time, rows and bytes of the answer, and queries at once are bounded; what exceeds a bound
 * is an error, never a shortened answer.
 */
import {
  DuckDBInstance,
  StatementType,
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBPreparedStatement,
} from "@duckdb/node-api";
import { ServerError } from "../errors.ts";
import type { FileAccess, OpenFiles } from "./file-access.ts";
import { QueryDeadline } from "./query-deadline.ts";
import { isFatalEngineError, toQueryError } from "./query-error.ts";
import { findReferences, type TableReference } from "./query-references.ts";
import { QuerySlots } from "./query-slots.ts";
import { toJsonValue, type JsonValue } from "./query-value.ts";
import { RowScan, type PublishedRows } from "./row-scan.ts";
import { foldIdentifier, quoteIdentifier, quoteLiteral } from "./sql-identifier.ts";
import type { StoreClock } from "./store-environment.ts";
import { selectTable, type TableSnapshot } from "./table-snapshot.ts";

/** Name and SQL type of a column of an answer. */
export interface QueryColumn {
  readonly name: string;
  readonly type: string;
}

/** An answer. Values are as in query-value.ts. */
export interface QueryResult {
  readonly columns: readonly QueryColumn[];
  readonly rows: readonly (readonly JsonValue[])[];
  readonly rowCount: number;
  readonly durationMs: number;
}

/**
 * Takes the tables that a query names, as they are at one moment. Called once; may take a while, and should end
 * early when the signal says that the query has.
 */
export type TakeSnapshot = (
  references: readonly TableReference[],
  signal: AbortSignal,
) => Promise<readonly TableSnapshot[]>;

export interface QueryEngineOptions {
  /** Gives the files of tables; queries may read its directories and nothing else. */
  readonly files: FileAccess;
  readonly memoryBytes: number;
  readonly timeoutMs: number;
  readonly maxRows: number;
  readonly maxResultBytes: number;
  readonly concurrentQueries: number;
  readonly clock: StoreClock;
}

/** Longest SQL text, in UTF-16 units. Its syntax tree is 100 times as large, and read on the main thread. */
const MAX_SQL_LENGTH = 256 * 1024; // 256 Ki
const MAX_WAITING_QUERIES = 64;

interface Engine {
  readonly instance: DuckDBInstance;
  readonly scan: RowScan;
}

/** The SQL side of the store. */
export class QueryEngine {
  readonly #options: QueryEngineOptions;
  readonly #slots: QuerySlots;
  readonly #deadlines = new Set<QueryDeadline>();
  #engine: Promise<Engine> | undefined;
  #queryCount = 0;
  #isClosed = false;
  #onIdle: () => void = () => undefined;

  constructor(options: QueryEngineOptions) {
    this.#options = options;
    this.#slots = new QuerySlots({
      slots: options.concurrentQueries,
      maxWaiting: MAX_WAITING_QUERIES,
    });
  }

  /** Starts the engine, so that the first query does not wait for it. */
  async start(): Promise<void> {
    await this.#open();
  }

  /**
   * Runs a query.
   *
   * @param takeSnapshot - called once, when the tables are known; everything visible then is in the answer
   * @throws {ServerError} `SERVER_INVALID_QUERY`, `SERVER_QUERY_FAILED` (timeout, memory, aborted),
   * `SERVER_OVERLOADED`
   */
  async run(sql: string, takeSnapshot: TakeSnapshot, signal?: AbortSignal): Promise<QueryResult> {
    const startedMs = this.#options.clock.nowMs();
    if (sql.length > MAX_SQL_LENGTH) {
      throw new ServerError("SERVER_INVALID_QUERY", `the query is longer than ${MAX_SQL_LENGTH}`);
    }
    if (sql.includes("\0")) {
      throw new ServerError("SERVER_INVALID_QUERY", "the query contains a NUL character");
    }
    if (this.#isClosed) throw closing();
    const deadline = new QueryDeadline(this.#options, signal);
    this.#deadlines.add(deadline);
    try {
      await this.#slots.acquire(deadline.signal);
      try {
        const answer = await this.#runInSlot(sql, takeSnapshot, deadline);
        return { ...answer, durationMs: this.#options.clock.nowMs() - startedMs };
      } finally {
        this.#slots.release();
      }
    } finally {
      deadline.end();
      this.#deadlines.delete(deadline);
      if (this.#deadlines.size === 0) this.#onIdle();
    }
  }

  /**
   * Stops queries under way, waits until they have stopped, and closes the engine. A query left running
   * would hold a thread of the process, which then could not end.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const deadline of this.#deadlines) deadline.stop(closing());
    if (this.#deadlines.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    const engine = this.#engine;
    this.#engine = undefined;
    (await engine)?.instance.closeSync();
  }

  async #runInSlot(
    sql: string,
    takeSnapshot: TakeSnapshot,
    deadline: QueryDeadline,
  ): Promise<Answer> {
    const { memoryBytes } = this.#options;
    const name = `walnut_q${++this.#queryCount}`;
    const engine = await this.#open();
    const connection = await engine.instance.connect();
    const published: PublishedRows[] = [];
    let opened: OpenFiles | undefined;
    let isAttached = false;
    try {
      deadline.watch(connection);
      const references = findReferences(await parse(connection, sql), sql);
      const snapshots = await takeSnapshot(references, deadline.signal);
      deadline.signal.throwIfAborted();
      assertDistinct(snapshots);
      const files = snapshots.flatMap(({ groups }) => groups.flatMap((group) => group.files));
      const readable = await this.#options.files.open(files, deadline.signal);
      opened = readable;
      const setup = [`ATTACH ':memory:' AS ${name}`];
      for (const snapshot of snapshots) {
        const rows = snapshot.rowSets.map((rowSet) => engine.scan.publish(rowSet));
        published.push(...rows);
        const tokens = rows.map((row) => row.token);
        const select = selectTable(snapshot, { pathOf: (file) => readable.pathOf(file), tokens });
        const schema = `${name}.${quoteIdentifier(snapshot.database)}`;
        const view = `${schema}.${quoteIdentifier(snapshot.measurement)}`;
        setup.push(`CREATE SCHEMA IF NOT EXISTS ${schema}`, `CREATE VIEW ${view} AS ${select}`);
      }
      if (snapshots.length > 0) {
        isAttached = true;
        await connection.run(setup.join(";\n"));
      }
      const prepared = await prepareSelect(connection, qualify(sql, references, name));
      return await this.#fetch(prepared, deadline);
    } catch (error) {
      if (isFatalEngineError(error)) this.#engine = undefined;
      throw deadline.reason ?? toQueryError(error, { sql, privateName: name, memoryBytes });
    } finally {
      deadline.unwatch();
      for (const rows of published) rows.release();
      opened?.release();
      // Fails only when the attaching did, which has been reported.
      if (isAttached) await connection.run(`DETACH ${name}`).catch(() => undefined);
      connection.closeSync();
    }
  }

  async #fetch(prepared: DuckDBPreparedStatement, deadline: QueryDeadline): Promise<Answer> {
    const { maxRows, maxResultBytes } = this.#options;
    const result = await prepared.stream();
    const types = result.columnTypes();
    const columns = result
      .columnNames()
      .map((name, index) => ({ name, type: String(types[index]) }));
    const rows: JsonValue[][] = [];
    let bytes = 0;
    for (;;) {
      const chunk = await result.fetchChunk();
      deadline.signal.throwIfAborted();
      if (chunk === null || chunk.rowCount === 0) break;
      if (rows.length + chunk.rowCount > maxRows) {
        throw tooLarge(`more than ${maxRows} rows`);
      }
      bytes += appendRows(rows, chunk, columns.length);
      if (bytes > maxResultBytes) throw tooLarge(`more than ${maxResultBytes} bytes`);
    }
    return { columns, rows, rowCount: rows.length };
  }

  async #open(): Promise<Engine> {
    this.#engine ??= openEngine(this.#options);
    const opening = this.#engine;
    try {
      return await opening;
    } catch (error) {
      if (this.#engine === opening) this.#engine = undefined;
      throw error;
    }
  }
}

type Answer = Omit<QueryResult, "durationMs">;

async function openEngine(options: QueryEngineOptions): Promise<Engine> {
  const instance = await DuckDBInstance.create(":memory:", {
    memory_limit: `${options.memoryBytes}B`,
    // No spilling: a query that needs more memory fails and leaves nothing on disk.
    temp_directory: "",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
    allow_community_extensions: "false",
  });
  const directories = options.files.directories.map((path) => quoteLiteral(`${path}/`));
  const connection = await instance.connect();
  const scan = new RowScan(connection);
  // Times in tables have no zone and mean UTC. The engine's own now() has a zone, and cannot be compared
  // with nanoseconds without a cast that people forget.
  await connection.run(`
    SET TimeZone='UTC';
    CREATE MACRO now() AS CAST(get_current_timestamp() AS TIMESTAMP);
    SET allowed_directories=[${directories.join(",")}];
    SET enable_external_access=false;
    SET lock_configuration=true;`);
  connection.closeSync();
  return { instance, scan };
}

async function parse(connection: DuckDBConnection, sql: string): Promise<unknown> {
  const result = await connection.run(`SELECT json_serialize_sql(${quoteLiteral(sql)})`);
  const [row] = await result.getRows();
  return JSON.parse(String(row?.[0]));
}

async function prepareSelect(
  connection: DuckDBConnection,
  sql: string,
): Promise<DuckDBPreparedStatement> {
  const statements = await connection.extractStatements(sql);
  if (statements.count !== 1) {
    throw new ServerError("SERVER_INVALID_QUERY", "exactly one SELECT statement is expected");
  }
  const prepared = await statements.prepare(0);
  if (prepared.statementType !== StatementType.SELECT) {
    throw new ServerError("SERVER_INVALID_QUERY", "only SELECT is allowed");
  }
  return prepared;
}

/**
 * Puts the query's own database before the names of tables. Without it a database of the client's that is
 * called like one of the engine's ("system", "temp", "memory") would be ambiguous.
 */
function qualify(sql: string, references: readonly TableReference[], name: string): string {
  let text = Buffer.from(sql, "utf8");
  // From the end, so that offsets stay true; each place once, as the engine may list a table twice.
  const byOffset = [
    ...new Map(references.map((found) => [found.offsetBytes, found])).values(),
  ].sort((a, b) => (b.offsetBytes ?? 0) - (a.offsetBytes ?? 0));
  const prefix = Buffer.from(`${name}.`, "utf8");
  for (const { database, offsetBytes } of byOffset) {
    const written = text
      .subarray(offsetBytes ?? text.length)
      .toString("utf8", 0, database.length * 4 + 8);
    const bare = foldIdentifier(written.slice(0, database.length));
    if (!written.startsWith(quoteIdentifier(database)) && bare !== foldIdentifier(database)) {
      throw new ServerError(
        "SERVER_INVALID_QUERY",
        `cannot find the table of database "${database}" in the query; write its name in plain quotes`,
      );
    }
    text = Buffer.concat([text.subarray(0, offsetBytes), prefix, text.subarray(offsetBytes)]);
  }
  return text.toString("utf8");
}

/** Two tables whose names the engine does not tell apart cannot be views of one database. */
function assertDistinct(snapshots: readonly TableSnapshot[]): void {
  const seen = new Map<string, string>();
  for (const { database, measurement } of snapshots) {
    const folded = `${foldIdentifier(database)}\0${foldIdentifier(measurement)}`;
    const shown = `"${database}"."${measurement}"`;
    const other = seen.get(folded);
    if (other !== undefined) {
      throw new ServerError(
        "SERVER_INVALID_QUERY",
        `${shown} and ${other} differ only in case; query them one at a time`,
      );
    }
    seen.set(folded, shown);
  }
}

/** Appends the rows of a chunk; returns roughly the bytes that they take. */
function appendRows(rows: JsonValue[][], chunk: DuckDBDataChunk, columnCount: number): number {
  const rowCount = chunk.rowCount;
  const firstRow = rows.length;
  let bytes = rowCount * columnCount * BYTES_PER_VALUE;
  for (let row = 0; row < rowCount; row++) rows.push([]);
  for (let column = 0; column < columnCount; column++) {
    const vector = chunk.getColumnVector(column);
    for (let row = 0; row < rowCount; row++) {
      const value = toJsonValue(vector.getItem(row));
      if (typeof value === "string") bytes += value.length;
      else if (typeof value === "object" && value !== null) bytes += JSON.stringify(value).length;
      rows[firstRow + row]?.push(value);
    }
  }
  return bytes;
}

const BYTES_PER_VALUE = 8;

function tooLarge(what: string): ServerError {
  return new ServerError(
    "SERVER_INVALID_QUERY",
    `the answer has ${what}; add a LIMIT or aggregate`,
  );
}

function closing(): ServerError {
  return new ServerError("SERVER_NOT_READY", "the table store is closing");
}
