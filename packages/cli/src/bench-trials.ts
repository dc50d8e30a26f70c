/**
 * Appends to a real log as callers do, at each durability level: how many records a second, and how long one takes.
 */
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { openWal, type DurabilityLevel } from "@walnut/wal";
import { latenciesOf, type Latencies } from "./latencies.ts";

/** One way to use a log. */
export interface BenchCase {
  readonly name: string;
  readonly durability: DurabilityLevel;
  readonly writers: number;
  readonly payloadBytes: number;
  /** Records per call; 1 is `append`, more is `appendBatch`. */
  readonly batch: number;
}

export interface BenchResult extends Latencies {
  readonly benchCase: BenchCase;
  readonly recordsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly recordsPerSync: number;
}

export const BENCH_CASES: readonly BenchCase[] = [
  appendCase("fdatasync", 1),
  appendCase("fdatasync", 64),
  appendCase("fdatasync", 1024),
  { ...appendCase("fdatasync", 8), name: "fdatasync, 8 writers, 1000 a batch", batch: 1000 },
  appendCase("interval", 1024),
  appendCase("async", 1024),
];

const WARM_UP_SHARE = 0.3;
const RELEASE_MS = 200;
/** Above so many writers only some calls are timed: the clock would cost more than the append. */
const TIMED_WRITERS = 16;

function appendCase(durability: DurabilityLevel, writers: number): BenchCase {
  const name = `${durability}, ${writers} ${writers === 1 ? "writer" : "writers"}`;
  return { name, durability, writers, payloadBytes: 256, batch: 1 };
}

/** Runs a case in a log of its own, which is removed. */
export async function runBenchCase(
  directory: string,
  benchCase: BenchCase,
  seconds: number,
): Promise<BenchResult> {
  const { durability, writers, batch, payloadBytes } = benchCase;
  const wal = await openWal({ directory, durability });
  // The cursor lets segments go, as a running system does; the disk would fill up otherwise.
  const cursor = wal.cursor("bench");
  const releases = new Set<Promise<void>>();
  const release = setInterval(() => {
    const step = cursor.ack(wal.positions.durableLsn).finally(() => releases.delete(step));
    releases.add(step);
  }, RELEASE_MS);
  const payload = Buffer.alloc(payloadBytes, "walnut ");
  const payloads = Array.from({ length: batch }, () => payload);
  const micros: number[] = [];
  const run = { records: 0, isWarm: false, isOver: false };
  const write = async (writer: number): Promise<void> => {
    for (let call = writer; !run.isOver; call++) {
      const isTimed = writers <= TIMED_WRITERS || call % 64 === 0;
      const startMs = isTimed ? performance.now() : 0;
      await (batch === 1 ? wal.append(payload) : wal.appendBatch(payloads));
      if (!run.isWarm) continue;
      run.records += batch;
      if (isTimed) micros.push((performance.now() - startMs) * 1000);
    }
  };
  try {
    const all = Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
    const measured = measure(run, seconds, () => wal.status().totals.syncs);
    const [result] = await Promise.all([measured, all]);
    return {
      benchCase,
      recordsPerSecond: result.records / result.seconds,
      bytesPerSecond: (result.records * payloadBytes) / result.seconds,
      recordsPerSync: result.syncs === 0 ? 0 : result.records / result.syncs,
      ...latenciesOf(micros),
    };
  } finally {
    run.isOver = true;
    clearInterval(release);
    await Promise.allSettled(releases);
    await wal.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Lets the writers run warm, then counts for a while, then ends them. */
async function measure(
  run: { records: number; isWarm: boolean; isOver: boolean },
  seconds: number,
  syncs: () => number,
): Promise<{ records: number; seconds: number; syncs: number }> {
  await sleep(seconds * WARM_UP_SHARE * 1000);
  run.isWarm = true;
  const startMs = performance.now();
  const syncsBefore = syncs();
  await sleep(seconds * 1000);
  const elapsed = (performance.now() - startMs) / 1000;
  const counted = { records: run.records, seconds: elapsed, syncs: syncs() - syncsBefore };
  run.isOver = true;
  return counted;
}
