/**
 * Object storage of one process: the bucket, the cache of its files, and the identity that keys begin with.
 *
 * Opening it asks nothing of the bucket, which may be away. Whether it answers and lets us in is looked at in the
 * background and logged once.
 */
import { join, resolve, sep } from "node:path";
import type { LogRelease } from "../options/storage-section.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import { systemStoreClock, type StoreClock } from "../store/store-environment.ts";
import { nodeStoreFileSystem } from "../store/store-file-system.ts";
import { CacheDirectory } from "./cache-directory.ts";
import { FileCache } from "./file-cache.ts";
import type { ObjectStore } from "./object-store.ts";
import { openS3ObjectStore } from "./s3-object-store.ts";
import { resolveS3Settings } from "./s3-settings.ts";
import { ensureStoreIdentity } from "./store-identity.ts";

const CACHE_DIRECTORY_NAME = "cache";

/** Object storage, shared by all table stores of a process. */
export interface ObjectStorage {
  readonly store: ObjectStore;
  readonly cache: FileCache;
  /** Absolute path of the cache of this process, with slashes. */
  readonly cacheDirectory: string;
  /** The key of a file, by its path in the catalog. */
  readonly keyOf: (path: string) => string;
  readonly concurrentUploads: number;
  /** When the log lets go of rows. */
  readonly releaseLog: LogRelease;
  readonly clock: StoreClock;
  /** From 0 to 1. */
  readonly random: () => number;
  close(): Promise<void>;
}

/** Where a process stands among others. */
export interface ObjectStorageOptions {
  readonly options: ResolvedServerOptions;
  /** The data directory; exists. */
  readonly directory: string;
  /** Number of the process: each has a cache of its own. */
  readonly worker: number;
}

/** Opens object storage, or gives `undefined` when files stay local. */
export async function openObjectStorage({
  options,
  directory,
  worker,
}: ObjectStorageOptions): Promise<ObjectStorage | undefined> {
  const settings = resolveS3Settings(options);
  if (settings === undefined) return undefined;
  const identity = await ensureStoreIdentity(directory, nodeStoreFileSystem);
  const caches = options.cacheDirectory ?? join(directory, CACHE_DIRECTORY_NAME);
  const cacheDirectory = resolve(caches, `worker-${worker}`).replaceAll(sep, "/");
  const store = await openS3ObjectStore(settings);
  const clock = systemStoreClock;
  const random = Math.random;
  const cache = await FileCache.open({
    directory: new CacheDirectory(cacheDirectory),
    store,
    maxBytes: options.cacheMaxBytes,
    clock,
    random,
  });
  const stop = new AbortController();
  const checked = checkBucket(store, options, stop.signal);
  return {
    store,
    cache,
    cacheDirectory,
    keyOf: (path) => `${settings.prefix}${identity}/${path}`,
    concurrentUploads: settings.concurrentUploads,
    releaseLog: options.releaseLog,
    clock,
    random,
    close: async () => {
      stop.abort();
      await checked;
      await cache.close();
      store.close();
    },
  };
}

/** Never rejects: a bucket that is away stops nothing. */
async function checkBucket(
  store: ObjectStore,
  { logger }: ResolvedServerOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    await store.check(signal);
    logger.info(`Parquet files go to ${store.place}`);
  } catch (error) {
    if (signal.aborted) return;
    const reason = error instanceof Error ? error.message : String(error);
    logger.error(`${reason}. Files stay here and are uploaded when it works.`);
  }
}
