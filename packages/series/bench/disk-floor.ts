/** What the disk can do without a log, measured in the same run as the log itself. */
import { open, rm } from "node:fs/promises";
import { join } from "node:path";

export interface Floors {
  /** 1 MiB writes one behind the other, one fdatasync per 4 MiB. */
  readonly sequentialBytesPerSecond: number;
  /** One writer: a small write and its fdatasync. */
  readonly syncsPerSecond: number;
}

const SMALL_BYTES = 531;
const LARGE_BYTES = 1024 * 1024;
/** Beyond it only the disk would fill up. */
const FILE_BYTES = 512 * 1024 * 1024;

export async function measureFloors(directory: string, seconds: number): Promise<Floors> {
  return {
    sequentialBytesPerSecond:
      LARGE_BYTES * (await writesPerSecond(directory, LARGE_BYTES, 4, seconds)),
    syncsPerSecond: await writesPerSecond(directory, SMALL_BYTES, 1, seconds),
  };
}

async function writesPerSecond(
  directory: string,
  writeBytes: number,
  writesPerSync: number,
  seconds: number,
): Promise<number> {
  const path = join(directory, "floor");
  const file = await open(path, "w");
  const bytes = Buffer.alloc(writeBytes, 7);
  const startMs = performance.now();
  let writes = 0;
  while (performance.now() - startMs < seconds * 1000) {
    await file.write(bytes, 0, writeBytes, (writes * writeBytes) % FILE_BYTES);
    if (++writes % writesPerSync === 0) await file.datasync();
  }
  await file.datasync();
  const elapsed = (performance.now() - startMs) / 1000;
  await file.close();
  await rm(path);
  return writes / elapsed;
}
