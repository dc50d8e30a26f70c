/**
 * Snapshots of shards as bytes, for another worker: what the tables are as JSON, then the rows as log records.
 *
 *     stream:  frame* | u32 0
 *     frame:   u32 length | bytes           the first is JSON, each of the others one set of rows
 *
 * Integers are little-endian. A stream without its end is half a snapshot and must not be used. Sets of rows are
 * encoded one at a time, while the receiver takes them: the sender never holds more than one of them twice.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { ServerError } from "../errors.ts";
import { decodeIngestBatch, encodeIngestBatch } from "../ingest/batch-codec.ts";
import type { Column } from "../ingest/table-batch.ts";
import type { RowSet } from "./row-buffer.ts";
import type { ShardSnapshot } from "./shard-snapshot.ts";
import type { TableName } from "./table-name.ts";
import type { TableSnapshot } from "./table-snapshot.ts";

const LENGTH_BYTES = 4;

/** A table in the JSON frame: its sets of rows follow in frames of their own. */
type TableHead = Omit<TableSnapshot, "rowSets"> & { readonly rowSets: number };

interface ShardHead {
  readonly near: readonly string[];
  readonly tables: readonly TableHead[];
}

/** The bytes of snapshots, in pieces. */
export async function* encodeSnapshots(
  shards: readonly ShardSnapshot[],
): AsyncGenerator<Uint8Array, void> {
  const heads = shards.map(({ near, tables }): ShardHead => ({
    near,
    tables: tables.map((table) => ({ ...table, rowSets: table.rowSets.length })),
  }));
  yield* frame(Buffer.from(JSON.stringify(heads), "utf8"));
  for (const { tables } of shards) {
    for (const table of tables) {
      for (const rows of table.rowSets) {
        yield* frame(encodeRows(table, rows));
        await nextTurn();
      }
    }
  }
  yield lengthOf(0);
}

/**
 * Puts snapshots together again.
 *
 * @param maxBytes - bytes of rows that are taken
 * @throws {ServerError} `SERVER_QUERY_FAILED` when there are more; `SERVER_STORAGE_CORRUPT` when the stream is no
 *   snapshot. Other errors are those of the stream, such as one that ended early
 */
export async function decodeSnapshots(
  stream: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<readonly ShardSnapshot[]> {
  const frames: Uint8Array[] = [];
  for await (const bytes of readFrames(stream, maxBytes)) frames.push(bytes);
  const [head, ...records] = frames;
  // The stream comes from a process of the same version.
  const heads = JSON.parse(Buffer.from(head ?? []).toString("utf8")) as readonly ShardHead[];
  let next = 0;
  return heads.map(({ near, tables }) => ({
    near,
    tables: tables.map((table) => {
      const from = next;
      next += table.rowSets;
      return { ...table, rowSets: records.slice(from, next).map(decodeRows) };
    }),
  }));
}

async function* readFrames(
  stream: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void> {
  let pending: Buffer = Buffer.alloc(0);
  let current: Uint8Array | undefined;
  let filled = 0;
  let total = 0;
  for await (const chunk of stream) {
    pending = pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([pending, chunk]);
    for (;;) {
      if (current === undefined) {
        if (pending.length < LENGTH_BYTES) break;
        const length = pending.readUInt32LE(0);
        pending = pending.subarray(LENGTH_BYTES);
        if (length === 0) return;
        total += length;
        if (total > maxBytes) throw tooManyRows(maxBytes);
        current = new Uint8Array(length);
        filled = 0;
      }
      const taken = Math.min(current.length - filled, pending.length);
      current.set(pending.subarray(0, taken), filled);
      filled += taken;
      pending = pending.subarray(taken);
      if (filled < current.length) break;
      yield current;
      current = undefined;
    }
  }
  throw new Error("the snapshot ended early");
}

function* frame(bytes: Uint8Array): Generator<Uint8Array, void> {
  yield lengthOf(bytes.byteLength);
  yield bytes;
}

function lengthOf(bytes: number): Uint8Array {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(bytes);
  return length;
}

function encodeRows({ database, measurement }: TableName, rows: RowSet): Uint8Array {
  const { rowCount, timestamps } = rows;
  const columns = rows.columns.map((column) => withCleanEnd(column, rowCount));
  const table = { database, measurement, rowCount, timestamps, columns };
  return encodeIngestBatch({ tables: [table], rowCount });
}

function decodeRows(bytes: Uint8Array): RowSet {
  const [table] = decodeIngestBatch(bytes).tables;
  if (table === undefined) throw new RangeError("a set of rows without its table");
  return table;
}

/** The last byte of validity may be shared with rows that came after the snapshot: their bits are not ours. */
function withCleanEnd(column: Column, rowCount: number): Column {
  const { validity } = column;
  const bits = rowCount & 7;
  if (validity === undefined || bits === 0) return column;
  const last = rowCount >>> 3;
  const mask = (1 << bits) - 1;
  const byte = validity[last] ?? 0;
  if ((byte & ~mask) === 0) return column;
  const clean = validity.slice(0, last + 1);
  clean[last] = byte & mask;
  return { ...column, validity: clean };
}

function tooManyRows(maxBytes: number): ServerError {
  return new ServerError(
    "SERVER_QUERY_FAILED",
    `the rows that other workers have in memory for this query take more than ${maxBytes} bytes; ` +
      "try again when they are flushed, or raise queryMemoryBytes",
    { details: { limit: maxBytes } },
  );
}
