/**
 * The table store alone: rows from batches in memory to durable Parquet files and catalog, and what a query
 * costs besides its own work.
 *
 *     npm run bench -- store [--quick]
 *
 * Flush lines give the ratio to a floor measured in the same run: the same bytes as the Parquet files, as
 * one sequential write and fsync for each file. Rows have 2 tags (100 and 4 values) and 6 fields (4 floats
 * with two decimals, an integer, a boolean).
 */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
// As built: only then are large flushes written by a thread of their own.
import type { Column, IngestBatch } from "../dist/ingest/table-batch.js";
import { openTableStore } from "../dist/store/open-table-store.js";
import type { TableStore } from "../dist/store/table-store.js";

const isQuick = process.argv.includes("--quick");
const MEMTABLE_ROWS = 50_000;
const BATCH_ROWS = 5_000;
const FLUSHES = isQuick ? 10 : 60;
const QUERIES = isQuick ? 50 : 300;
const START_NS = 1_760_000_000_000_000_000n;
const STEP_NS = 1_000_000n;

const directory = await mkdtemp(
  join(process.env["WALNUT_BENCH_DIR"] ?? tmpdir(), "walnut-store-bench-"),
);
try {
  await benchFlush("flush, rows in time order", batches(FLUSHES, "ordered"), FLUSHES);
  await benchFlush("flush, rows shuffled", batches(FLUSHES, "shuffled"), FLUSHES);
  await benchFlush("flush, one text per row", batches(FLUSHES / 2, "unique"), FLUSHES / 2);
  await benchQueries();
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function benchFlush(
  name: string,
  input: readonly IngestBatch[],
  memtables: number,
): Promise<void> {
  const path = join(directory, name.replaceAll(/\W+/g, "-"));
  const store = await openTableStore({
    directory: path,
    flushAgeMs: 60_000,
    onBackgroundError: fail,
  });
  const perMemtable = MEMTABLE_ROWS / BATCH_ROWS;
  let lsn = 0;
  let admitMs = 0;
  const flushMs: number[] = [];
  const cpuBefore = process.cpuUsage();
  for (let index = 0; index < memtables; index++) {
    const start = performance.now();
    for (const batch of input.slice(index * perMemtable, (index + 1) * perMemtable)) {
      store.insert(++lsn, store.admit(batch));
    }
    admitMs += performance.now() - start;
    const before = performance.now();
    await store.flush();
    if (index >= 3) flushMs.push(performance.now() - before);
  }
  const cpu = process.cpuUsage(cpuBefore);
  const cpuMs = (cpu.user + cpu.system) / 1000 / memtables;
  const { flushedBytes, flushedFiles } = store.stats().flushes;
  await store.close();
  const floorMs = await floor(flushedFiles, flushedBytes / flushedFiles);
  const meanMs = flushMs.reduce((sum, ms) => sum + ms, 0) / flushMs.length;
  const rowsPerSecond = (MEMTABLE_ROWS / meanMs) * 1000;
  print(name, [
    `${millions(rowsPerSecond)} M rows/s`,
    `${meanMs.toFixed(1)} ms per flush (p50 ${percentile(flushMs, 0.5)}, p99 ${percentile(flushMs, 0.99)})`,
    `${cpuMs.toFixed(1)} ms of CPU`,
    `${(flushedBytes / memtables / MEMTABLE_ROWS).toFixed(1)} B/row`,
    `${(meanMs / floorMs).toFixed(1)} x the floor's ${floorMs.toFixed(2)} ms`,
    `admit + insert ${((admitMs / memtables / perMemtable) * 1000).toFixed(0)} us per batch of ${BATCH_ROWS}`,
  ]);
}

/** Time to write and sync one file of this size, on average. */
async function floor(files: number, bytes: number): Promise<number> {
  const content = new Uint8Array(Math.round(bytes)).fill(7);
  let totalMs = 0;
  for (let index = 0; index < files; index++) {
    const start = performance.now();
    const handle = await open(join(directory, `floor-${index}`), "w");
    await handle.writeFile(content);
    await handle.sync();
    await handle.close();
    totalMs += performance.now() - start;
  }
  return totalMs / files;
}

async function benchQueries(): Promise<void> {
  const store = await openTableStore({
    directory: join(directory, "queries"),
    flushAgeMs: 60_000,
    onBackgroundError: fail,
  });
  const input = batches(4, "ordered");
  let lsn = 0;
  for (const batch of input.slice(0, 20)) store.insert(++lsn, store.admit(batch));
  await store.flush();
  for (const batch of input.slice(20, 29)) store.insert(++lsn, store.admit(batch));
  await benchQuery(store, "query, no table", "SELECT 1");
  await benchQuery(store, "query, 1 row of files and memory", "SELECT * FROM bench.cpu LIMIT 1");
  await benchQuery(store, "query, count(*) of 145,000 rows", "SELECT count(*) FROM bench.cpu");
  await benchQuery(
    store,
    "query, group by tag",
    "SELECT host, avg(a), max(b) FROM bench.cpu GROUP BY host",
  );
  await benchQuery(
    store,
    "query, last row per tag",
    "SELECT host, max_by(a, time) FROM bench.cpu GROUP BY 1",
  );
  await benchQuery(
    store,
    "query, 10,000 rows out",
    "SELECT * FROM bench.cpu LIMIT 10000",
    QUERIES / 10,
  );
  for (let flush = 0; flush < 100; flush++) {
    const [batch] = batches(1, "ordered", 10, flush);
    if (batch === undefined) throw new Error("no batch");
    store.insert(++lsn, store.admit(batch));
    await store.flush();
  }
  await benchQuery(
    store,
    "query, count(*) over 102 files",
    "SELECT count(*) FROM bench.cpu",
    QUERIES / 3,
  );
  await benchQuery(
    store,
    "query, group by tag, 102 files",
    "SELECT host, avg(a) FROM bench.cpu GROUP BY 1",
    QUERIES / 3,
  );
  await store.close();
}

async function benchQuery(
  store: TableStore,
  name: string,
  sql: string,
  count: number = QUERIES,
): Promise<void> {
  for (let index = 0; index < 5; index++) await store.query(sql);
  const ms: number[] = [];
  for (let index = 0; index < count; index++) {
    const start = performance.now();
    await store.query(sql);
    ms.push(performance.now() - start);
  }
  print(name, [`p50 ${percentile(ms, 0.5)} ms`, `p99 ${percentile(ms, 0.99)} ms`]);
}

type Kind = "ordered" | "shuffled" | "unique";

/** Batches for a number of memtables. The same numbers in every run. */
function batches(
  memtables: number,
  kind: Kind,
  batchRows: number = BATCH_ROWS,
  from = 0,
): readonly IngestBatch[] {
  const count = Math.ceil((memtables * MEMTABLE_ROWS) / BATCH_ROWS);
  return Array.from({ length: count }, (_none, index) => {
    const first = (from + index) * batchRows;
    const timestamps = BigInt64Array.from({ length: batchRows }, (_, row) => {
      const place = kind === "shuffled" ? (row * 7919) % batchRows : row;
      return START_NS + BigInt(first + place) * STEP_NS;
    });
    const columns: Column[] = [
      tag("host", batchRows, kind === "unique" ? batchRows : 100, kind === "unique" ? first : 0),
      tag("region", batchRows, 4, 0),
      ...["a", "b", "c", "d"].map((name, column) => float(name, batchRows, first + column)),
      integer("n", batchRows, first),
      flag("ok", batchRows),
    ];
    const table = {
      database: "bench",
      measurement: "cpu",
      rowCount: batchRows,
      timestamps,
      columns,
    };
    return { tables: [table], rowCount: batchRows };
  });
}

function tag(name: string, rowCount: number, values: number, from: number): Column {
  const dictionary = Array.from({ length: values }, (_, value) => `${name}-value-${from + value}`);
  const codes = Uint32Array.from({ length: rowCount }, (_, row) => row % values);
  return { name, type: "tag", validity: undefined, codes, dictionary };
}

function float(name: string, rowCount: number, seed: number): Column {
  let state = seed + 1;
  const values = Float64Array.from({ length: rowCount }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state % 10_000) / 100;
  });
  return { name, type: "float", validity: undefined, values };
}

function integer(name: string, rowCount: number, from: number): Column {
  const values = BigInt64Array.from({ length: rowCount }, (_, row) => BigInt(from + row));
  return { name, type: "integer", validity: undefined, values };
}

function flag(name: string, rowCount: number): Column {
  const values = Uint8Array.from({ length: rowCount }, (_, row) => (row % 10 === 0 ? 0 : 1));
  return { name, type: "boolean", validity: undefined, values };
}

function percentile(values: readonly number[], fraction: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0).toFixed(
    2,
  );
}

function millions(count: number): string {
  return (count / 1_000_000).toFixed(2);
}

function print(name: string, parts: readonly string[]): void {
  process.stdout.write(`${name.padEnd(36)} ${parts.join(" | ")}\n`);
}

function fail(error: unknown): never {
  throw error;
}
