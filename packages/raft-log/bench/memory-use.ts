/**
 * What a log takes in memory once it was opened and read: `memory-use.ts WHAT DIRECTORY ENTRIES BYTES [SMALL]` prints it as JSON.
 *
 * WHAT is a backend, or "whole": the same entries in an array, as a storage in memory keeps them. SMALL is the directory of a log with few
 * entries that is opened, read and closed first: then the code that the first log of a process loads is no part of the price.
 */
import { openRaftLog, type Entry, type RaftBackend, type RaftLog } from "@walnut/raft-log";

/** In bytes. */
export interface MemoryUse {
  /** By the log's own account. */
  readonly indexBytes: number;
  /** Heap and memory of buffers, more than before. */
  readonly heapBytes: number;
  readonly residentBytes: number;
}

const READS = 1000;
/** Entries of the log in SMALL. */
export const FEW_ENTRIES = 100;

export function formatBytes(bytes: number): string {
  if (Math.abs(bytes) >= 1024 * 1024) return `${(bytes / 1024 / 1024).toFixed(2)} MiB`;
  return Math.abs(bytes) >= 1024 ? `${(bytes / 1024).toFixed(0)} KiB` : `${Math.round(bytes)} B`;
}

interface Taken {
  readonly heapBytes: number;
  readonly residentBytes: number;
}

/** Memory outside the heap goes a turn after what held it. */
async function taken(): Promise<Taken> {
  for (let turn = 0; turn < 10; turn++) {
    globalThis.gc?.();
    await new Promise<void>((resolve) => setTimeout(resolve, 10));
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heapBytes: heapUsed + external, residentBytes: rss };
}

function wholeEntries(count: number, bytes: number): readonly Entry[] {
  return Array.from({ length: count }, (_, at) => ({
    index: at + 1,
    term: 1,
    type: 0,
    data: new Uint8Array(bytes).fill(at),
  }));
}

/** Reads at random, and says how many bytes there were. */
async function readAround(log: RaftLog): Promise<number> {
  let readBytes = 0;
  for (let read = 0; read < READS; read++) {
    const lo = 1 + Math.floor(Math.random() * (log.lastIndex - 8));
    for (const { data } of await log.entries(lo, lo + 8)) readBytes += data.byteLength;
  }
  return readBytes;
}

function open(what: string, directory: string): Promise<RaftLog> {
  const backend = what as RaftBackend;
  return openRaftLog({ storageRootDirectory: directory, clusterId: 1, peerId: 1, backend });
}

async function main(): Promise<void> {
  const [what = "", directory = "", entryText = "", byteText = "", small] = process.argv.slice(2);
  const count = Number(entryText);
  if (small !== undefined) {
    await using first = await open(what, small);
    await readAround(first);
  }
  const before = await taken();
  let use: MemoryUse;
  if (what === "whole") {
    const entries = wholeEntries(count, Number(byteText));
    const after = await taken();
    use = { indexBytes: 0, ...difference(before, after) };
    if (entries.length !== count) throw new Error("entries are held until here");
  } else {
    await using log = await open(what, directory);
    if (log.lastIndex !== count) throw new Error(`the log ends with ${log.lastIndex}`);
    const readBytes = await readAround(log);
    if (readBytes !== READS * 8 * Number(byteText)) throw new Error(`${readBytes} bytes were read`);
    const after = await taken();
    const { indexBytes } = log.status();
    use = { indexBytes, ...difference(before, after) };
  }
  process.stdout.write(JSON.stringify(use));
}

function difference(before: Taken, after: Taken): Taken {
  return {
    heapBytes: after.heapBytes - before.heapBytes,
    residentBytes: after.residentBytes - before.residentBytes,
  };
}

if (process.argv[1] === import.meta.filename) await main();
