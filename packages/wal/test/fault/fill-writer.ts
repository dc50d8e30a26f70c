/**
 * A process that appends until the disk is full, and dies of it: `fill-writer.ts DIRECTORY`.
 *
 * Several writers; each answer is on standard output, as an LSN, before its writer goes on. The first append that is refused ends
 * the process, by SIGKILL, in the same turn in which the error is told: `FULL WAL_NO_SPACE` is the last line.
 */

import { writeSync } from "node:fs";

import { isWalError, openWal, type Wal } from "@walnut/wal";

const WRITERS = 4;
const RECORD_BYTES = 3_000;

async function main(): Promise<void> {
  const [directory = ""] = process.argv.slice(2);
  const wal = await openWal({ directory, segmentSizeBytes: 256 * 1024, prewriteBytes: 32 * 1024 });
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => append(wal, writer)));
}

async function append(wal: Wal, writer: number): Promise<void> {
  for (;;) {
    try {
      const lsn = await wal.append(new Uint8Array(RECORD_BYTES).fill(writer + 1));
      writeSync(1, `${lsn}\n`);
    } catch (error) {
      writeSync(1, `FULL ${isWalError(error) ? error.code : String(error)}\n`);
      process.kill(process.pid, "SIGKILL");
    }
  }
}

await main();
