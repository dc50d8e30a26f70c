/**
 * How many rows a second the server acknowledges: line protocol and columnar MessagePack, with the log off,
 * at async and at fdatasync.
 *
 *     npm run bench -- server [--quick] [--rounds N] [--seconds N] [--connections N] [--directory DIR]
 *                             [--only line] [--levels off,fdatasync] [--flags="--flush-rows 1"] [--profile]
 *
 * The server is the built command in its own process, this process is the load. Every level does the same
 * work: the same requests, and the clock of "to Parquet" stops when the last row is in a file and in the
 * catalog. The rate of acknowledgements alone would flatter a level that puts its flushes off. Every round
 * starts a new server on an empty directory and ends with a count by SQL. Rounds of all levels are
 * interleaved, because the machine is noisy; each line is the median of its rounds, and CPU seconds are the
 * steadiest column.
 *
 * "--profile" prints where the main thread's time went in one more round of each line, which is slower.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hottestFunctions } from "./cpu-profile.ts";
import { generateLoad, type LoadResult } from "./load-generator.ts";
import {
  BENCH_DATABASE,
  lineProtocolWorkload,
  messagePackWorkload,
  type Workload,
} from "./request-bytes.ts";

const { values: settings } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    seconds: { type: "string", default: "3" },
    rounds: { type: "string", default: "5" },
    connections: { type: "string", default: "8" },
    directory: { type: "string", default: tmpdir() },
    levels: { type: "string", default: "off,async,fdatasync" },
    only: { type: "string", default: "" },
    flags: { type: "string", default: "" },
    profile: { type: "boolean", default: false },
  },
});

const TOKEN = "bench-token";
const CLI = fileURLToPath(new URL("../../cli/dist/launch.cjs", import.meta.url));
const LEVELS = settings.levels.split(",");
const ROUNDS = settings.quick ? 1 : Number(settings.rounds);
const SECONDS = settings.quick ? 1 : Number(settings.seconds);
/** The server's `flushRows`: multiples of it leave no row waiting for the age of its memtable. */
const FLUSH_ROWS = 50_000;
const WARM_UP_ROWS = 10 * FLUSH_ROWS;
const POLL_INTERVAL_MS = 25;
const FLUSH_LIMIT_MS = 120_000;
const PROFILE_LINES = 15;
/** Rows a second are the aims: a round of the right size takes about as long as was asked for. */
const CASES = [
  { workload: lineProtocolWorkload(5_000, TOKEN), aimRowsPerSecond: 400_000 },
  { workload: messagePackWorkload(10_000, TOKEN), aimRowsPerSecond: 2_000_000 },
].filter(({ workload }) => workload.name.toLowerCase().includes(settings.only.toLowerCase()));

interface Figures {
  readonly acknowledgedPerSecond: number;
  /** Rows a second until the last of them is in Parquet. */
  readonly flushedPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refused: number;
  /** CPU seconds for a million rows, from the socket to the Parquet file. */
  readonly serverCpu: number;
  readonly loadCpu: number;
}

const results = new Map<string, Figures[]>();
for (let round = 0; round < ROUNDS; round++) {
  for (const { workload, aimRowsPerSecond } of CASES) {
    // Each round begins with another level, so that none always follows the same one.
    for (let index = 0; index < LEVELS.length; index++) {
      const level = LEVELS[(index + round) % LEVELS.length] ?? "off";
      const key = `${workload.name}/${level}`;
      const figures = await measure(workload, level, aimRowsPerSecond * SECONDS);
      results.set(key, [...(results.get(key) ?? []), figures]);
    }
  }
}
for (const { workload } of CASES) printWorkload(workload);
if (settings.profile) {
  for (const { workload, aimRowsPerSecond } of CASES) {
    for (const level of LEVELS) await printProfile(workload, level, aimRowsPerSecond * SECONDS);
  }
}

async function measure(
  workload: Workload,
  level: string,
  aimRows: number,
  profileDirectory?: string,
): Promise<Figures> {
  const directory = await mkdtemp(join(settings.directory, "walnut-bench-"));
  const server = await startServer(directory, level, profileDirectory);
  const { port } = server;
  const rows = Math.ceil(aimRows / FLUSH_ROWS) * FLUSH_ROWS;
  const load = (count: number): Promise<LoadResult> => {
    const requests = count / workload.rowsPerRequest;
    return generateLoad({ port, workload, connections: Number(settings.connections), requests });
  };
  try {
    // The compiler's work at the start is no cost of a row.
    await load(WARM_UP_ROWS);
    await untilFlushed(port, WARM_UP_ROWS);
    const serverCpuBefore = await metric(port, "walnut_cpu_seconds_total");
    const loadCpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    const result = await load(rows);
    const loadCpu = process.cpuUsage(loadCpuBefore);
    await untilFlushed(port, WARM_UP_ROWS + rows);
    const flushedSeconds = (performance.now() - startedMs) / 1_000;
    const serverCpu = (await metric(port, "walnut_cpu_seconds_total")) - serverCpuBefore;
    await verifyCount(port, workload, WARM_UP_ROWS + rows);
    const sorted = result.latenciesMs.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
    return {
      acknowledgedPerSecond: rows / result.seconds,
      flushedPerSecond: rows / flushedSeconds,
      megabytesPerSecond: result.bytes / result.seconds / 1e6,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      refused: result.refused,
      serverCpu: (serverCpu * 1e6) / rows,
      loadCpu: (loadCpu.user + loadCpu.system) / rows,
    };
  } finally {
    // A profile is written by a process that ends by itself.
    server.child.kill(profileDirectory === undefined ? "SIGKILL" : "SIGTERM");
    await new Promise((resolve) => server.child.once("close", resolve));
    await rm(directory, { recursive: true, force: true });
  }
}

async function untilFlushed(port: number, rows: number): Promise<void> {
  const limitMs = performance.now() + FLUSH_LIMIT_MS;
  while ((await metric(port, "walnut_flushed_rows_total")) < rows) {
    if (performance.now() > limitMs) throw new Error(`${rows} rows are not in Parquet`);
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}

async function printProfile(workload: Workload, level: string, aimRows: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-profile-"));
  try {
    await measure(workload, level, aimRows, directory);
    console.log(`\n${workload.name}, ${level}: where the main thread's time went`);
    for (const { place, share } of await hottestFunctions(directory, PROFILE_LINES)) {
      console.log(`${(share * 100).toFixed(1).padStart(6)} %  ${place}`);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function startServer(
  directory: string,
  level: string,
  profileDirectory: string | undefined,
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const nodeFlags =
    profileDirectory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDirectory}`];
  const flags = settings.flags === "" ? [] : settings.flags.split(" ");
  const words = ["serve", "--port", "0", "--data-dir", join(directory, "data"), ...flags];
  const child = spawn(process.execPath, [...nodeFlags, CLI, ...words, "--durability", level], {
    env: { ...process.env, WALNUT_TOKEN: TOKEN },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await new Promise<number>((resolve, reject) => {
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const match = /^ {2}url .*:(\d+)$/m.exec(output);
      if (match !== null) resolve(Number(match[1]));
    });
    child.once("close", () => reject(new Error("the server did not start")));
  });
  return { child, port };
}

/** Everything acknowledged must be there, and nothing else. */
async function verifyCount(port: number, workload: Workload, expected: number): Promise<void> {
  const sql = `SELECT count(*) FROM ${BENCH_DATABASE}.${workload.measurement}`;
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/query`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ sql }),
  });
  const answer = (await response.json()) as { data?: [[number]]; error?: string };
  if (answer.data?.[0][0] !== expected) {
    throw new Error(`expected ${expected} rows, found ${JSON.stringify(answer)}`);
  }
}

async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

function printWorkload(workload: Workload): void {
  const megabytes = (workload.requests[0]?.byteLength ?? 0) / 1e6;
  console.log(
    `\n${workload.name}: ${workload.rowsPerRequest} rows and ${megabytes.toFixed(2)} MB a request, ` +
      `${settings.connections} connections, median of ${ROUNDS} rounds`,
  );
  console.log(
    "level      acknowledged rows/s (spread)   to Parquet rows/s   MB/s  p50 ms  p99 ms  refused" +
      "  CPU s/M rows (load)  vs first: rate, CPU",
  );
  const firstFigures = results.get(`${workload.name}/${LEVELS[0]}`) ?? [];
  for (const level of LEVELS) {
    const figures = results.get(`${workload.name}/${level}`) ?? [];
    const of = (key: keyof Figures): number => median(figures.map((one) => one[key]));
    const toFirst = (key: keyof Figures): string => {
      const percent = (of(key) / median(firstFigures.map((one) => one[key]))) * 100;
      return `${percent.toFixed(0)} %`;
    };
    const rates = figures.map((one) => one.acknowledgedPerSecond);
    const spread = `${thousands(Math.min(...rates))} to ${thousands(Math.max(...rates))}`;
    console.log(
      [
        level.padEnd(10),
        `${thousands(of("acknowledgedPerSecond"))} (${spread})`.padEnd(30),
        thousands(of("flushedPerSecond")).padStart(17),
        of("megabytesPerSecond").toFixed(0).padStart(6),
        of("p50Ms").toFixed(1).padStart(7),
        of("p99Ms").toFixed(1).padStart(7),
        String(figures.reduce((sum, one) => sum + one.refused, 0)).padStart(8),
        `${of("serverCpu").toFixed(2)} (${of("loadCpu").toFixed(2)})`.padStart(20),
        `${toFirst("flushedPerSecond")}, ${toFirst("serverCpu")}`.padStart(24),
      ].join(" "),
    );
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

function thousands(value: number): string {
  return `${(value / 1_000).toFixed(0)}k`;
}
