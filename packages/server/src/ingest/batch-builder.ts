/**
 * All tables of one request while it is decoded, and the limits that hold for the request as a whole.
 *
 * Wire formats differ in how they say where something went wrong, so the decoder passes the function that
 * turns a broken limit into its error.
 */
import type { IngestLimits } from "./ingest-limits.ts";
import type { IngestBatch } from "./table-batch.ts";
import { TableBuilder } from "./table-builder.ts";

/** Limits that hold for a request or table, not for one row. */
export type RequestLimit = "maxRows" | "maxTables" | "maxColumnsPerTable" | "maxBatchBytes";

/** Room made in advance for the first table; later tables start small, because there may be many. */
const MAX_EXPECTED_ROWS = 65_536;

/** Dictionaries keep positions in the body as signed 32-bit integers. */
const MAX_BODY_BYTES = 0x7fff_ffff;

export interface BatchBuilderOptions {
  readonly database: string;
  readonly limits: IngestLimits;
  /** The request body; dictionaries refer to it. */
  readonly body: Buffer;
  /** Throws the error of a broken limit. */
  readonly fail: (limit: RequestLimit, reason: string) => never;
}

export class BatchBuilder {
  readonly limits: IngestLimits;
  readonly body: Buffer;
  readonly fail: (limit: RequestLimit, reason: string) => never;

  readonly #database: string;
  readonly #tables: Map<string, TableBuilder> = new Map();
  #claimedBytes = 0;

  constructor(options: BatchBuilderOptions) {
    this.limits = options.limits;
    this.body = options.body;
    this.fail = options.fail;
    this.#database = options.database;
    if (options.body.length > MAX_BODY_BYTES) {
      this.fail("maxBatchBytes", `the body is longer than ${MAX_BODY_BYTES} bytes`);
    }
  }

  /** The table of a measurement, added if new; `expectedRows` is a hint of how large it may get. */
  table(measurement: string, expectedRows: number): TableBuilder {
    const known = this.#tables.get(measurement);
    if (known !== undefined) return known;
    if (this.#tables.size >= this.limits.maxTables) {
      this.fail("maxTables", `the request has more tables than ${this.limits.maxTables}`);
    }
    const isFirst = this.#tables.size === 0;
    const table = new TableBuilder(this, {
      measurement,
      expectedRows: isFirst ? Math.min(expectedRows, MAX_EXPECTED_ROWS) : 0,
    });
    this.#tables.set(measurement, table);
    return table;
  }

  /** Counts bytes that the batch is going to need, before they are allocated. */
  claim(bytes: number): void {
    this.#claimedBytes += bytes;
    this.#checkBytes(this.#claimedBytes);
  }

  /** The finished batch; tables without rows are left out. */
  finish(): IngestBatch {
    const tables = [...this.#tables.values()].filter((table) => table.rowCount > 0);
    // Exact now: claims counted only what had been needed at each growth.
    let bytes = 0;
    let rowCount = 0;
    for (const table of tables) {
      bytes += table.finishedBytes();
      rowCount += table.rowCount;
    }
    this.#checkBytes(bytes);
    return { tables: tables.map((table) => table.finish(this.#database)), rowCount };
  }

  #checkBytes(bytes: number): void {
    if (bytes <= this.limits.maxBatchBytes) return;
    this.fail(
      "maxBatchBytes",
      `the decoded rows take more than ${this.limits.maxBatchBytes} bytes (a table costs rows × columns)`,
    );
  }
}
