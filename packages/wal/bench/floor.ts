/**
 * Floors: what the disk and Node can do without a log, measured in the same run as the log itself.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { percentile } from "./table.ts";

export interface Floors {
  /** One small write and its fdatasync through the thread pool, zero-filled file, microseconds. */
  readonly asyncUs: { readonly p50: number; readonly p99: number };
  /** The same with blocking calls, which no server can afford. */
  readonly blockingUs: { readonly p50: number; readonly p99: number };
  /** 1 MiB writes one behind the other, one fdatasync per 4 MiB, bytes per second. */
  readonly sequentialBytesPerSecond: number;
  /** 64 KiB writes, fdatasync after each, growing file, bytes per second. */
  readonly synced64KiBBytesPerSecond: number;
}

export const SMALL_BYTES = 312; // A frame with one 256-byte record.

export async function measureFloors(directory: string, seconds: number): Promise<Floors> {
  const file = path.join(directory, "floor");
  const asyncUs = await smallWrites(file, seconds, asyncWriteAndSync);
  const blockingUs = await smallWrites(file, seconds, blockingWriteAndSync);
  const sequentialBytesPerSecond = await sequential(file, 1024 * 1024, 4, seconds);
  const synced64KiBBytesPerSecond = await sequential(file, 64 * 1024, 1, seconds);
  fs.rmSync(file);
  return { asyncUs, blockingUs, sequentialBytesPerSecond, synced64KiBBytesPerSecond };
}

type WriteAndSync = (fd: number, bytes: Uint8Array, offset: number) => Promise<void> | void;

async function smallWrites(
  file: string,
  seconds: number,
  writeAndSync: WriteAndSync,
): Promise<{ p50: number; p99: number }> {
  const fd = fs.openSync(file, "w");
  const zeroBytes = 16 * 1024 * 1024;
  fs.writeSync(fd, Buffer.alloc(zeroBytes), 0);
  fs.fsyncSync(fd);
  const bytes = Buffer.alloc(SMALL_BYTES, 7);
  const micros: number[] = [];
  let offset = 0;
  const untilMs = performance.now() + seconds * 1000;
  while (performance.now() < untilMs) {
    const start = performance.now();
    await writeAndSync(fd, bytes, offset % (zeroBytes - SMALL_BYTES));
    micros.push((performance.now() - start) * 1000);
    offset += SMALL_BYTES;
  }
  fs.closeSync(fd);
  return { p50: percentile(micros, 50), p99: percentile(micros, 99) };
}

function asyncWriteAndSync(fd: number, bytes: Uint8Array, offset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, 0, bytes.byteLength, offset, (writeError) => {
      if (writeError !== null) return reject(writeError);
      fs.fdatasync(fd, (syncError) => (syncError === null ? resolve() : reject(syncError)));
    });
  });
}

function blockingWriteAndSync(fd: number, bytes: Uint8Array, offset: number): void {
  fs.writeSync(fd, bytes, 0, bytes.byteLength, offset);
  fs.fdatasyncSync(fd);
}

async function sequential(
  file: string,
  writeBytes: number,
  writesPerSync: number,
  seconds: number,
): Promise<number> {
  const handle = await fs.promises.open(file, "w");
  const bytes = Buffer.alloc(writeBytes, 7);
  const startMs = performance.now();
  let writtenBytes = 0;
  for (let count = 1; performance.now() - startMs < seconds * 1000; count++) {
    // A few segments' worth is enough ground; beyond it only the disk fills up.
    await handle.write(bytes, 0, writeBytes, writtenBytes % (512 * 1024 * 1024));
    writtenBytes += writeBytes;
    if (count % writesPerSync === 0) await handle.datasync();
  }
  await handle.datasync();
  const elapsedSeconds = (performance.now() - startMs) / 1000;
  await handle.close();
  return writtenBytes / elapsedSeconds;
}
