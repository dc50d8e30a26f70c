/**
 * How many rows a second the server acknowledges: line protocol and columnar MessagePack, with the log off,
 * at async and at fdatasync.
 *
 *     npm run bench -- server.bench [--quick] [--rounds N] [--seconds N] [--connections N] [--directory DIR]
 *         [--only line] [--levels off,fdatasync] [--workers 1,2] [--flags="--flush-rows 1"] [--profile] [--against CHECKOUT]
 *
 * The server is the built command in its own process, this process is the load. Every level does the same
 * work: the same requests, and the clock of "to Parquet" stops when the last row is in a file and in the
 * catalog. The rate of acknowledgements alone would flatter a level that puts its flushes off. Every round
 * starts a new server on an empty directory and ends with a count by SQL. Rounds of all levels are
 * interleaved, because the machine is noisy; each line is the median of its rounds, and CPU seconds are the
 * steadiest column.
 *
 * More workers than one are measured at the last of the levels. The floor, in the same run: plain writes of the same
 * bodies into one file, as many to a sync as there are connections.
 *
 * "--against" runs the built server of another checkout in turn with this one, and prints the ratio of each pair: what a
 * noisy machine does to both cancels out.
 *
 * "--profile" prints where the main thread's time went in one more round of each line, which is slower.
 */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BENCH_TOKEN, BenchServer, median } from "./bench-server.ts";
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
    workers: { type: "string", default: "1,2" },
    only: { type: "string", default: "" },
    flags: { type: "string", default: "" },
    profile: { type: "boolean", default: false },
    against: { type: "string", default: "" },
  },
});

const LEVELS = settings.levels.split(",");
const ROUNDS = settings.quick ? 1 : Number(settings.rounds);
const SECONDS = settings.quick ? 1 : Number(settings.seconds);
/** The server's `flushRows`: multiples of it leave no row waiting for the age of its memtable. */
const FLUSH_ROWS = 50_000;
const WARM_UP_ROWS = 10 * FLUSH_ROWS;
const FLOOR_SECONDS = 0.5;
const PROFILE_LINES = 15;
/** Rows a second are the aims: a round of the right size takes about as long as was asked for. */
const CASES = [
  { workload: lineProtocolWorkload(5_000, BENCH_TOKEN), aimRowsPerSecond: 400_000 },
  { workload: messagePackWorkload(10_000, BENCH_TOKEN), aimRowsPerSecond: 2_000_000 },
].filter(({ workload }) => workload.name.toLowerCase().includes(settings.only.toLowerCase()));

/** One line of the table: how the server is run. */
interface Variant {
  readonly name: string;
  readonly level: string;
  readonly workers: number;
  /** Launcher of another checkout. */
  readonly launcher?: string;
}

const OTHER_LAUNCHER = join(settings.against, "packages/cli/dist/launch.cjs");
/** Behind the name of a variant: the same of the other checkout. */
const OTHER = " other";

const OWN_VARIANTS: readonly Variant[] = [
  ...LEVELS.map((level) => ({ name: level, level, workers: 1 })),
  ...settings.workers
    .split(",")
    .map(Number)
    .filter((workers) => workers > 1)
    .map((workers) => {
      const level = LEVELS.at(-1) ?? "fdatasync";
      return { name: `${level} x${workers}`, level, workers };
    }),
];
const VARIANTS: readonly Variant[] =
  settings.against === ""
    ? OWN_VARIANTS
    : OWN_VARIANTS.flatMap((own) => [
        own,
        { ...own, name: `${own.name}${OTHER}`, launcher: OTHER_LAUNCHER },
      ]);

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
const floors = new Map<string, number[]>();
for (let round = 0; round < ROUNDS; round++) {
  for (const { workload, aimRowsPerSecond } of CASES) {
    const bytesPerSecond = await measureFloor(workload);
    floors.set(workload.name, [...(floors.get(workload.name) ?? []), bytesPerSecond]);
    // Each round begins with another variant, so that none always follows the same one.
    for (let index = 0; index < VARIANTS.length; index++) {
      const variant = VARIANTS[(index + round) % VARIANTS.length];
      if (variant === undefined) continue;
      const key = `${workload.name}/${variant.name}`;
      const figures = await measure(workload, variant, aimRowsPerSecond * SECONDS);
      results.set(key, [...(results.get(key) ?? []), figures]);
    }
  }
}
for (const { workload } of CASES) {
  printWorkload(workload);
  if (settings.against !== "") printRatios(workload);
}
if (settings.profile) {
  for (const { workload, aimRowsPerSecond } of CASES) {
    for (const variant of VARIANTS.filter(
      ({ workers, launcher }) => workers === 1 && launcher === undefined,
    )) {
      await printProfile(workload, variant, aimRowsPerSecond * SECONDS);
    }
  }
}

async function measure(
  workload: Workload,
  { level, workers, launcher }: Variant,
  aimRows: number,
  profileDirectory?: string,
): Promise<Figures> {
  const directory = await mkdtemp(join(settings.directory, "walnut-bench-"));
  const server = await BenchServer.start({
    directory: join(directory, "data"),
    flags: [
      `--durability=${level}`,
      ...(workers === 1 ? [] : [`--workers=${workers}`]),
      ...(settings.flags === "" ? [] : settings.flags.split(" ")),
    ],
    launcher,
    nodeFlags:
      profileDirectory === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDirectory}`],
  });
  const { port } = server;
  const rows = Math.ceil(aimRows / FLUSH_ROWS) * FLUSH_ROWS;
  const load = (count: number): Promise<LoadResult> => {
    const requests = count / workload.rowsPerRequest;
    return generateLoad({ port, workload, connections: Number(settings.connections), requests });
  };
  try {
    // The compiler's work at the start is no cost of a row.
    await load(WARM_UP_ROWS);
    await flushRest(server, workers);
    await server.untilFlushed(WARM_UP_ROWS);
    const serverCpuBefore = await server.metric("walnut_cpu_seconds_total");
    const loadCpuBefore = process.cpuUsage();
    const startedMs = performance.now();
    const result = await load(rows);
    const loadCpu = process.cpuUsage(loadCpuBefore);
    await flushRest(server, workers);
    await server.untilFlushed(WARM_UP_ROWS + rows);
    const flushedSeconds = (performance.now() - startedMs) / 1_000;
    const serverCpu = (await server.metric("walnut_cpu_seconds_total")) - serverCpuBefore;
    await verifyCount(server, workload, WARM_UP_ROWS + rows);
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
    await server.stop(profileDirectory === undefined ? "SIGKILL" : "SIGTERM");
    await rm(directory, { recursive: true, force: true });
  }
}

/** Several workers share the rows out as connections come: what is left of them would wait for its age. */
async function flushRest(server: BenchServer, workers: number): Promise<void> {
  if (workers > 1) await server.ask("POST", "/api/wal/flush");
}

/** Bytes a second of the same bodies, written to one file and synced after each round of connections. */
async function measureFloor(workload: Workload): Promise<number> {
  const directory = await mkdtemp(join(settings.directory, "walnut-floor-"));
  const file = await open(join(directory, "floor"), "w");
  try {
    const [body = new Uint8Array()] = workload.requests;
    const bodies = Array.from({ length: Number(settings.connections) }, () => body);
    const startedMs = performance.now();
    let bytes = 0;
    while (performance.now() - startedMs < FLOOR_SECONDS * 1_000) {
      bytes += (await file.writev(bodies)).bytesWritten;
      await file.datasync();
    }
    return (bytes / (performance.now() - startedMs)) * 1_000;
  } finally {
    await file.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function printProfile(workload: Workload, variant: Variant, aimRows: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-profile-"));
  try {
    await measure(workload, variant, aimRows, directory);
    console.log(`\n${workload.name}, ${variant.name}: where the main thread's time went`);
    for (const { place, share } of await hottestFunctions(directory, PROFILE_LINES)) {
      console.log(`${(share * 100).toFixed(1).padStart(6)} %  ${place}`);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Everything acknowledged must be there, and nothing else. */
async function verifyCount(
  server: BenchServer,
  workload: Workload,
  expected: number,
): Promise<void> {
  const sql = `SELECT count(*) FROM ${BENCH_DATABASE}.${workload.measurement}`;
  const [[found] = []] = await server.query(sql);
  if (found !== expected) throw new Error(`expected ${expected} rows, found ${String(found)}`);
}

function printWorkload(workload: Workload): void {
  const megabytes = (workload.requests[0]?.byteLength ?? 0) / 1e6;
  console.log(
    `\n${workload.name}: ${workload.rowsPerRequest} rows and ${megabytes.toFixed(2)} MB a request, ` +
      `${settings.connections} connections, median of ${ROUNDS} rounds`,
  );
  console.log(
    "level        acknowledged rows/s (spread)   to Parquet rows/s   MB/s  p50 ms  p99 ms  refused" +
      "  CPU s/M rows (load)  vs first: rate, CPU",
  );
  const bytesPerRequest = workload.requests[0]?.byteLength ?? 0;
  const floor = median(floors.get(workload.name) ?? []);
  const floorRows = (floor / bytesPerRequest) * workload.rowsPerRequest;
  console.log(
    `floor      ${thousands(floorRows)} as plain writes and syncs, ${(floor / 1e6).toFixed(0)} MB/s`,
  );
  const firstFigures = results.get(`${workload.name}/${VARIANTS[0]?.name}`) ?? [];
  for (const { name } of VARIANTS) {
    const figures = results.get(`${workload.name}/${name}`) ?? [];
    const of = (key: keyof Figures): number => median(figures.map((one) => one[key]));
    const toFirst = (key: keyof Figures): string => {
      const percent = (of(key) / median(firstFigures.map((one) => one[key]))) * 100;
      return `${percent.toFixed(0)} %`;
    };
    const rates = figures.map((one) => one.acknowledgedPerSecond);
    const spread = `${thousands(Math.min(...rates))} to ${thousands(Math.max(...rates))}`;
    console.log(
      [
        name.padEnd(12),
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

/** This checkout to the other one, pair by pair. */
function printRatios(workload: Workload): void {
  console.log(`this checkout to ${settings.against}: median of the pairs (least to most)`);
  for (const { name } of OWN_VARIANTS) {
    const others = results.get(`${workload.name}/${name}${OTHER}`) ?? [];
    const ratio = (of: keyof Figures): string => {
      const own = results.get(`${workload.name}/${name}`) ?? [];
      const ratios = own.map((one, index) => one[of] / (others[index]?.[of] ?? NaN));
      const [least, middle, most] = [Math.min(...ratios), median(ratios), Math.max(...ratios)];
      return `${middle.toFixed(3)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
    };
    console.log(
      `${name.padEnd(13)} acknowledged ${ratio("acknowledgedPerSecond")}, to Parquet ${ratio("flushedPerSecond")}, ` +
        `CPU ${ratio("serverCpu")}, p50 ${ratio("p50Ms")}`,
    );
  }
}

function thousands(value: number): string {
  return `${(value / 1_000).toFixed(0)}k`;
}
