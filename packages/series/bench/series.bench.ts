/**
 * How fast points are acknowledged, what they cost on disk, and how fast they come back, beside the disk's floors of the same run.
 *
 *     npm run bench -- series [--seconds N] [--rounds N] [--points N] [--directory DIR]
 *
 * Values of 531 bytes, which do not compress, are those of BanyanDB's benchmark; that one counts points handed over, this one points
 * acknowledged. `--points` is the number of points of each of 100 sensors of one device: the load with which IoTDB measured its log,
 * 1,000,000 of each by default, 0 to leave it out. It runs once; all other figures are medians of the rounds.
 */
import { randomFillSync } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import {
  openSeriesLog,
  type Memtable,
  type SeriesEntry,
  type SeriesLog,
  type SeriesLogOptions,
} from "@walnut/series";
import { rowsOf, SENSORS } from "./device-rows.ts";
import { measureFloors, type Floors } from "./disk-floor.ts";
import { count, median, percentile, rate, table } from "./figures.ts";
import { measureSlowDisk } from "./slow-disk.ts";

const { values: args } = parseArgs({
  options: {
    seconds: { type: "string", default: "1" },
    rounds: { type: "string", default: "3" },
    points: { type: "string", default: "1000000" },
    directory: { type: "string", default: os.tmpdir() },
  },
});
const seconds = Number(args.seconds);
const rounds = Number(args.rounds);

/** Points of each sensor with which layouts and compression are compared. */
const POINTS_PER_SENSOR = 10_000;

const VALUE_BYTES = 531;
const ROWS_AT_ONCE = 16;
/** Values in a memtable before it is swapped and its part of the log released. */
const MEMTABLE_BYTES = 32 * 1024 * 1024;

const LEVELS: readonly { readonly name: string; readonly options: SeriesLogOptions }[] = [
  { name: "fdatasync", options: { durability: "fdatasync" } },
  { name: "interval", options: { durability: "interval" } },
  { name: "async", options: { durability: "async" } },
  { name: "persistent off", options: { persistent: false } },
  { name: "wal off", options: { wal: false } },
];
const WRITERS = [1, 64, 1024] as const;
/** As on a rotating disk. */
const SLOW_SYNC_MS = 15;
const FORCE_PERIODS_MS = [10, 100] as const;

const VALUES = Array.from({ length: 1024 }, () => randomFillSync(new Uint8Array(VALUE_BYTES)));

interface AckSample {
  readonly pointsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly pointsPerSync: number;
}

/** Points acknowledged per second, swaps and releases included. */
async function acknowledged(
  options: SeriesLogOptions,
  writers: number,
  directory: string,
): Promise<AckSample> {
  const log = await openSeriesLog({ directory, ...options });
  const latencies: number[] = [];
  let points = 0;
  let sinceSwap = 0;
  let swapped: Promise<void> = Promise.resolve();
  let isWarm = false;
  let isOver = false;
  const writer = async (index: number): Promise<void> => {
    for (let call = index; !isOver; call++) {
      const value = VALUES[call % VALUES.length] ?? new Uint8Array(VALUE_BYTES);
      const isTimed = writers < 64 || call % 64 === 0;
      const startMs = isTimed ? performance.now() : 0;
      await log.write(BigInt(index % 100), BigInt(call), value);
      sinceSwap += VALUE_BYTES;
      if (sinceSwap >= MEMTABLE_BYTES) {
        sinceSwap = 0;
        swapped = swapped.then(() => swap(log));
      }
      // Nothing but promises would otherwise run for ever, and no timer.
      const isImmediate = options.wal === false || options.persistent === false;
      if (isImmediate && call % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (!isWarm) continue;
      points++;
      if (isTimed) latencies.push((performance.now() - startMs) * 1000);
    }
  };
  const all = Array.from({ length: writers }, (_, index) => writer(index));
  await sleep(Math.min(500, seconds * 500));
  isWarm = true;
  const syncsBefore = syncsOf(log);
  const startMs = performance.now();
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - startMs) / 1000;
  const counted = points;
  const syncs = syncsOf(log) - syncsBefore;
  isOver = true;
  await Promise.all([...all, swapped]);
  await log.close();
  return {
    pointsPerSecond: counted / elapsed,
    p50Us: percentile(latencies, 50),
    p99Us: percentile(latencies, 99),
    pointsPerSync: syncs === 0 ? 0 : counted / syncs,
  };
}

async function swap(log: SeriesLog): Promise<void> {
  for (const frozen of await log.rotate()) await frozen.release();
}

interface ForceSample {
  readonly bytesPerSecond: number;
  readonly syncsPerSecond: number;
  /** What was written, by the time that syncs have taken. */
  readonly bytesPerSyncSecond: number;
}

/** What goes to the device when it is forced every so often: batches of 128 values by 8 writers. */
async function forced(forceWalPeriodMs: number, directory: string): Promise<ForceSample> {
  const log = await openSeriesLog({
    directory,
    durability: "interval",
    forceWalPeriodMs,
    compression: "none",
    memtable: () => new CountingMemtable(),
  });
  let isOver = false;
  let sinceSwap = 0;
  let swapped: Promise<void> = Promise.resolve();
  const writer = async (seriesId: bigint): Promise<void> => {
    for (let call = 0n; !isOver; call++) {
      await log.writeBatch(
        VALUES.slice(0, 128).map((value) => ({ seriesId, timestamp: call, value })),
      );
      sinceSwap += 128 * VALUE_BYTES;
      if (sinceSwap < MEMTABLE_BYTES) continue;
      sinceSwap = 0;
      swapped = swapped.then(() => swap(log));
    }
  };
  const writers = Array.from({ length: 8 }, (_, index) => writer(BigInt(index)));
  await sleep(seconds * 500);
  const before = log.metrics();
  const startMs = performance.now();
  await sleep(seconds * 1000);
  const after = log.metrics();
  const elapsed = (performance.now() - startMs) / 1000;
  isOver = true;
  await Promise.all([...writers, swapped]);
  await log.close();
  if (before === undefined || after === undefined) throw new Error("a log has metrics");
  const bytes = after.writtenBytes - before.writtenBytes;
  return {
    bytesPerSecond: bytes / elapsed,
    syncsPerSecond: (after.syncs - before.syncs) / elapsed,
    bytesPerSyncSecond: (bytes * 1000) / Math.max(1, after.syncMs.sum - before.syncMs.sum),
  };
}

/** Keeps nothing: what is measured is the log, and memory stays where it is. */
class CountingMemtable implements Memtable {
  points = 0;

  apply(entries: readonly SeriesEntry[]): void {
    for (const { values } of entries) this.points += values.length;
  }
}

interface DeviceSample {
  readonly pointsPerSecond: number;
  readonly bytesPerPoint: number;
  readonly writtenBytesPerSecond: number;
  readonly replayPointsPerSecond: number;
  /** Time on the processor, of the caller's loop as well. */
  readonly cpuNsPerPoint: number;
}

/** One device with 100 sensors: rows of one timestamp each, values of 8 bytes that walk. Then the log is opened again. */
async function device(
  options: SeriesLogOptions,
  pointsPerSensor: number,
  directory: string,
): Promise<DeviceSample> {
  const memtable = (): Memtable => new CountingMemtable();
  const log = await openSeriesLog({
    directory,
    memtable,
    durability: "interval",
    forceWalPeriodMs: 10,
    ...options,
  });
  const rows = rowsOf(pointsPerSensor);
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  const writer = async (): Promise<void> => {
    for (const points of rows) await log.writeBatch(points);
  };
  await Promise.all(Array.from({ length: ROWS_AT_ONCE }, writer));
  await log.sync();
  const elapsed = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const { logBytes } = log.status();
  await log.close();
  const replayMs = performance.now();
  const again = await openSeriesLog({ directory, memtable });
  const replaySeconds = (performance.now() - replayMs) / 1000;
  const points = again.status().replayedPoints;
  await again.close();
  if (points !== pointsPerSensor * SENSORS) throw new Error(`${points} points came back`);
  return {
    pointsPerSecond: points / elapsed,
    bytesPerPoint: logBytes / points,
    writtenBytesPerSecond: logBytes / elapsed,
    replayPointsPerSecond: points / replaySeconds,
    cpuNsPerPoint: ((user + system) * 1000) / points,
  };
}

const DEVICES = [
  { layout: "v1", compression: "none" },
  { layout: "v1", compression: "snappy" },
  { layout: "v2", compression: "none" },
  { layout: "v2", compression: "snappy" },
] as const;

async function main(): Promise<void> {
  const root = fs.mkdtempSync(path.join(args.directory, "walnut-bench-"));
  try {
    const floors = await measureFloors(root, seconds);
    console.log(
      `floors: 1 MiB writes, a sync each 4 MiB: ${rate(floors.sequentialBytesPerSecond)}; ${VALUE_BYTES} B write + fdatasync: ` +
        `${count(floors.syncsPerSecond)}/s, ${(1000 / floors.syncsPerSecond).toFixed(2)} ms each\n`,
    );
    await printAcknowledged(root, floors);
    await printForced(root, floors);
    await printSlow(root);
    await printDevices(root, floors);
  } finally {
    fs.rmSync(root, { recursive: true, force: true });
  }
}

async function printAcknowledged(root: string, floors: Floors): Promise<void> {
  const rows = [
    [
      "531 B values",
      "writers",
      "points/s",
      "MB/s",
      "of sequential",
      "p50 us",
      "p99 us",
      "points/sync",
    ],
  ];
  for (const level of LEVELS) {
    for (const writers of WRITERS) {
      const samples = await repeated(root, (directory) =>
        acknowledged(level.options, writers, directory),
      );
      const pick = (get: (sample: AckSample) => number): number => median(samples.map(get));
      const bytes = pick((sample) => sample.pointsPerSecond) * VALUE_BYTES;
      rows.push([
        level.name,
        String(writers),
        count(pick((sample) => sample.pointsPerSecond)),
        count(bytes / 1e6),
        `${((100 * bytes) / floors.sequentialBytesPerSecond).toFixed(0)} %`,
        count(pick((sample) => sample.p50Us)),
        count(pick((sample) => sample.p99Us)),
        count(pick((sample) => sample.pointsPerSync)),
      ]);
    }
  }
  console.log(`${table(rows)}\n`);
}

async function printForced(root: string, floors: Floors): Promise<void> {
  const rows = [
    [
      "531 B values in batches, 8 writers",
      "MB/s",
      "of sequential",
      "syncs/s",
      "MB per second of syncing",
    ],
  ];
  for (const periodMs of FORCE_PERIODS_MS) {
    const samples = await repeated(root, (directory) => forced(periodMs, directory));
    const pick = (get: (sample: ForceSample) => number): number => median(samples.map(get));
    const bytes = pick((sample) => sample.bytesPerSecond);
    rows.push([
      `forced every ${periodMs} ms`,
      count(bytes / 1e6),
      `${((100 * bytes) / floors.sequentialBytesPerSecond).toFixed(0)} %`,
      count(pick((sample) => sample.syncsPerSecond)),
      count(pick((sample) => sample.bytesPerSyncSecond) / 1e6),
    ]);
  }
  console.log(`${table(rows)}\n`);
}

/** What a short period costs where a sync takes long: points that one writer gets in, each after the one before. */
async function printSlow(root: string): Promise<void> {
  const rows = [[`one writer, a sync takes ${SLOW_SYNC_MS} ms`, "points/s", "of the time syncing"]];
  for (const periodMs of [10, 20, 50, 100, 150, 200]) {
    const samples = await repeated(root, (directory) =>
      measureSlowDisk({ syncMs: SLOW_SYNC_MS, forceWalPeriodMs: periodMs, seconds, directory }),
    );
    const syncsPerSecond = median(samples.map((sample) => sample.syncsPerSecond));
    rows.push([
      `forced every ${periodMs} ms`,
      count(median(samples.map((sample) => sample.pointsPerSecond))),
      `${count((syncsPerSecond * SLOW_SYNC_MS) / 10)} %`,
    ]);
  }
  console.log(`${table(rows)}\n`);
}

async function printDevices(root: string, floors: Floors): Promise<void> {
  const name = `1 device x ${SENSORS} sensors, 8 B values, forced every 10 ms`;
  const rows = [
    [
      name,
      "points each",
      "points/s",
      "CPU ns/point",
      "bytes/point",
      "written MB/s",
      "of sequential",
      "replay points/s",
    ],
  ];
  const add = (options: SeriesLogOptions, each: number, samples: readonly DeviceSample[]): void => {
    const pick = (get: (sample: DeviceSample) => number): number => median(samples.map(get));
    const bytes = pick((sample) => sample.writtenBytesPerSecond);
    rows.push([
      `${options.layout} ${options.compression}`,
      count(each),
      count(pick((sample) => sample.pointsPerSecond)),
      count(pick((sample) => sample.cpuNsPerPoint)),
      pick((sample) => sample.bytesPerPoint).toFixed(1),
      count(bytes / 1e6),
      `${((100 * bytes) / floors.sequentialBytesPerSecond).toFixed(0)} %`,
      count(pick((sample) => sample.replayPointsPerSecond)),
    ]);
  };
  for (const options of DEVICES) {
    const run = (directory: string): Promise<DeviceSample> =>
      device(options, POINTS_PER_SENSOR, directory);
    add(options, POINTS_PER_SENSOR, await repeated(root, run));
  }
  const whole = Number(args.points);
  if (whole > 0) {
    const options = { layout: "v2", compression: "snappy" } as const;
    const directory = fs.mkdtempSync(path.join(root, "whole-"));
    add(options, whole, [await device(options, whole, directory)]);
  }
  console.log(table(rows));
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  console.log(`\nresident memory at its peak: ${count(peakBytes / 1024 / 1024)} MiB`);
}

async function repeated<T>(
  root: string,
  run: (directory: string) => Promise<T>,
): Promise<readonly T[]> {
  const samples: T[] = [];
  for (let round = 0; round < rounds; round++) {
    const directory = fs.mkdtempSync(path.join(root, "run-"));
    samples.push(await run(directory));
    fs.rmSync(directory, { recursive: true, force: true });
    globalThis.gc?.();
  }
  return samples;
}

const syncsOf = (log: SeriesLog): number => log.status().wal?.totals.syncs ?? 0;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

await main();
