/**
 * How long a server needs to be ready again after kill -9, by megabyte of log that only the log holds.
 *
 *     npm run bench -- recovery [--quick] [--rounds N] [--megabytes 100] [--workers 1,2] [--directory DIR]
 *
 * Floors of the same run: a start with an empty log (Node, modules, DuckDB) and its recovery of nothing; plain
 * reads of the same log files; and the same with the checksum of what was read.
 * "recovery" is the longest of the shards' own times, as `/api/wal/recovery` has it; "to ready" is from the start of the
 * process to the banner. The aim is 500 ms of recovery for 100 MB: what the log adds to an empty recovery is taken to grow
 * with its size, the rest not. The rows are counted by SQL afterwards.
 */
import { crc32 } from "node:zlib";
import { readdir, mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BENCH_TOKEN, BenchServer, median } from "./bench-server.ts";
import { generateLoad } from "./load-generator.ts";
import {
  BENCH_DATABASE,
  lineProtocolWorkload,
  messagePackWorkload,
  type Workload,
} from "./request-bytes.ts";

const { values: settings } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string", default: "5" },
    megabytes: { type: "string", default: "100" },
    workers: { type: "string", default: "1,2" },
    directory: { type: "string", default: tmpdir() },
  },
});

const ROUNDS = settings.quick ? 1 : Number(settings.rounds);
const MEGABYTES = settings.quick ? 20 : Number(settings.megabytes);
const CONNECTIONS = 8;
const MEGABYTE = 1e6;
const READ_CHUNK_BYTES = 1_048_576;
/** Nothing leaves memory, so that everything has to be replayed. */
const FLAGS = [
  "--durability=async",
  "--flush-age-ms=3600000",
  "--flush-rows=4000000",
  `--max-memory-bytes=${4 * 1_024 ** 3}`,
];

interface Figures {
  readonly megabytes: number;
  readonly rows: number;
  readonly recoveryMs: number;
  readonly readyMs: number;
  readonly emptyRecoveryMs: number;
  readonly emptyStartMs: number;
  readonly plainReadMs: number;
  readonly checkedReadMs: number;
}

for (const workload of [
  lineProtocolWorkload(5_000, BENCH_TOKEN),
  messagePackWorkload(10_000, BENCH_TOKEN),
]) {
  console.log(`\n${workload.name}: ${MEGABYTES} MB of log, median of ${ROUNDS} rounds`);
  console.log(
    "workers   log MB    rows   recovery ms  ms/100 MB   to ready ms | floors: empty recovery ms  empty start ms  plain reads ms  with checksum ms",
  );
  for (const workers of settings.workers.split(",").map(Number)) {
    const rounds: Figures[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(workload, workers));
    print(workers, rounds);
  }
}

async function measure(workload: Workload, workers: number): Promise<Figures> {
  const directory = await mkdtemp(join(settings.directory, "walnut-recovery-bench-"));
  const flags = [...FLAGS, `--workers=${workers}`];
  try {
    const startEmpty = (): Promise<BenchServer> =>
      BenchServer.start({ directory: join(directory, "empty"), flags });
    // The first start makes files; what is compared with finds them.
    await (await startEmpty()).stop("SIGKILL");
    const emptyStart = await timed(startEmpty);
    const emptyRecoveryMs = await recoveryMs(emptyStart.result, workers);
    await emptyStart.result.stop("SIGKILL");
    const data = join(directory, "data");
    const filled = await BenchServer.start({ directory: data, flags });
    let rows = 0;
    while ((await filled.metric("walnut_wal_written_bytes_total")) < MEGABYTES * MEGABYTE) {
      const requests = CONNECTIONS;
      await generateLoad({ port: filled.port, workload, connections: CONNECTIONS, requests });
      rows += requests * workload.rowsPerRequest;
    }
    await filled.stop("SIGKILL");
    const { bytes, ms: plainReadMs } = await readSegments(join(data, "wal"), () => undefined);
    const checked = await readSegments(join(data, "wal"), (chunk) => void crc32(chunk));
    const start = await timed(() => BenchServer.start({ directory: data, flags }));
    const server = start.result;
    try {
      const table = `${BENCH_DATABASE}.${workload.measurement}`;
      const [[found] = []] = await server.query(`SELECT count(*) FROM ${table}`);
      if (found !== rows) throw new Error(`expected ${rows} rows, found ${String(found)}`);
      return {
        megabytes: bytes / MEGABYTE,
        rows,
        recoveryMs: await recoveryMs(server, workers),
        emptyRecoveryMs,
        readyMs: start.ms,
        emptyStartMs: emptyStart.ms,
        plainReadMs,
        checkedReadMs: checked.ms,
      };
    } finally {
      await server.stop("SIGKILL");
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The longest of the shards' times in the last start. */
async function recoveryMs(server: BenchServer, workers: number): Promise<number> {
  const { history } = (await server.ask("GET", "/api/wal/recovery")) as {
    history: { duration_ms: number }[];
  };
  return Math.max(...history.slice(0, workers).map((entry) => entry.duration_ms));
}

async function timed<Result>(
  run: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly ms: number }> {
  const startedMs = performance.now();
  const result = await run();
  return { result, ms: performance.now() - startedMs };
}

/** Every segment, one chunk after the other: what reading the log costs at least. */
async function readSegments(
  directory: string,
  look: (chunk: Uint8Array) => void,
): Promise<{ readonly bytes: number; readonly ms: number }> {
  const names = await readdir(directory, { recursive: true });
  const paths = names.filter((name) => /\d+\.wal$/.test(name)).map((name) => join(directory, name));
  const chunk = new Uint8Array(READ_CHUNK_BYTES);
  let bytes = 0;
  const startedMs = performance.now();
  for (const path of paths) {
    bytes += (await stat(path)).size;
    const file = await open(path, "r");
    try {
      for (;;) {
        const { bytesRead } = await file.read(chunk);
        if (bytesRead === 0) break;
        look(chunk.subarray(0, bytesRead));
      }
    } finally {
      await file.close();
    }
  }
  return { bytes, ms: performance.now() - startedMs };
}

function print(workers: number, rounds: readonly Figures[]): void {
  const of = (key: keyof Figures): number => median(rounds.map((one) => one[key]));
  const emptyMs = of("emptyRecoveryMs");
  const addedMs = Math.max(0, of("recoveryMs") - emptyMs);
  const perHundred = emptyMs + (addedMs / of("megabytes")) * 100;
  console.log(
    [
      String(workers).padEnd(7),
      of("megabytes").toFixed(0).padStart(8),
      `${(of("rows") / 1_000).toFixed(0)}k`.padStart(7),
      of("recoveryMs").toFixed(0).padStart(13),
      perHundred.toFixed(0).padStart(10),
      of("readyMs").toFixed(0).padStart(13),
      of("emptyRecoveryMs").toFixed(0).padStart(27),
      of("emptyStartMs").toFixed(0).padStart(15),
      of("plainReadMs").toFixed(0).padStart(15),
      of("checkedReadMs").toFixed(0).padStart(17),
    ].join(" "),
  );
}
