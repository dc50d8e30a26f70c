/**
 * How many rows a second the server acknowledges: line protocol and columnar MessagePack, with the log off,
 * at async and at fdatasync.
 *
 *     npm run bench -- server [--quick] [--seconds N] [--rounds N] [--connections N] [--directory DIR]
 *
 * The server is the built command in its own process, this process is the load. Every round starts a new
 * server on an empty directory and ends with a count by SQL, which must equal the acknowledged rows. Rounds
 * of all levels are interleaved, because the machine is noisy; each line is the median of its rounds.
 *
 * Flushes to Parquet run beside the writes and share the CPU with them. A fast level puts more of them off
 * than a slow one, so compare the column "flushed" before the rates; `--flags "--flush-rows 4000000
 * --flush-age-ms 3600000 --max-memory-bytes 8000000000"` (as `--flags=…`) leaves flushes out of the picture.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
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
  },
});

const TOKEN = "bench-token";
const CLI = fileURLToPath(new URL("../../cli/dist/launch.cjs", import.meta.url));
const LEVELS = settings.levels.split(",");
const ROUNDS = settings.quick ? 1 : Number(settings.rounds);
const MEASURED_MS = settings.quick ? 1_000 : Number(settings.seconds) * 1_000;
const WARM_UP_MS = settings.quick ? 500 : 1_500;
const WORKLOADS = [lineProtocolWorkload(5_000, TOKEN), messagePackWorkload(10_000, TOKEN)].filter(
  (workload) => workload.name.toLowerCase().includes(settings.only.toLowerCase()),
);

interface Figures {
  readonly rowsPerSecond: number;
  readonly megabytesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly refused: number;
  /** CPU time of the server, flushes to Parquet included: steadier than rates on a busy machine. */
  readonly cpuUsPerRow: number;
  /** Share of the rows that were in Parquet already when the load ended: the rest is work put off. */
  readonly flushedShare: number;
}

const results = new Map<string, Figures[]>();
for (let round = 0; round < ROUNDS; round++) {
  for (const workload of WORKLOADS) {
    // Each round begins with another level, so that none always follows the same one.
    for (let index = 0; index < LEVELS.length; index++) {
      const level = LEVELS[(index + round) % LEVELS.length] ?? "off";
      const key = `${workload.name}/${level}`;
      const figures = await measure(workload, level);
      results.set(key, [...(results.get(key) ?? []), figures]);
    }
  }
}
for (const workload of WORKLOADS) printWorkload(workload);

async function measure(workload: Workload, level: string): Promise<Figures> {
  const directory = await mkdtemp(join(settings.directory, "walnut-bench-"));
  const server = await startServer(directory, level);
  try {
    const connections = Number(settings.connections);
    const target = { port: server.port, workload, connections };
    // The compiler's work at the start is no cost of a row.
    const warmUp = await generateLoad({ ...target, durationMs: WARM_UP_MS });
    const cpuBeforeSeconds = await cpuSeconds(server.port);
    const load = await generateLoad({ ...target, durationMs: MEASURED_MS });
    const usedCpuSeconds = (await cpuSeconds(server.port)) - cpuBeforeSeconds;
    const flushedRows = await metric(server.port, "walnut_flushed_rows_total");
    const acknowledged = warmUp.acknowledged + load.acknowledged;
    await verifyCount(server.port, workload, acknowledged);
    const flushedShare = flushedRows / (acknowledged * workload.rowsPerRequest);
    return figuresOf(workload, load, { usedCpuSeconds, flushedShare });
  } finally {
    server.child.kill("SIGKILL");
    await new Promise((resolve) => server.child.once("close", resolve));
    await rm(directory, { recursive: true, force: true });
  }
}

function figuresOf(
  workload: Workload,
  load: LoadResult,
  server: { readonly usedCpuSeconds: number; readonly flushedShare: number },
): Figures {
  const acknowledgedRows = load.acknowledged * workload.rowsPerRequest;
  const sorted = load.latenciesMs.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return {
    rowsPerSecond: (load.requests * workload.rowsPerRequest) / load.seconds,
    megabytesPerSecond: load.bytes / load.seconds / 1e6,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    refused: load.refused,
    cpuUsPerRow: (server.usedCpuSeconds * 1e6) / acknowledgedRows,
    flushedShare: server.flushedShare,
  };
}

async function startServer(
  directory: string,
  level: string,
): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const flags = settings.flags === "" ? [] : settings.flags.split(" ");
  const words = ["serve", "--port", "0", "--data-dir", join(directory, "data"), ...flags];
  const child = spawn(process.execPath, [CLI, ...words, "--durability", level], {
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
async function verifyCount(port: number, workload: Workload, requests: number): Promise<void> {
  const sql = `SELECT count(*) FROM ${BENCH_DATABASE}.${workload.measurement}`;
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/query`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify({ sql }),
  });
  const answer = (await response.json()) as { data?: [[number]]; error?: string };
  const expected = requests * workload.rowsPerRequest;
  if (answer.data?.[0][0] !== expected) {
    throw new Error(`expected ${expected} rows, found ${JSON.stringify(answer)}`);
  }
}

function cpuSeconds(port: number): Promise<number> {
  return metric(port, "walnut_cpu_seconds_total");
}

async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

function printWorkload(workload: Workload): void {
  const megabytes = (workload.requests[0]?.byteLength ?? 0) / 1e6;
  console.log(
    `\n${workload.name}: ${workload.rowsPerRequest} rows and ${megabytes.toFixed(2)} MB a request, ` +
      `${settings.connections} connections, median of ${ROUNDS} rounds of ${MEASURED_MS / 1_000} s`,
  );
  console.log(
    "level       rows/s (spread)                 MB/s   p50 ms   p99 ms   refused  CPU us/row  flushed   to off",
  );
  const off = median((results.get(`${workload.name}/off`) ?? []).map((one) => one.rowsPerSecond));
  for (const level of LEVELS) {
    const figures = results.get(`${workload.name}/${level}`) ?? [];
    const rates = figures.map((one) => one.rowsPerSecond);
    const rate = median(rates);
    const spread = `${thousands(Math.min(...rates))} to ${thousands(Math.max(...rates))}`;
    console.log(
      [
        level.padEnd(10),
        `${thousands(rate)} (${spread})`.padEnd(30),
        median(figures.map((one) => one.megabytesPerSecond))
          .toFixed(0)
          .padStart(5),
        median(figures.map((one) => one.p50Ms))
          .toFixed(1)
          .padStart(8),
        median(figures.map((one) => one.p99Ms))
          .toFixed(1)
          .padStart(8),
        String(figures.reduce((sum, one) => sum + one.refused, 0)).padStart(9),
        median(figures.map((one) => one.cpuUsPerRow))
          .toFixed(2)
          .padStart(11),
        `${(median(figures.map((one) => one.flushedShare)) * 100).toFixed(0).padStart(6)} %`,
        off > 0 ? `${((rate / off) * 100).toFixed(1).padStart(6)} %` : "",
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
