/**
 * Ways to get bytes onto the device, each measured at several sizes: what a disk can do before any log is involved.
 */
import * as fs from "node:fs";
import { join } from "node:path";
import { latenciesOf, type Latencies } from "./latencies.ts";

/** One way to make a write durable. */
export interface SyncMethod {
  readonly name: string;
  readonly sync: "fdatasync" | "fsync" | "O_DSYNC";
  /** Into blocks that were filled with zeros before, or at the end of a file that grows. */
  readonly isZeroFilled: boolean;
  /** On the main thread: the floor of the disk, which no server can afford. */
  readonly isBlocking: boolean;
}

export interface SyncTrial extends Latencies {
  readonly method: SyncMethod;
  readonly sizeBytes: number;
}

export const SYNC_METHODS: readonly SyncMethod[] = [
  { name: "append, fsync", sync: "fsync", isZeroFilled: false, isBlocking: false },
  { name: "append, fdatasync", sync: "fdatasync", isZeroFilled: false, isBlocking: false },
  { name: "append, O_DSYNC", sync: "O_DSYNC", isZeroFilled: false, isBlocking: false },
  { name: "zero-filled, fdatasync", sync: "fdatasync", isZeroFilled: true, isBlocking: false },
  { name: "zero-filled, O_DSYNC", sync: "O_DSYNC", isZeroFilled: true, isBlocking: false },
  {
    name: "zero-filled, fdatasync, blocking",
    sync: "fdatasync",
    isZeroFilled: true,
    isBlocking: true,
  },
  { name: "zero-filled, O_DSYNC, blocking", sync: "O_DSYNC", isZeroFilled: true, isBlocking: true },
];

/** A small group, a page, the largest that Walnut writes with O_DSYNC, a full commit buffer. */
export const SYNC_SIZES: readonly number[] = [512, 4096, 64 * 1024, 1024 * 1024];

/** Zeros to write into, and the length at which a growing file begins anew. */
const FILE_BYTES = 32 * 1024 * 1024; // 32 MiB
const MIN_SAMPLES = 5;
const ROUNDS = 3;

/** What Walnut does with a group of this size. */
export function methodOfWalnut(sizeBytes: number): SyncMethod | undefined {
  const isSmall = sizeBytes <= 64 * 1024;
  return SYNC_METHODS.find(({ sync, isZeroFilled, isBlocking }) =>
    isBlocking
      ? false
      : isSmall
        ? sync === "O_DSYNC" && isZeroFilled
        : sync === "fdatasync" && !isZeroFilled,
  );
}

/**
 * Measures methods at one size, each for about `seconds`. They take turns, because a shared disk has moods.
 *
 * @param directory - an existing one, for two files that are left there for the next call
 */
export async function runSyncTrials(
  directory: string,
  methods: readonly SyncMethod[],
  sizeBytes: number,
  seconds: number,
): Promise<readonly SyncTrial[]> {
  const micros = methods.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, method] of methods.entries()) {
      micros[index]?.push(...(await timesOf(directory, method, sizeBytes, seconds / ROUNDS)));
    }
  }
  return methods.map((method, index) => ({
    method,
    sizeBytes,
    ...latenciesOf(micros[index] ?? []),
  }));
}

/** Microseconds of each write. */
async function timesOf(
  directory: string,
  method: SyncMethod,
  sizeBytes: number,
  seconds: number,
): Promise<readonly number[]> {
  const { O_CREAT, O_RDWR, O_TRUNC, O_DSYNC } = fs.constants;
  // Not every system has the flag; there the descriptor is an ordinary one and the sync is a call.
  const dsync = method.sync === "O_DSYNC" ? (O_DSYNC ?? 0) : 0;
  const path = join(directory, method.isZeroFilled ? "filled" : "growing");
  // Blocks that were written before are as good as zeros: one file serves all.
  if (method.isZeroFilled && !fs.existsSync(path)) fillWithZeros(path);
  const flags = O_CREAT | O_RDWR | dsync | (method.isZeroFilled ? 0 : O_TRUNC);
  const fd = fs.openSync(path, flags, 0o600);
  try {
    const write = method.isBlocking ? blockingWrite : threadPoolWrite;
    const bytes = Buffer.alloc(sizeBytes, "walnut ");
    const micros: number[] = [];
    const untilMs = performance.now() + seconds * 1000;
    let offset = 0;
    while (performance.now() < untilMs || micros.length < MIN_SAMPLES) {
      if (offset + sizeBytes > FILE_BYTES) {
        offset = 0;
        if (!method.isZeroFilled) fs.ftruncateSync(fd, 0);
      }
      const startMs = performance.now();
      await write(fd, bytes, offset, dsync === 0 ? method.sync : "O_DSYNC");
      micros.push((performance.now() - startMs) * 1000);
      offset += sizeBytes;
    }
    return micros;
  } finally {
    fs.closeSync(fd);
  }
}

function fillWithZeros(path: string): void {
  const zeros = Buffer.alloc(1024 * 1024);
  const fd = fs.openSync(path, "w", 0o600);
  try {
    for (let offset = 0; offset < FILE_BYTES; offset += zeros.byteLength) {
      fs.writeSync(fd, zeros, 0, zeros.byteLength, offset);
    }
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

function blockingWrite(
  fd: number,
  bytes: Uint8Array,
  offset: number,
  sync: SyncMethod["sync"],
): Promise<void> {
  fs.writeSync(fd, bytes, 0, bytes.byteLength, offset);
  if (sync === "fdatasync") fs.fdatasyncSync(fd);
  if (sync === "fsync") fs.fsyncSync(fd);
  return Promise.resolve();
}

function threadPoolWrite(
  fd: number,
  bytes: Uint8Array,
  offset: number,
  sync: SyncMethod["sync"],
): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null): void => {
      if (error === null) resolve();
      else reject(error);
    };
    fs.write(fd, bytes, 0, bytes.byteLength, offset, (error) => {
      if (error !== null || sync === "O_DSYNC") done(error);
      else if (sync === "fsync") fs.fsync(fd, done);
      else fs.fdatasync(fd, done);
    });
  });
}
