/**
 * How long SQL takes over HTTP: hot, on rows in memory, and cold, on Parquet files.
 *
 *     npm run bench -- query [--quick] [--rounds N] [--rows 1000000] [--workers 1,2] [--directory DIR]
 *
 * Floors of the same run: a request that does nothing (`/ping`), and for the cold lines the same SQL in DuckDB alone, in
 * this process, on the same files. Cold means from files, not from an empty page cache. Lines are in milliseconds.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DuckDBInstance } from "@duckdb/node-api";
import { BENCH_TOKEN, BenchServer } from "./bench-server.ts";
import { generateLoad } from "./load-generator.ts";
import { BENCH_DATABASE, lineProtocolWorkload } from "./request-bytes.ts";

const { values: settings } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "30" },
    rows: { type: "string", default: "1000000" },
    workers: { type: "string", default: "1,2" },
    directory: { type: "string", default: tmpdir() },
  },
});

const ROUNDS = settings.quick ? 3 : Number(settings.rounds);
const WORKLOAD = lineProtocolWorkload(5_000, BENCH_TOKEN);
const REQUESTS = Math.ceil((settings.quick ? 100_000 : Number(settings.rows)) / 5_000);
const TABLE = `${BENCH_DATABASE}.${WORKLOAD.measurement}`;
const CONNECTIONS = 8;
const WARM_UP = 3;

/** `TABLE` is replaced by what is asked. */
const QUERIES: Readonly<Record<string, string>> = {
  "count(*)": "SELECT count(*) FROM TABLE",
  "average by host": "SELECT host, avg(usage_user) FROM TABLE GROUP BY host",
  "one host, 1 in 100 rows": "SELECT max(load) FROM TABLE WHERE host = 'server-7'",
  "last 100 rows": "SELECT * FROM TABLE ORDER BY time DESC LIMIT 100",
};

for (const workers of settings.workers.split(",").map(Number)) await measure(workers);

async function measure(workers: number): Promise<void> {
  const directory = await mkdtemp(join(settings.directory, "walnut-query-bench-"));
  const server = await BenchServer.start({
    directory: join(directory, "data"),
    flags: [
      `--workers=${workers}`,
      "--durability=async",
      "--flush-age-ms=3600000",
      "--flush-rows=4000000",
      "--compaction=false",
      `--max-memory-bytes=${4 * 1_024 ** 3}`,
    ],
  });
  try {
    const { port } = server;
    await generateLoad({ port, workload: WORKLOAD, connections: CONNECTIONS, requests: REQUESTS });
    const rows = REQUESTS * WORKLOAD.rowsPerRequest;
    console.log(`\n${rows} rows, ${workers} workers, ${ROUNDS} rounds`);
    console.log(`${"".padEnd(34)} p50 ms   p99 ms`);
    const ping = await times(() => fetch(`http://127.0.0.1:${port}/ping`));
    print("floor: a request that does nothing", ping);
    for (const [name, sql] of Object.entries(QUERIES)) {
      print(`hot: ${name}`, await times(() => server.query(sql.replace("TABLE", TABLE))));
    }
    await server.ask("POST", "/api/wal/flush");
    for (const [name, sql] of Object.entries(QUERIES)) {
      print(`cold: ${name}`, await times(() => server.query(sql.replace("TABLE", TABLE))));
    }
    await printFloors(join(directory, "data"));
  } finally {
    await server.stop("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  }
}

async function printFloors(directory: string): Promise<void> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  try {
    const files = `read_parquet('${directory}/parquet/**/*.parquet')`;
    for (const [name, sql] of Object.entries(QUERIES)) {
      const text = sql.replace("TABLE", files);
      print(
        `floor: DuckDB alone, ${name}`,
        await times(async () => (await connection.runAndReadAll(text)).getRowsJson()),
      );
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function times(run: () => Promise<unknown>): Promise<readonly number[]> {
  const taken: number[] = [];
  for (let round = -WARM_UP; round < ROUNDS; round++) {
    const startedMs = performance.now();
    await run();
    if (round >= 0) taken.push(performance.now() - startedMs);
  }
  return taken.toSorted((a, b) => a - b);
}

function print(name: string, taken: readonly number[]): void {
  const at = (share: number): string =>
    (taken[Math.floor(share * (taken.length - 1))] ?? 0).toFixed(1).padStart(7);
  console.log(`${name.padEnd(46)} ${at(0.5)}  ${at(0.99)}`);
}
