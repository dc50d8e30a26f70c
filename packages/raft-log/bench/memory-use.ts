/**
 * What a log takes in memory once it was opened and read: `memory-use.ts WHAT DIRECTORY ENTRIES BYTES` prints it as JSON.
 *
 * WHAT is a backend, or "whole": the same entries in an array, as a storage in memory keeps them.
 */
import { openRaftLog, type Entry, type RaftBackend } from "@walnut/raft-log";

/** In bytes. */
export interface MemoryUse {
  /** By the log's own account. */
  readonly indexBytes: number;
  /** Heap and memory of buffers, more than before. */
  readonly heapBytes: number;
  readonly residentBytes: number;
}

const READS = 2000;

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

async function main(): Promise<void> {
  const [what = "", directory = "", entryText = "", byteText = ""] = process.argv.slice(2);
  const count = Number(entryText);
  // Once before: what the first log of a process loads and keeps is no part of the entries' price.
  const before = await taken();
  let use: MemoryUse;
  if (what === "whole") {
    const entries = wholeEntries(count, Number(byteText));
    const after = await taken();
    use = { indexBytes: 0, ...difference(before, after) };
    if (entries.length !== count) throw new Error("entries are held until here");
  } else {
    await using log = await openRaftLog({
      storageRootDirectory: directory,
      clusterId: 1,
      peerId: 1,
      backend: what as RaftBackend,
    });
    let readBytes = 0;
    for (let read = 0; read < READS; read++) {
      const lo = 1 + Math.floor(Math.random() * (count - 8));
      for (const { data } of await log.entries(lo, lo + 8)) readBytes += data.byteLength;
    }
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
