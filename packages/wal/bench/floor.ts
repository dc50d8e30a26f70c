/**
 * Floors: what the disk and Node can do without a log, measured in the same run as the log itself.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { percentile } from "./table.ts";

export interface Floors {
  /** One small write and its fdatasync through the thread pool, zero-filled file, microseconds. */
  readonly asyncUs: Latency;
  /** The same with blocking calls, which no server can afford. */
  readonly blockingUs: Latency;
  /** 1 MiB writes one behind the other, one fdatasync per 4 MiB, bytes per second. */
  readonly sequentialBytesPerSecond: number;
  /** 64 KiB writes, fdatasync after each, growing file, bytes per second. */
  readonly synced64KiBBytesPerSecond: number;
}

export const SMALL_BYTES = 312; // A frame with one 256-byte record.

export async function measureFloors(directory: string, seconds: number): Promise<Floors> {
  const file = path.join(directory, "floor");
  const asyncUs = await syncedWriteFloor(directory, SMALL_BYTES, seconds);
  const blockingUs = await syncedWrites(file, SMALL_BYTES, seconds, blockingWriteAndSync);
  const sequentialBytesPerSecond = await sequential(file, 1024 * 1024, 4, seconds);
  const synced64KiBBytesPerSecond = await sequential(file, 64 * 1024, 1, seconds);
  fs.rmSync(file);
  return { asyncUs, blockingUs, sequentialBytesPerSecond, synced64KiBBytesPerSecond };
}

/** Microseconds of one call. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** One write of so many bytes and its fdatasync through the thread pool, into a zero-filled file. */
export async function syncedWriteFloor(
  directory: string,
  writeBytes: number,
  seconds: number,
): Promise<Latency> {
  const file = path.join(directory, "floor");
  const latency = await syncedWrites(file, writeBytes, seconds, asyncWriteAndSync);
  fs.rmSync(file);
  return latency;
}

/** One read of so many bytes through the thread pool, anywhere in a file, into memory of its own. */
export async function randomReadFloor(
  file: string,
  readBytes: number,
  seconds: number,
): Promise<Latency> {
  const handle = await fs.promises.open(file);
  const { size } = await handle.stat();
  const micros: number[] = [];
  const untilMs = performance.now() + seconds * 1000;
  while (performance.now() < untilMs) {
    const offset = Math.floor(Math.random() * Math.max(1, size - readBytes));
    const startMs = performance.now();
    await asyncRead(handle.fd, new Uint8Array(readBytes), offset);
    micros.push((performance.now() - startMs) * 1000);
  }
  await handle.close();
  return { p50: percentile(micros, 50), p99: percentile(micros, 99) };
}

type WriteAndSync = (fd: number, bytes: Uint8Array, offset: number) => Promise<void> | void;

async function syncedWrites(
  file: string,
  writeBytes: number,
  seconds: number,
  writeAndSync: WriteAndSync,
): Promise<Latency> {
  const fd = fs.openSync(file, "w");
  const zeroBytes = 16 * 1024 * 1024;
  fs.writeSync(fd, Buffer.alloc(zeroBytes), 0);
  fs.fsyncSync(fd);
  const bytes = Buffer.alloc(writeBytes, 7);
  const micros: number[] = [];
  let offset = 0;
  const untilMs = performance.now() + seconds * 1000;
  while (performance.now() < untilMs) {
    const start = performance.now();
    await writeAndSync(fd, bytes, offset % (zeroBytes - writeBytes));
    micros.push((performance.now() - start) * 1000);
    offset += writeBytes;
  }
  fs.closeSync(fd);
  return { p50: percentile(micros, 50), p99: percentile(micros, 99) };
}

function asyncRead(fd: number, target: Uint8Array, offset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.read(fd, target, 0, target.byteLength, offset, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
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
