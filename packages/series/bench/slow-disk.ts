/**
 * A disk that does one thing at a time and takes long to sync, as rotating ones do: the real disk, with a queue and a delay before it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { openSeriesLogWith } from "@walnut/series";
import { nodeEnvironment, type Storage, type StorageFile, type WalEnvironment } from "@walnut/wal";

const VALUE_BYTES = 531;

export interface SlowDiskOptions {
  readonly syncMs: number;
  readonly forceWalPeriodMs: number;
  readonly seconds: number;
  readonly directory: string;
}

/** One writer, each point after the one before. */
export async function measureSlowDisk({
  syncMs,
  forceWalPeriodMs,
  seconds,
  directory,
}: SlowDiskOptions): Promise<{
  readonly pointsPerSecond: number;
  readonly syncsPerSecond: number;
}> {
  const log = await openSeriesLogWith(slowDisk(syncMs), {
    directory,
    durability: "interval",
    forceWalPeriodMs,
  });
  const value = new Uint8Array(VALUE_BYTES).fill(1);
  let points = 0n;
  const syncs = (): number => log.metrics()?.syncs ?? 0;
  await log.write(1n, points++, value); // Begins the first file.
  const syncsBefore = syncs();
  const startMs = performance.now();
  while (performance.now() - startMs < Math.max(1, seconds) * 1000)
    await log.write(1n, points++, value);
  const elapsed = (performance.now() - startMs) / 1000;
  const synced = syncs() - syncsBefore;
  await log.close();
  return { pointsPerSecond: Number(points) / elapsed, syncsPerSecond: synced / elapsed };
}

/** The real environment on a disk whose syncs take so long, during which nothing else is written. */
function slowDisk(syncMs: number): WalEnvironment {
  const environment = nodeEnvironment();
  let last: Promise<unknown> = Promise.resolve();
  const queued = <T>(delayMs: number, run: () => Promise<T>): Promise<T> => {
    const mine = last.then(async () => {
      if (delayMs > 0) await sleep(delayMs);
      return await run();
    });
    last = mine.catch(() => undefined);
    return mine;
  };
  const slowed = (file: StorageFile): StorageFile => ({
    path: file.path,
    size: () => file.size(),
    read: (...range) => file.read(...range),
    write: (buffers, offset) => queued(0, () => file.write(buffers, offset)),
    writeDurable: (buffers, offset) => queued(syncMs, () => file.writeDurable(buffers, offset)),
    syncData: () => queued(syncMs, () => file.syncData()),
    syncAll: () => queued(syncMs, () => file.syncAll()),
    truncate: (lengthBytes) => file.truncate(lengthBytes),
    close: () => file.close(),
  });
  const { storage } = environment;
  const slowStorage: Storage = {
    ensureDirectory: (path) => storage.ensureDirectory(path),
    listDirectory: (path) => storage.listDirectory(path),
    syncDirectory: (path) => queued(syncMs, () => storage.syncDirectory(path)),
    createFile: async (path) => slowed(await storage.createFile(path)),
    openFile: async (path, mode) => slowed(await storage.openFile(path, mode)),
    rename: (from, to) => storage.rename(from, to),
    remove: (path) => storage.remove(path),
    lockDirectory: (path) => storage.lockDirectory(path),
    describeVolume: (path) => storage.describeVolume(path),
  };
  return { ...environment, storage: slowStorage };
}
