/**
 * Rows in memory as a table function of DuckDB: `walnut_rows('token')`.
 *
 * A {@link RowSet} is published under an unguessable token; the function then yields its rows, column `c0`
 * the times and `c1`, `c2`, … the columns in their order. Columns that a query does not ask for are not
 * copied. Texts are given as ENUM where few values repeat (4 times as fast: codes are copied as they are),
 * as VARCHAR otherwise; whoever reads casts to VARCHAR.
 *
 * The only file that knows DuckDB's table functions, which are young. DuckDB calls back on the thread that
 * registered the function, so rows are read while nobody appends to them.
 */
import { randomUUID } from "node:crypto";
import duckdb from "@duckdb/node-bindings";
import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  DuckDBTableFunction,
  ENUM,
  TIMESTAMP_NS,
  UBIGINT,
  VARCHAR,
  type DuckDBConnection,
  type DuckDBDataChunk,
  type DuckDBType,
} from "@duckdb/node-api";
import type { Column, DictionaryColumn } from "../ingest/table-batch.ts";
import type { RowSet } from "./row-buffer.ts";
import { isWellFormed } from "./sql-identifier.ts";

export const ROW_SCAN_FUNCTION = "walnut_rows";

/** Rows that DuckDB takes at once. */
const CHUNK_ROWS = 2048;

/** Rows that can be read by SQL until they are released. */
export interface PublishedRows {
  /** Argument of the table function. */
  readonly token: string;
  release(): void;
}

/** The rows that one DuckDB instance can read. */
export class RowScan {
  readonly #sources = new Map<string, ScanSource>();

  /** Registers the function with the instance that the connection belongs to. */
  constructor(connection: DuckDBConnection) {
    connection.registerTableFunction(
      DuckDBTableFunction.create({
        name: ROW_SCAN_FUNCTION,
        parameterTypes: [VARCHAR],
        supportsProjectionPushdown: true,
        bindFunction: (info) => {
          const source = this.#sources.get(String(info.getParameter(0)));
          if (source === undefined) {
            info.setError("no such rows");
            return;
          }
          source.types.forEach((type, index) => info.addResultColumn(`c${index}`, type));
          info.setCardinality(source.rowCount, true);
          info.setBindData(source);
        },
        initFunction: (info) => {
          // Callbacks run on one thread anyway: more scanners would only wait for each other.
          info.setMaxThreads(1);
          // DuckDB hands back what `bindFunction` and `initFunction` stored.
          const source = info.bindData as ScanSource;
          info.setInitData(new ScanPosition(source, info.getColumnIndexes()));
        },
        mainFunction: (info, chunk) => (info.initData as ScanPosition).next(chunk),
      }),
    );
  }

  /** Makes rows readable. They must not change until released. */
  publish(rows: RowSet): PublishedRows {
    const token = randomUUID();
    this.#sources.set(token, new ScanSource(rows));
    return { token, release: () => void this.#sources.delete(token) };
  }
}

/** A column as DuckDB takes it: its type, and a copy of some of its rows into a vector. */
interface ScanColumn {
  readonly type: DuckDBType;
  copyTo(vector: duckdb.Vector, fromRow: number, rowCount: number): void;
}

class ScanSource {
  readonly rowCount: number;
  readonly columns: readonly ScanColumn[];

  constructor(rows: RowSet) {
    this.rowCount = rows.rowCount;
    this.columns = [
      { type: TIMESTAMP_NS, copyTo: copyFixed(rows.timestamps) },
      ...rows.columns.map((column) => withValidity(column, toScanColumn(column, rows.rowCount))),
    ];
  }

  get types(): readonly DuckDBType[] {
    return this.columns.map((column) => column.type);
  }
}

/** How far one scan has come, in the columns that it was asked for. */
class ScanPosition {
  readonly #rowCount: number;
  readonly #columns: readonly ScanColumn[];
  #nextRow = 0;

  constructor(source: ScanSource, columnIndexes: readonly number[]) {
    this.#rowCount = source.rowCount;
    this.#columns = columnIndexes.flatMap((index) => source.columns[index] ?? []);
  }

  next(chunk: DuckDBDataChunk): void {
    const rowCount = Math.min(CHUNK_ROWS, this.#rowCount - this.#nextRow);
    chunk.rowCount = rowCount;
    if (rowCount === 0) return;
    for (let index = 0; index < this.#columns.length; index++) {
      const vector = duckdb.data_chunk_get_vector(chunk.chunk, index);
      this.#columns[index]?.copyTo(vector, this.#nextRow, rowCount);
    }
    this.#nextRow += rowCount;
  }
}

function toScanColumn(column: Column, rowCount: number): ScanColumn {
  switch (column.type) {
    case "tag":
    case "string":
      return isEnumerable(column, rowCount) ? enumColumn(column) : textColumn(column);
    case "float":
      return { type: DOUBLE, copyTo: copyFixed(column.values) };
    case "integer":
      return { type: BIGINT, copyTo: copyFixed(column.values) };
    case "unsigned":
      return { type: UBIGINT, copyTo: copyFixed(column.values) };
    case "boolean":
      return { type: BOOLEAN, copyTo: copyFixed(column.values) };
  }
}

function withValidity(column: Column, inner: ScanColumn): ScanColumn {
  const validity = column.validity;
  if (validity === undefined) return inner;
  return {
    type: inner.type,
    copyTo(vector, fromRow, rowCount) {
      inner.copyTo(vector, fromRow, rowCount);
      duckdb.vector_ensure_validity_writable(vector);
      // Chunks begin at multiples of 2,048 rows, so their bits begin at a whole byte.
      const bytes = (rowCount + 7) >>> 3;
      const offset = validity.byteOffset + (fromRow >>> 3);
      duckdb.copy_data_to_vector_validity(vector, 0, bufferOf(validity), offset, bytes);
    },
  };
}

function copyFixed(
  values: BigInt64Array | BigUint64Array | Float64Array | Uint8Array,
): ScanColumn["copyTo"] {
  const width = values.BYTES_PER_ELEMENT;
  return (vector, fromRow, rowCount) => {
    const offset = values.byteOffset + fromRow * width;
    duckdb.copy_data_to_vector(vector, 0, bufferOf(values), offset, rowCount * width);
  };
}

/**
 * Measured: making an ENUM costs about 0.4 us a value, a VARCHAR 0.15 us a row, an ENUM row next to nothing.
 * The engine takes enum values as C strings, each once: one with a NUL would be cut short, ones with lone
 * surrogates would become the same. As VARCHAR they are what they are.
 */
function isEnumerable(column: DictionaryColumn, rowCount: number): boolean {
  const { dictionary } = column;
  if (dictionary.length * 3 > rowCount) return false;
  return dictionary.every((text) => !text.includes("\0") && isWellFormed(text));
}

function enumColumn(column: DictionaryColumn): ScanColumn {
  // An ENUM needs a value even when every row is null.
  const values = column.dictionary.length === 0 ? [""] : column.dictionary;
  const staging = enumCodes(values.length);
  const width = staging.BYTES_PER_ELEMENT;
  return {
    type: ENUM(values),
    copyTo(vector, fromRow, rowCount) {
      staging.set(column.codes.subarray(fromRow, fromRow + rowCount));
      duckdb.copy_data_to_vector(
        vector,
        0,
        bufferOf(staging),
        staging.byteOffset,
        rowCount * width,
      );
    },
  };
}

/** DuckDB stores an ENUM in the smallest unsigned integer that can count its values. */
function enumCodes(valueCount: number): Uint8Array | Uint16Array | Uint32Array {
  if (valueCount <= 0xff) return new Uint8Array(CHUNK_ROWS);
  if (valueCount <= 0xffff) return new Uint16Array(CHUNK_ROWS);
  return new Uint32Array(CHUNK_ROWS);
}

function textColumn(column: DictionaryColumn): ScanColumn {
  const { codes, dictionary, validity } = column;
  return {
    type: VARCHAR,
    copyTo(vector, fromRow, rowCount) {
      for (let index = 0; index < rowCount; index++) {
        const row = fromRow + index;
        const isNull =
          validity !== undefined && ((validity[row >>> 3] ?? 0) & (1 << (row & 7))) === 0;
        if (isNull) continue;
        duckdb.vector_assign_string_element(vector, index, dictionary[codes[row] ?? 0] ?? "");
      }
    },
  };
}

/** The memory behind a view. The store's arrays are never shared between threads. */
function bufferOf(view: ArrayBufferView): ArrayBuffer {
  return view.buffer as ArrayBuffer;
}
