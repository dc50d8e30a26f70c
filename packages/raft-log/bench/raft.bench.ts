/**
 * Raft storage, each backend: memory with real files after real reads, durable saves, replay and reads, beside the floors of the same run.
 *
 *     npm run bench -- raft [--entries N] [--seconds N] [--backends walnut,level] [--directory DIR] [--quick]
 *
 * Memory is measured in a process of its own for each line: the log is opened, read at random, garbage is collected. Beside it stand
 * the same entries held whole in memory, as etcd's MemoryStorage holds them; "saved" compares with those. "first of the process" counts
 * the code that is loaded with the first log as well. The floor of a save is a write and fdatasync of as many bytes as its entries have,
 * that of a read a plain read of as many.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { openRaftLog, type Entry, type RaftBackend, type RaftLog } from "@walnut/raft-log";
import { randomReadFloor, syncedWriteFloor, type Latency } from "../../wal/bench/floor.ts";
import { formatCount, formatTable, percentile } from "../../wal/bench/table.ts";
import { FEW_ENTRIES, formatBytes, type MemoryUse } from "./memory-use.ts";

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
const SECONDS = Number(args.seconds ?? (args.quick ? 0.3 : 1));
const BACKENDS = args.backends.split(",") as readonly RaftBackend[];
const KIB = 1024;
const BATCH = 1000;
/** Bytes of an entry that is saved, and of a save without entries. */
const SAVED_BYTES = 256;
const VOTE_BYTES = 32;

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

function measureMemory(what: string, ...rest: readonly (string | number)[]): MemoryUse {
  const program = path.join(import.meta.dirname, "memory-use.ts");
  const run = spawnSync(
    process.execPath,
    [...process.execArgv, program, what, ...rest.map(String)],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  );
  if (run.status !== 0) throw new Error(`${what}: memory could not be measured`);
  return JSON.parse(run.stdout) as MemoryUse;
}

async function memory(root: string): Promise<void> {
  const rows = [
    ["memory", "index", "open log", "saved", "first of the process", "saved", "resident"],
  ];
  for (const bytes of [KIB, 10 * KIB]) {
    const name = `${formatCount(ENTRIES)} x ${formatBytes(bytes)}`;
    const { heapBytes, residentBytes } = measureMemory("whole", root, ENTRIES, bytes);
    const whole = formatBytes(heapBytes);
    rows.push([`${name}, whole entries`, "", whole, "", whole, "", formatBytes(residentBytes)]);
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
  const small = `${directory}-small`;
  await fill(small, backend, FEW_ENTRIES, bytes);
  await fill(directory, backend, ENTRIES, bytes);
  const first = measureMemory(backend, directory, ENTRIES, bytes);
  const used = measureMemory(backend, directory, ENTRIES, bytes, small);
  for (const one of [small, directory]) fs.rmSync(one, { recursive: true });
  const saved = (heapBytes: number): string =>
    `${((1 - heapBytes / wholeBytes) * 100).toFixed(2)} %`;
  return [
    formatBytes(used.indexBytes),
    // Code that is given up while the log is measured can make it less than its index.
    formatBytes(Math.max(used.indexBytes, used.heapBytes)),
    saved(Math.max(used.indexBytes, used.heapBytes)),
    formatBytes(first.heapBytes),
    saved(first.heapBytes),
    formatBytes(first.residentBytes),
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

const SAVES = [
  { name: "one entry", count: 1, together: 1 },
  { name: "a vote alone", count: 0, together: 1 },
  { name: "1,000 entries", count: 1000, together: 1 },
  { name: "one entry, 64 saves under way", count: 1, together: 64 },
] as const;

async function saves(root: string): Promise<void> {
  const rows = [
    [
      `durable saves of ${SAVED_BYTES} B entries`,
      "p50 us",
      "p99 us",
      "entries/s",
      "floor, p50 us",
      "of the floor",
    ],
  ];
  for (const { name, count, together } of SAVES) {
    const bytes = Math.max(VOTE_BYTES, count * together * SAVED_BYTES);
    const floor = await syncedWriteFloor(root, bytes, SECONDS);
    for (const backend of BACKENDS) {
      const micros = await timedSaves(root, backend, count, together);
      const perSecond = (micros.length * together * count * 1e6) / sum(micros);
      const entries = count === 0 ? "" : formatCount(perSecond);
      rows.push([`${backend}: ${name}`, ...latencies(micros), entries, ...beside(micros, floor)]);
    }
  }
  console.log(`\n${formatTable(rows)}`);
}

async function timedSaves(
  root: string,
  backend: RaftBackend,
  count: number,
  together: number,
): Promise<readonly number[]> {
  const directory = path.join(root, `saves-${backend}`);
  const log = await open(directory, backend);
  let index = 0;
  let term = 1;
  const save = (): Promise<void> => {
    const entries = Array.from({ length: count }, () => ({
      index: ++index,
      term: 1,
      type: 0 as const,
      data: Buffer.alloc(SAVED_BYTES),
    }));
    const vote = { term: ++term, vote: 1n, commit: 0 };
    return log.save(count === 0 ? vote : undefined, entries);
  };
  const micros = await timed(() => Promise.all(Array.from({ length: together }, save)));
  await log.close();
  fs.rmSync(directory, { recursive: true });
  return micros;
}

async function reads(root: string): Promise<void> {
  const file = path.join(root, "plain");
  fs.writeFileSync(file, Buffer.alloc(64 * KIB * KIB, 7));
  const floors = new Map<number, Latency>();
  for (const count of [1, 64, KIB]) {
    floors.set(count, await randomReadFloor(file, count * KIB, SECONDS));
  }
  fs.rmSync(file);
  const rows = [
    ["reads of 1 KiB entries", "p50 us", "p99 us", "entries/s", "floor, p50 us", "of the floor"],
  ];
  for (const backend of BACKENDS) {
    const directory = path.join(root, `reads-${backend}`);
    await fill(directory, backend, ENTRIES, KIB);
    rows.push(...(await readsOf(directory, backend, floors)));
    fs.rmSync(directory, { recursive: true });
  }
  console.log(`\n${formatTable(rows)}`);
}

async function readsOf(
  directory: string,
  backend: RaftBackend,
  floors: ReadonlyMap<number, Latency>,
): Promise<string[][]> {
  const startMs = performance.now();
  const log = await open(directory, backend, 0);
  const replayMs = performance.now() - startMs;
  const replayed = formatCount((ENTRIES * 1000) / replayMs);
  const rows = [[`${backend}: replay at open`, "", "", replayed, "", ""]];
  let next = 1;
  const sequential = await timed(async () => {
    const entries = await log.entries(next, ENTRIES + 1, KIB * KIB);
    next += entries.length;
    if (next > ENTRIES) next = 1;
  });
  const inOrder = `${backend}: in order, 1 MiB at a time, from files`;
  rows.push(readRow(inOrder, sequential, KIB, floors.get(KIB)));
  for (const count of [1, 64]) {
    const random = await timed(() => {
      const lo = 1 + Math.floor(Math.random() * (ENTRIES - count));
      return log.entries(lo, lo + count);
    });
    const name = `${backend}: ${count} at random, from files`;
    rows.push(readRow(name, random, count, floors.get(count)));
  }
  await log.close();
  await using cached = await open(directory, backend, 64 * KIB * KIB);
  await cached.save(
    undefined,
    entriesOf(ENTRIES + 1, BATCH, KIB).map((entry) => ({ ...entry, term: 1_000_000 })),
  );
  const hot = await timed(() => {
    const lo = ENTRIES + 1 + Math.floor(Math.random() * (BATCH - 64));
    return cached.entries(lo, lo + 64);
  });
  return [...rows, readRow(`${backend}: 64 of the newest, cached`, hot, 64, undefined)];
}

function readRow(
  name: string,
  micros: readonly number[],
  entries: number,
  floor: Latency | undefined,
): string[] {
  const perSecond = (micros.length * entries * 1e6) / sum(micros);
  return [name, ...latencies(micros), formatCount(perSecond), ...beside(micros, floor)];
}

function latencies(micros: readonly number[]): readonly string[] {
  return [percentile(micros, 50).toFixed(0), percentile(micros, 99).toFixed(0)];
}

/** The floor, and how many times as long this took. */
function beside(micros: readonly number[], floor: Latency | undefined): readonly string[] {
  if (floor === undefined) return ["", ""];
  return [floor.p50.toFixed(0), `${(percentile(micros, 50) / floor.p50).toFixed(2)}x`];
}

const startMs = performance.now();
const root = fs.mkdtempSync(path.join(args.directory, "walnut-raft-bench-"));
try {
  await memory(root);
  await saves(root);
  await reads(root);
} finally {
  fs.rmSync(root, { recursive: true, force: true });
}
console.log(`\n${((performance.now() - startMs) / 1000).toFixed(0)} s in all`);
