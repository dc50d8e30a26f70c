/**
 * How fast appends become durable, beside the floors of the same run.
 *
 *     npm run bench -- append [--seconds N] [--rounds N] [--directory DIR]
 *
 * Each line is the median of the rounds; rounds of all lines are interleaved, because the machine is noisy.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { openWal, type Wal, type WalOptions } from "@walnut/wal";
import { measureFloors, SMALL_BYTES, type Floors } from "./floor.ts";
import { formatCount, formatRate, formatTable, median, percentile } from "./table.ts";

const { values: args } = parseArgs({
  options: {
    seconds: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
    directory: { type: "string", default: os.tmpdir() },
    only: { type: "string" },
  },
});
const seconds = Number(args.seconds);
const rounds = Number(args.rounds);

interface Sample {
  readonly recordsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly recordsPerSync: number;
}

interface Case {
  readonly name: string;
  readonly options?: Partial<WalOptions>;
  readonly payloadBytes: number;
  readonly writers: number;
  /** Records per call; 1 is `append`, more is `appendBatch`. */
  readonly batch: number;
  readonly aim: string;
  ratio(sample: Sample, floors: Floors): string;
}

const latencyRatio: Case["ratio"] = (sample, floors) =>
  `${(sample.p50Us / floors.asyncUs.p50).toFixed(2)}x latency (${(sample.p50Us / floors.blockingUs.p50).toFixed(2)}x blocking)`;
/** Records per second over the syncs per second that one blocking writer could do. */
const groupRatio: Case["ratio"] = (sample, floors) =>
  `${((sample.recordsPerSecond * floors.asyncUs.p50) / 1e6).toFixed(1)} records per floor sync`;
const bandwidthRatio: Case["ratio"] = (sample, floors) =>
  `${((sample.bytesPerSecond / floors.sequentialBytesPerSecond) * 100).toFixed(0)} % of sequential`;

const CASES: readonly Case[] = [
  {
    name: "append/256B/1 writer/fdatasync",
    payloadBytes: 256,
    writers: 1,
    batch: 1,
    aim: "<= 1.3x latency",
    ratio: latencyRatio,
  },
  {
    name: "append/256B/64 writers/fdatasync",
    payloadBytes: 256,
    writers: 64,
    batch: 1,
    aim: ">= 150,000/s",
    ratio: groupRatio,
  },
  {
    name: "append/256B/1024 writers/fdatasync",
    payloadBytes: 256,
    writers: 1024,
    batch: 1,
    aim: ">= 1,000,000/s p99 < 10 ms",
    ratio: groupRatio,
  },
  {
    name: "append/256B/4096 writers/fdatasync",
    payloadBytes: 256,
    writers: 4096,
    batch: 1,
    aim: ">= 1,000,000/s p99 < 10 ms",
    ratio: groupRatio,
  },
  {
    name: "batch/1000x100B/8 writers/fdatasync",
    payloadBytes: 100,
    writers: 8,
    batch: 1000,
    aim: ">= 2,000,000/s",
    ratio: bandwidthRatio,
  },
  {
    name: "append/100B/4096 writers/async",
    options: { durability: "async" },
    payloadBytes: 100,
    writers: 4096,
    batch: 1,
    aim: ">= 4,000,000/s",
    ratio: bandwidthRatio,
  },
  {
    name: "append/64KiB/64 writers/fdatasync",
    options: { bufferSizeBytes: 8 * 1024 * 1024 },
    payloadBytes: 64 * 1024,
    writers: 64,
    batch: 1,
    aim: ">= 90 % of the floor",
    ratio: bandwidthRatio,
  },
];

async function run(benchCase: Case, directory: string): Promise<Sample> {
  const log = path.join(directory, "log");
  fs.rmSync(log, { recursive: true, force: true });
  const wal = await openWal({ directory: log, ...benchCase.options });
  // The cursor lets segments go, as a running system does; the disk would fill up otherwise.
  const cursor = wal.cursor("bench");
  const release = setInterval(() => void cursor.ack(wal.positions.durableLsn), 200);
  const payload = Buffer.alloc(benchCase.payloadBytes, "walnut ");
  const payloads = Array.from({ length: benchCase.batch }, () => payload);
  const latencies: number[] = [];
  let records = 0;
  let isWarm = false;
  let isOver = false;
  const writer = async (index: number): Promise<void> => {
    for (let call = index; !isOver; call++) {
      const isTimed = benchCase.writers < 64 || call % 64 === 0;
      const startMs = isTimed ? performance.now() : 0;
      await (benchCase.batch === 1 ? wal.append(payload) : wal.appendBatch(payloads));
      if (!isWarm) continue;
      records += benchCase.batch;
      if (isTimed) latencies.push((performance.now() - startMs) * 1000);
    }
  };
  const writers = Array.from({ length: benchCase.writers }, (_, index) => writer(index));
  await sleep(Math.min(500, seconds * 500));
  const syncsBefore = wal.status().totals.syncs;
  isWarm = true;
  const startMs = performance.now();
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - startMs) / 1000;
  const counted = records;
  const syncs = wal.status().totals.syncs - syncsBefore;
  isOver = true;
  await Promise.all(writers);
  clearInterval(release);
  await closeAndRemove(wal, log);
  return {
    recordsPerSecond: counted / elapsed,
    bytesPerSecond: (counted * benchCase.payloadBytes) / elapsed,
    p50Us: percentile(latencies, 50),
    p99Us: percentile(latencies, 99),
    recordsPerSync: syncs === 0 ? 0 : counted / syncs,
  };
}

async function closeAndRemove(wal: Wal, log: string): Promise<void> {
  await wal.close();
  fs.rmSync(log, { recursive: true, force: true });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function main(): Promise<void> {
  const directory = fs.mkdtempSync(path.join(args.directory, "walnut-bench-"));
  const cases = CASES.filter(({ name }) => args.only === undefined || name.includes(args.only));
  const samples = new Map<Case, Sample[]>(cases.map((benchCase) => [benchCase, []]));
  const floors: Floors[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      floors.push(await measureFloors(directory, seconds / 2));
      for (const benchCase of cases) samples.get(benchCase)?.push(await run(benchCase, directory));
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
  print(cases, samples, mediansOf(floors));
}

function mediansOf(floors: readonly Floors[]): Floors {
  const pick = (get: (floor: Floors) => number): number => median(floors.map(get));
  return {
    asyncUs: { p50: pick((f) => f.asyncUs.p50), p99: pick((f) => f.asyncUs.p99) },
    blockingUs: { p50: pick((f) => f.blockingUs.p50), p99: pick((f) => f.blockingUs.p99) },
    sequentialBytesPerSecond: pick((f) => f.sequentialBytesPerSecond),
    synced64KiBBytesPerSecond: pick((f) => f.synced64KiBBytesPerSecond),
  };
}

function print(
  cases: readonly Case[],
  samples: ReadonlyMap<Case, readonly Sample[]>,
  floors: Floors,
): void {
  console.log(
    `floors: write + fdatasync of ${SMALL_BYTES} B, zero-filled file: p50 ${floors.asyncUs.p50.toFixed(0)} us, p99 ${floors.asyncUs.p99.toFixed(0)} us (blocking calls: ${floors.blockingUs.p50.toFixed(0)} us);` +
      ` sequential write ${formatRate(floors.sequentialBytesPerSecond)}; 64 KiB write + fdatasync ${formatRate(floors.synced64KiBBytesPerSecond)}\n`,
  );
  const rows = [
    ["case", "records/s", "MB/s", "p50 us", "p99 us", "records/sync", "against the floor", "aim"],
  ];
  for (const benchCase of cases) {
    const all = samples.get(benchCase) ?? [];
    const pick = (get: (sample: Sample) => number): number => median(all.map(get));
    const sample: Sample = {
      recordsPerSecond: pick((s) => s.recordsPerSecond),
      bytesPerSecond: pick((s) => s.bytesPerSecond),
      p50Us: pick((s) => s.p50Us),
      p99Us: pick((s) => s.p99Us),
      recordsPerSync: pick((s) => s.recordsPerSync),
    };
    rows.push([
      benchCase.name,
      formatCount(sample.recordsPerSecond),
      formatCount(sample.bytesPerSecond / 1e6),
      formatCount(sample.p50Us),
      formatCount(sample.p99Us),
      formatCount(sample.recordsPerSync),
      benchCase.ratio(sample, floors),
      benchCase.aim,
    ]);
  }
  console.log(formatTable(rows));
}

await main();
