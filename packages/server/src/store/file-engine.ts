/**
 * SQL over Parquet files for the store's own work: merging, rewriting, counting, reading all of a table.
 *
 * A DuckDB of its own, with one thread and a memory limit: it can take neither memory nor threads from queries and
 * flushes. It is started by the first statement and knows only statements that this program wrote.
 */
import type { DuckDBConnection, DuckDBDataChunk, DuckDBInstance } from "@duckdb/node-api";
import { quoteLiteral } from "./sql-identifier.ts";

/** Memory of one engine, in bytes. */
const MEMORY_BYTES = 256 * 1024 * 1024; // 256 MiB

/** As files of flushes are written: see parquet-writer.ts. */
const COPY_OPTIONS =
  "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2, WRITE_BLOOM_FILTER false";

/** A value of a row of {@link FileEngine.rows}. */
export type EngineValue = bigint | number | string | boolean | null | object;

/** Runs statements over files. */
export class FileEngine {
  readonly #memoryBytes: number;
  #instance: Promise<DuckDBInstance> | undefined;

  constructor(options: { readonly memoryBytes?: number } = {}) {
    this.#memoryBytes = options.memoryBytes ?? MEMORY_BYTES;
  }

  /**
   * Writes the rows of a SELECT to a Parquet file, in their order, and returns how many. Nothing is synced.
   *
   * @param note - text that goes into the file's metadata, under the key `walnut`
   */
  async copy(
    select: string,
    path: string,
    { note, signal }: { readonly note?: string; readonly signal?: AbortSignal } = {},
  ): Promise<number> {
    const metadata = note === undefined ? "" : `, KV_METADATA {walnut: ${quoteLiteral(note)}}`;
    const sql = `COPY (${select}) TO ${quoteLiteral(path)} (${COPY_OPTIONS}${metadata})`;
    return await this.#connected(async (connection) => {
      const stop = (): void => connection.interrupt();
      signal?.addEventListener("abort", stop);
      try {
        signal?.throwIfAborted();
        const [row] = await (await connection.run(sql)).getRows();
        return Number(row?.[0]);
      } finally {
        signal?.removeEventListener("abort", stop);
      }
    });
  }

  /** All rows of an answer that is known to be small. */
  async rows(sql: string): Promise<readonly (readonly EngineValue[])[]> {
    return await this.#connected(async (connection) => {
      const result = await connection.run(sql);
      return await result.getRows();
    });
  }

  /** The rows of a SELECT, a piece at a time: memory does not grow with their number. */
  async *chunks(sql: string): AsyncGenerator<DuckDBDataChunk> {
    const connection = await (await this.#open()).connect();
    try {
      const result = await connection.stream(sql);
      for (;;) {
        const chunk = await result.fetchChunk();
        if (chunk === null || chunk.rowCount === 0) return;
        yield chunk;
      }
    } finally {
      connection.closeSync();
    }
  }

  /** Call it when nothing runs. */
  async close(): Promise<void> {
    const instance = this.#instance;
    this.#instance = undefined;
    // One that could not be opened is closed.
    (await instance?.catch(() => undefined))?.closeSync();
  }

  async #connected<T>(action: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
    const connection = await (await this.#open()).connect();
    try {
      return await action(connection);
    } finally {
      connection.closeSync();
    }
  }

  async #open(): Promise<DuckDBInstance> {
    this.#instance ??= openInstance(this.#memoryBytes);
    const opening = this.#instance;
    try {
      return await opening;
    } catch (error) {
      if (this.#instance === opening) this.#instance = undefined;
      throw error;
    }
  }
}

async function openInstance(memoryBytes: number): Promise<DuckDBInstance> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  return await DuckDBInstance.create(":memory:", {
    threads: "1",
    memory_limit: `${memoryBytes}B`,
    // No spilling: work that needs more memory fails, and is done in smaller pieces.
    temp_directory: "",
    autoinstall_known_extensions: "false",
    autoload_known_extensions: "false",
  });
}
