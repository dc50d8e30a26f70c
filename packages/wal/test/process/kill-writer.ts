/**
 * A process that appends until it is killed: `kill-writer.ts DIRECTORY CYCLE SEED`.
 *
 * Several writers at every level that survives the death of a process. Each answer is on standard output before the writer goes on:
 * `FIRST_LSN CYCLE/WRITER/COUNT`. Ends by itself when its standard input closes.
 */
import * as fs from "node:fs";
import { combineSeeds, SeededRandom } from "@walnut/testkit";
import { openWal, type Wal } from "@walnut/wal";
import { appendName, payloadOf, type PayloadIdentity } from "./kill-payload.ts";

const WRITERS = 6;
/** Nobody wakes who waits on it: a pause without a turn of the event loop. */
const NEVER = new Int32Array(new SharedArrayBuffer(4));
const LEVELS = ["fdatasync", "fdatasync", "async", "interval"] as const;

async function main(): Promise<void> {
  const [directory = "", cycleText = "", seedText = ""] = process.argv.slice(2);
  const cycle = Number(cycleText);
  const seed = combineSeeds(Number(seedText), cycle);
  const random = new SeededRandom(seed);
  const wal = await openWal({
    directory,
    segmentSizeBytes: random.pick([16, 64, 512]) * 1024,
    prewriteBytes: random.pick([0, 16 * 1024]),
    codec: random.pick(["none", "none", "deflate"] as const),
    attestDelayMs: 5,
  });
  process.stdin.on("end", () => process.exit(0)).resume();
  await Promise.all(
    Array.from({ length: WRITERS }, (_, writer) =>
      append(wal, cycle, writer, combineSeeds(seed, writer)),
    ),
  );
}

async function append(wal: Wal, cycle: number, writer: number, seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  for (let count = 0; ; count++) {
    const batchLength = random.chance(0.3) ? random.between(2, 12) : 1;
    const identities = Array.from({ length: batchLength }, (_, index): PayloadIdentity => ({
      cycle,
      writer,
      count,
      index,
      batchLength,
    }));
    const { firstLsn } = await wal.appendBatch(identities.map(payloadOf), {
      durability: random.pick(LEVELS),
    });
    say(`${firstLsn} ${appendName({ cycle, writer, count, index: 0, batchLength })}\n`);
    if (writer === 0 && random.chance(0.01)) await wal.rotate();
    // A writer that never lets go of the event loop would leave timers no turn.
    if (random.chance(0.05)) await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

/** Synchronous: the kernel has the line before anything else happens. A reader that is slow is waited for. */
function say(line: string): void {
  const bytes = Buffer.from(line);
  let written = 0;
  while (written < bytes.byteLength) {
    try {
      written += fs.writeSync(1, bytes, written);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Atomics.wait(NEVER, 0, 0, 1);
    }
  }
}

await main();
