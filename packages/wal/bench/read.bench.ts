/**
 * How fast a log is recovered and read, and how much memory that takes.
 *
 *     npm run bench -- read [--megabytes N] [--records N] [--directory DIR]
 *
 * The floor is reading the same files with plain 1 MiB reads, in the same run. Files are in the page cache for both.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { openWal, type Wal } from "@walnut/wal";
import { formatCount, formatRate, formatTable, median } from "./table.ts";

const { values: args } = parseArgs({
  options: {
    megabytes: { type: "string", default: "1024" },
    records: { type: "string", default: "10000000" },
    rounds: { type: "string", default: "3" },
    directory: { type: "string", default: os.tmpdir() },
  },
});

const PAYLOAD_BYTES = 256;
const MIB = 1024 * 1024;

async function fill(directory: string, records: number, payloadBytes: number): Promise<void> {
  await using wal = await openWal({ directory, durability: "async" });
  const batch = Array.from({ length: 1000 }, (_, index) => Buffer.alloc(payloadBytes, index));
  const calls: Promise<unknown>[] = [];
  for (let done = 0; done < records; done += batch.length) {
    calls.push(wal.appendBatch(batch));
    if (calls.length === 64) await Promise.all(calls.splice(0));
  }
  await Promise.all(calls);
}

interface Timing {
  readonly name: string;
  readonly seconds: number;
  readonly bytes: number;
  readonly records: number;
}

async function timed(
  name: string,
  run: () => Promise<{ bytes: number; records: number }>,
): Promise<Timing> {
  const startMs = performance.now();
  const { bytes, records } = await run();
  return { name, seconds: (performance.now() - startMs) / 1000, bytes, records };
}

async function readFilesPlainly(directory: string): Promise<{ bytes: number; records: number }> {
  let bytes = 0;
  const buffer = Buffer.allocUnsafe(MIB);
  for (const name of fs.readdirSync(directory).filter((file) => file.endsWith(".wal"))) {
    const handle = await fs.promises.open(path.join(directory, name));
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, MIB, bytes === 0 ? 0 : null);
      if (bytesRead === 0) break;
      bytes += bytesRead;
    }
    await handle.close();
  }
  return { bytes, records: 0 };
}

async function readRecords(wal: Wal): Promise<{ bytes: number; records: number }> {
  let bytes = 0;
  let records = 0;
  for await (const { payload } of wal.read()) {
    bytes += payload.byteLength;
    records++;
  }
  return { bytes, records };
}

async function readBatches(wal: Wal): Promise<{ bytes: number; records: number }> {
  let bytes = 0;
  let records = 0;
  for await (const batch of wal.readBatches()) {
    for (const { payload } of batch) {
      bytes += payload.byteLength;
      records++;
    }
  }
  return { bytes, records };
}

async function round(directory: string): Promise<readonly Timing[]> {
  const floor = await timed("floor: plain 1 MiB reads", () => readFilesPlainly(directory));
  let wal: Wal | undefined;
  const strict = await timed("recovery, strict (every frame verified)", async () => {
    wal = await openWal({ directory, recovery: "strict" });
    return { bytes: wal.recovery.scannedBytes, records: wal.recovery.records };
  });
  await wal?.close();
  const quick = await timed("recovery, default", async () => {
    wal = await openWal({ directory });
    return { bytes: floor.bytes, records: wal.recovery.records };
  });
  const open = wal;
  if (open === undefined) throw new Error("the log is open");
  const batches = await timed("full read, readBatches()", () => readBatches(open));
  const records = await timed("full read, read()", () => readRecords(open));
  await open.close();
  return [floor, strict, quick, batches, records];
}

async function main(): Promise<void> {
  const directory = fs.mkdtempSync(path.join(args.directory, "walnut-bench-"));
  try {
    const records = Math.ceil((Number(args.megabytes) * MIB) / (PAYLOAD_BYTES + 4));
    const log = path.join(directory, "log");
    await fill(log, records, PAYLOAD_BYTES);
    const rounds: (readonly Timing[])[] = [];
    for (let index = 0; index < Number(args.rounds); index++) rounds.push(await round(log));
    print(rounds);
    fs.rmSync(log, { recursive: true });
    await memory(path.join(directory, "memory"));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

function print(rounds: readonly (readonly Timing[])[]): void {
  const rows = [["case", "seconds", "MB/s", "records/s", "of the floor"]];
  const first = rounds[0] ?? [];
  const rate = (index: number): number =>
    median(rounds.map((timings) => (timings[index]?.bytes ?? 0) / (timings[index]?.seconds ?? 1)));
  first.forEach((timing, index) => {
    const seconds = median(rounds.map((timings) => timings[index]?.seconds ?? 0));
    rows.push([
      timing.name,
      seconds.toFixed(3),
      formatRate(rate(index)),
      formatCount(timing.records / seconds),
      `${((rate(index) / rate(0)) * 100).toFixed(0)} %`,
    ]);
  });
  console.log(formatTable(rows));
}

/** Resident memory while a log of many records is recovered and read. */
async function memory(directory: string): Promise<void> {
  const records = Number(args.records);
  await fill(directory, records, 100);
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 10);
  const wal = await openWal({ directory, recovery: "strict" });
  let read = 0;
  for await (const batch of wal.readBatches()) {
    read += batch.length;
    peak = Math.max(peak, process.memoryUsage().rss);
  }
  clearInterval(watch);
  await wal.close();
  console.log(
    `\nmemory: ${formatCount(read)} records of 100 B recovered and read; resident ${formatCount(before / MIB)} MiB before, ${formatCount(peak / MIB)} MiB at the peak`,
  );
}

await main();
