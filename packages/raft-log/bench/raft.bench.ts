/**
 * Raft storage, each backend: memory with real files after real reads, durable saves beside the floor of the same run, replay, reads.
 *
 *     npm run bench -- raft [--entries N] [--seconds N] [--backends walnut,level] [--directory DIR] [--quick]
 *
 * Memory is measured in a process of its own for each line: the log is opened, read at random, garbage is collected. Beside it stand
 * the same entries held whole in memory, as etcd's MemoryStorage holds them; "saved" compares with those, once with all that the
 * open log takes, once without what it takes with hardly any entry.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { openRaftLog, type Entry, type RaftBackend, type RaftLog } from "@walnut/raft-log";
import { formatCount, formatTable, measureFloor, percentile } from "./measure.ts";
import { formatBytes, type MemoryUse } from "./memory-use.ts";

const { values: args } = parseArgs({
  options: {
    entries: { type: "string" },
    seconds: { type: "string" },
    backends: { type: "string", default: "walnut,etcd,level" },
    directory: { type: "string", default: os.tmpdir() },
    quick: { type: "boolean", default: false },
  },
});
const ENTRIES = Number(args.entries ?? (args.quick ? 10_000 : 100_000));
const SECONDS = Number(args.seconds ?? (args.quick ? 0.5 : 2));
const BACKENDS = args.backends.split(",") as readonly RaftBackend[];
const KIB = 1024;
const BATCH = 1000;
/** Of the log whose memory is the price of being open. */
const FEW_ENTRIES = 100;

function open(directory: string, backend: RaftBackend, cacheBytes?: number): Promise<RaftLog> {
  return openRaftLog({
    storageRootDirectory: directory,
    clusterId: 1,
    peerId: 1,
    backend,
    cacheBytes,
  });
}

function entriesOf(first: number, count: number, bytes: number): readonly Entry[] {
  return Array.from({ length: count }, (_, at) => {
    const index = first + at;
    // A term every 10,000 entries: an election now and then.
    return {
      index,
      term: 1 + Math.floor(index / 10_000),
      type: 0,
      data: Buffer.alloc(bytes, index),
    };
  });
}

/** Entries on the disk, in saves of a thousand. */
async function fill(
  directory: string,
  backend: RaftBackend,
  count: number,
  bytes: number,
): Promise<void> {
  await using log = await open(directory, backend, 0);
  for (let first = 1; first <= count; first += BATCH) {
    await log.save(undefined, entriesOf(first, Math.min(BATCH, count - first + 1), bytes));
  }
}

function measureMemory(what: string, directory: string, count: number, bytes: number): MemoryUse {
  const program = path.join(import.meta.dirname, "memory-use.ts");
  const run = spawnSync(
    process.execPath,
    [...process.execArgv, program, what, directory, String(count), String(bytes)],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  if (run.status !== 0) throw new Error(`${what}: memory could not be measured`);
  return JSON.parse(run.stdout) as MemoryUse;
}

async function memory(root: string): Promise<void> {
  const rows = [
    [
      "memory",
      "index",
      "heap and buffers",
      "without entries",
      "resident",
      "saved",
      "by entries alone",
    ],
  ];
  for (const bytes of [KIB, 10 * KIB]) {
    const name = `${formatCount(ENTRIES)} x ${formatBytes(bytes)}`;
    const whole = measureMemory("whole", root, ENTRIES, bytes);
    const { heapBytes, residentBytes } = whole;
    const measured = [formatBytes(heapBytes), "", formatBytes(residentBytes), "", ""];
    rows.push([`${name}, whole entries in memory`, "", ...measured]);
    for (const backend of BACKENDS) {
      rows.push([`${name}, ${backend}`, ...(await memoryOf(root, backend, bytes, heapBytes))]);
    }
  }
  console.log(formatTable(rows));
}

async function memoryOf(
  root: string,
  backend: RaftBackend,
  bytes: number,
  wholeBytes: number,
): Promise<string[]> {
  const directory = path.join(root, `${backend}-${bytes}`);
  // The price of a log that is open, however little is in it: its buffers, and the code that was loaded.
  const small = `${directory}-small`;
  await fill(small, backend, FEW_ENTRIES, bytes);
  const fixed = measureMemory(backend, small, FEW_ENTRIES, bytes).heapBytes;
  await fill(directory, backend, ENTRIES, bytes);
  const used = measureMemory(backend, directory, ENTRIES, bytes);
  for (const one of [small, directory]) fs.rmSync(one, { recursive: true });
  const saved = (heapBytes: number): string =>
    `${((1 - heapBytes / wholeBytes) * 100).toFixed(2)} %`;
  return [
    formatBytes(used.indexBytes),
    formatBytes(used.heapBytes),
    formatBytes(fixed),
    formatBytes(used.residentBytes),
    saved(used.heapBytes),
    saved(Math.max(used.indexBytes, used.heapBytes - fixed)),
  ];
}

/** Calls for a while; microseconds of each. */
async function timed(call: () => Promise<unknown>): Promise<readonly number[]> {
  const micros: number[] = [];
  const untilMs = performance.now() + SECONDS * 1000;
  while (performance.now() < untilMs) {
    const startMs = performance.now();
    await call();
    micros.push((performance.now() - startMs) * 1000);
  }
  return micros;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function saves(root: string): Promise<void> {
  const floor = await measureFloor(root, SECONDS);
  const p50 = percentile(floor, 50);
  const p99 = percentile(floor, 99);
  const rows = [
    ["durable saves of 256 B entries", "p50 us", "p99 us", "entries/s", "of the floor"],
  ];
  rows.push([
    "floor: write and fdatasync",
    p50.toFixed(0),
    p99.toFixed(0),
    formatCount(1e6 / p50),
    "",
  ]);
  for (const backend of BACKENDS) {
    for (const [name, count, together] of [
      ["one entry", 1, 1],
      ["a vote alone", 0, 1],
      ["1,000 entries", 1000, 1],
      ["one entry, 64 saves under way", 1, 64],
    ] as const) {
      const directory = path.join(root, `saves-${backend}`);
      const log = await open(directory, backend);
      let index = 0;
      let term = 1;
      const micros = await timed(() => {
        const calls: Promise<void>[] = [];
        for (let call = 0; call < together; call++) {
          const entries = Array.from({ length: count }, () => ({
            index: ++index,
            term: 1,
            type: 0 as const,
            data: Buffer.alloc(256),
          }));
          calls.push(
            log.save(count === 0 ? { term: ++term, vote: 1n, commit: 0 } : undefined, entries),
          );
        }
        return Promise.all(calls);
      });
      await log.close();
      fs.rmSync(directory, { recursive: true });
      const perSecond = (micros.length * together * Math.max(1, count) * 1e6) / sum(micros);
      const median = percentile(micros, 50);
      rows.push([
        `${backend}: ${name}`,
        median.toFixed(0),
        percentile(micros, 99).toFixed(0),
        formatCount(perSecond),
        together === 1 && count <= 1
          ? `${(median / p50).toFixed(2)}x latency`
          : `${((perSecond * p50) / 1e6).toFixed(0)} entries per floor sync`,
      ]);
    }
  }
  console.log(`\n${formatTable(rows)}`);
}

async function reads(root: string): Promise<void> {
  const rows = [["reads of 1 KiB entries", "p50 us", "p99 us", "entries/s"]];
  for (const backend of BACKENDS) {
    const directory = path.join(root, `reads-${backend}`);
    await fill(directory, backend, ENTRIES, KIB);
    const startMs = performance.now();
    const log = await open(directory, backend, 0);
    const replayMs = performance.now() - startMs;
    rows.push([`${backend}: replay at open`, "", "", formatCount((ENTRIES * 1000) / replayMs)]);
    let next = 1;
    const sequential = await timed(async () => {
      const entries = await log.entries(next, ENTRIES + 1, 1024 * KIB);
      next += entries.length;
      if (next > ENTRIES) next = 1;
    });
    rows.push(row(`${backend}: in order, 1 MiB at a time, from files`, sequential, KIB));
    for (const count of [1, 64]) {
      const random = await timed(() => {
        const lo = 1 + Math.floor(Math.random() * (ENTRIES - count));
        return log.entries(lo, lo + count);
      });
      rows.push(row(`${backend}: ${count} at random, from files`, random, count));
    }
    await log.close();
    const cached = await open(directory, backend, 64 * KIB * KIB);
    await cached.save(
      undefined,
      entriesOf(ENTRIES + 1, BATCH, KIB).map((entry) => ({ ...entry, term: 1_000_000 })),
    );
    const hot = await timed(() => {
      const lo = ENTRIES + 1 + Math.floor(Math.random() * (BATCH - 64));
      return cached.entries(lo, lo + 64);
    });
    rows.push(row(`${backend}: 64 of the newest, cached`, hot, 64));
    await cached.close();
    fs.rmSync(directory, { recursive: true });
  }
  console.log(`\n${formatTable(rows)}`);
}

function row(name: string, micros: readonly number[], entries: number): string[] {
  const perSecond = (micros.length * entries * 1e6) / sum(micros);
  return [
    name,
    percentile(micros, 50).toFixed(0),
    percentile(micros, 99).toFixed(0),
    formatCount(perSecond),
  ];
}

const root = fs.mkdtempSync(path.join(args.directory, "walnut-raft-bench-"));
try {
  await memory(root);
  await saves(root);
  await reads(root);
} finally {
  fs.rmSync(root, { recursive: true, force: true });
}
