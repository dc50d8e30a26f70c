/**
 * Files of object storage that queries read from here: bounded, and filled when a query asks.
 *
 * A file is fetched once for all who want it, compared with its digest, and there under its name only when it is
 * whole. While a query holds it, it stays; otherwise the one that was not used for longest goes first. Queries are
 * let in when everything they hold together fits, in the order in which they came; one that alone does not fit is
 * refused. What is in the directory survives a restart. Several processes have a directory each.
 */
import { ServerError } from "../errors.ts";
import type { StoreClock } from "../store/store-environment.ts";
import type { CacheDirectory } from "./cache-directory.ts";
import { toObjectServerError } from "./object-failure.ts";
import { ObjectStoreError, type ObjectContent, type ObjectStore } from "./object-store.ts";
import { retryDelayMs } from "./retry-delay.ts";

/** Numbers of a cache. */
export interface FileCacheStats {
  readonly files: number;
  readonly bytes: number;
  readonly maxBytes: number;
  /** Files that queries wanted and that were here. */
  readonly hits: number;
  readonly misses: number;
  readonly downloadedBytes: number;
  readonly downloadFailures: number;
  readonly evictions: number;
}

export interface FileCacheOptions {
  readonly directory: CacheDirectory;
  readonly store: ObjectStore;
  readonly maxBytes: number;
  readonly clock: StoreClock;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Files that stay here until they are released. */
export interface CacheLease {
  /** Absolute path of a file of the lease, with slashes. */
  pathOf(sha256: string): string;
  /** Idempotent. */
  release(): void;
}

interface Entry {
  readonly sha256: string;
  readonly bytes: number;
  isPresent: boolean;
  /** Set while the file is fetched; never rejects. */
  loading: Promise<unknown> | undefined;
  pins: number;
}

interface Waiter {
  readonly wanted: ReadonlyMap<string, ObjectContent>;
  admit(): void;
}

const CONCURRENT_DOWNLOADS = 6;
const MAX_TRIES = 3;

/** The cache of one process. */
export class FileCache {
  readonly #options: FileCacheOptions;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #waiters: Waiter[] = [];
  readonly #downloadQueue: (() => void)[] = [];
  readonly #stop = new AbortController();
  #downloads = 0;
  #stats = { hits: 0, misses: 0, downloadedBytes: 0, downloadFailures: 0, evictions: 0 };

  private constructor(options: FileCacheOptions) {
    this.#options = options;
  }

  /** Opens a cache with what an earlier process has left in its directory. */
  static async open(options: FileCacheOptions): Promise<FileCache> {
    const cache = new FileCache(options);
    for (const { sha256, bytes } of await options.directory.recover()) {
      const entry = { sha256, bytes, isPresent: true, loading: undefined, pins: 0 };
      cache.#entries.set(sha256, entry);
    }
    await cache.#makeRoom(0);
    return cache;
  }

  get stats(): FileCacheStats {
    const present = [...this.#entries.values()].filter((entry) => entry.isPresent);
    return {
      files: present.length,
      bytes: present.reduce((total, entry) => total + entry.bytes, 0),
      maxBytes: this.#options.maxBytes,
      ...this.#stats,
    };
  }

  /**
   * Fetches what is not here and keeps all of it until the lease is released.
   *
   * @throws {ServerError} `SERVER_QUERY_FAILED` (more than the cache holds, disk), `SERVER_OBJECT_STORE_UNAVAILABLE`,
   * `SERVER_OBJECT_STORE_REFUSED`, `SERVER_STORAGE_CORRUPT`; or the reason of the signal
   */
  async acquire(contents: readonly ObjectContent[], signal: AbortSignal): Promise<CacheLease> {
    const wanted = new Map(contents.map((content) => [content.sha256, content]));
    const bytes = [...wanted.values()].reduce((total, content) => total + content.bytes, 0);
    if (bytes > this.#options.maxBytes) throw tooLarge(bytes, this.#options.maxBytes);
    const entries = await this.#admitted(wanted, signal);
    let isHeld = true;
    const lease: CacheLease = {
      pathOf: (sha256) => this.#options.directory.pathOf(this.#entryOf(sha256)),
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        for (const entry of entries) this.#unpin(entry);
        this.#admitMore();
      },
    };
    try {
      const loads = entries.map(async (entry) => await this.#load(entry, wanted));
      await abortable(Promise.all(loads), signal);
      return lease;
    } catch (error) {
      lease.release();
      throw asQueryError(error);
    }
  }

  /** Takes over a file that is here already and will be removed elsewhere. A cache may do without: never rejects. */
  async adopt(content: ObjectContent, filePath: string): Promise<void> {
    const { sha256, bytes } = content;
    if (this.#entries.has(sha256) || bytes > this.#options.maxBytes) return;
    const entry: Entry = { sha256, bytes, isPresent: false, loading: undefined, pins: 1 };
    if (this.#pinnedBytes([content]) > this.#options.maxBytes) return;
    this.#entries.set(sha256, entry);
    entry.loading = this.#makeRoom(0)
      .then(async () => {
        await this.#options.directory.adopt(entry, filePath);
        entry.isPresent = true;
      })
      .catch(() => undefined);
    await entry.loading;
    entry.loading = undefined;
    this.#unpin(entry);
    this.#admitMore();
  }

  /** Ends downloads and everybody who waits for one. */
  async close(): Promise<void> {
    this.#stop.abort(closing());
    await Promise.all([...this.#entries.values()].map(async (entry) => await entry.loading));
  }

  /** Waits until all of it fits beside what others hold, and pins it. */
  async #admitted(
    wanted: ReadonlyMap<string, ObjectContent>,
    signal: AbortSignal,
  ): Promise<readonly Entry[]> {
    if (this.#waiters.length > 0 || !this.#fits(wanted)) {
      const waiter: Waiter = { wanted, admit: () => undefined };
      const turn = new Promise<void>((resolve) => (waiter.admit = resolve));
      this.#waiters.push(waiter);
      try {
        await abortable(turn, signal, this.#stop.signal);
      } catch (error) {
        const index = this.#waiters.indexOf(waiter);
        // It may have been let in in the very step in which it gave up: then its place is given back.
        if (index >= 0) this.#waiters.splice(index, 1);
        else for (const sha256 of wanted.keys()) this.#unpin(this.#entryOf(sha256));
        this.#admitMore();
        throw error;
      }
    } else {
      this.#pin(wanted);
    }
    return [...wanted.keys()].map((sha256) => this.#entryOf(sha256));
  }

  #admitMore(): void {
    for (;;) {
      const waiter = this.#waiters[0];
      if (waiter === undefined || !this.#fits(waiter.wanted)) return;
      this.#waiters.shift();
      this.#pin(waiter.wanted);
      waiter.admit();
    }
  }

  #fits(wanted: ReadonlyMap<string, ObjectContent>): boolean {
    return this.#pinnedBytes(wanted.values()) <= this.#options.maxBytes;
  }

  /** Bytes that are held, together with others that are not held yet. */
  #pinnedBytes(more: Iterable<ObjectContent>): number {
    let bytes = 0;
    for (const entry of this.#entries.values()) if (entry.pins > 0) bytes += entry.bytes;
    for (const content of more) {
      if ((this.#entries.get(content.sha256)?.pins ?? 0) === 0) bytes += content.bytes;
    }
    return bytes;
  }

  #pin(wanted: ReadonlyMap<string, ObjectContent>): void {
    for (const { sha256, bytes } of wanted.values()) {
      const entry = this.#entries.get(sha256) ?? {
        sha256,
        bytes,
        isPresent: false,
        loading: undefined,
        pins: 0,
      };
      entry.pins++;
      // To the end: used last.
      this.#entries.delete(sha256);
      this.#entries.set(sha256, entry);
    }
  }

  #unpin(entry: Entry): void {
    entry.pins--;
    if (entry.pins === 0 && !entry.isPresent) this.#entries.delete(entry.sha256);
  }

  async #load(entry: Entry, wanted: ReadonlyMap<string, ObjectContent>): Promise<void> {
    const content = wanted.get(entry.sha256);
    if (content === undefined) throw new Error("a file nobody wanted");
    if (entry.isPresent) {
      this.#stats.hits++;
      this.#options.directory.touch(entry);
      return;
    }
    this.#stats.misses++;
    // Who comes second waits for the first, and tries itself when that failed.
    while (entry.loading !== undefined) await entry.loading;
    if (entry.isPresent) return;
    const fetching = this.#fetch(entry, content);
    entry.loading = fetching.catch(() => undefined);
    // The download goes on when the query that began it gives up: the file stays pinned until it ends.
    entry.pins++;
    try {
      await fetching;
    } catch (error) {
      this.#stats.downloadFailures++;
      throw error;
    } finally {
      entry.loading = undefined;
      this.#unpin(entry);
      this.#admitMore();
    }
  }

  async #fetch(entry: Entry, content: ObjectContent): Promise<void> {
    await this.#downloadSlot();
    try {
      await this.#makeRoom(content.bytes);
      for (let tries = 1; ; tries++) {
        try {
          await this.#options.directory.add(entry, async (path) => {
            await this.#options.store.download(content, path, this.#stop.signal);
          });
          break;
        } catch (error) {
          if (tries === MAX_TRIES || !mayBeBetterNextTime(error)) throw error;
          await this.#pause(tries);
        }
      }
      entry.isPresent = true;
      this.#stats.downloadedBytes += content.bytes;
    } finally {
      this.#downloads--;
      this.#downloadQueue.shift()?.();
    }
  }

  async #downloadSlot(): Promise<void> {
    while (this.#downloads >= CONCURRENT_DOWNLOADS) {
      await new Promise<void>((resolve) => this.#downloadQueue.push(resolve));
    }
    this.#stop.signal.throwIfAborted();
    this.#downloads++;
  }

  async #pause(failures: number): Promise<void> {
    const { clock, random } = this.#options;
    const paused = new Promise<void>((resolve) => {
      clock.setTimer(retryDelayMs(failures, random()), resolve);
    });
    await abortable(paused, this.#stop.signal);
  }

  /** Removes what was not used for longest until the cache, and a file about to come, fit budget and disk. */
  async #makeRoom(comingBytes: number): Promise<void> {
    const { directory, maxBytes } = this.#options;
    let bytes = 0;
    for (const entry of this.#entries.values()) {
      if (entry.isPresent || entry.pins > 0) bytes += entry.bytes;
    }
    let missingOnDisk = await directory.missingFreeBytes(comingBytes);
    // As it is now: others come and go while files are removed.
    const oldestFirst = [...this.#entries.values()];
    for (const entry of oldestFirst) {
      if (bytes <= maxBytes && missingOnDisk <= 0) return;
      if (entry.pins > 0 || !entry.isPresent) continue;
      await this.#evict(entry);
      bytes -= entry.bytes;
      missingOnDisk -= entry.bytes;
    }
    if (missingOnDisk > 0) throw diskFull(directory.path, comingBytes);
  }

  /** Who wants the file meanwhile waits until it is gone: its name would be removed from under a new one. */
  async #evict(entry: Entry): Promise<void> {
    const removing = this.#options.directory.remove(entry);
    entry.isPresent = false;
    entry.loading = removing.catch(() => undefined);
    try {
      await removing;
      this.#stats.evictions++;
    } catch (error) {
      entry.isPresent = true;
      throw error;
    } finally {
      entry.loading = undefined;
      if (entry.pins === 0 && !entry.isPresent) this.#entries.delete(entry.sha256);
    }
  }

  #entryOf(sha256: string): Entry {
    const entry = this.#entries.get(sha256);
    if (entry === undefined) throw new Error(`${sha256} is not held`);
    return entry;
  }
}

function mayBeBetterNextTime(error: unknown): boolean {
  return (
    error instanceof ObjectStoreError && (error.kind === "unavailable" || error.kind === "damaged")
  );
}

/** The promise, or the reason of a signal when that comes first. Each is listened to: Node 20 may collect one made of several as garbage. */
async function abortable<T>(promise: Promise<T>, ...signals: readonly AbortSignal[]): Promise<T> {
  const settled = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    for (const signal of signals) {
      const onAbort = (): void => reject(asError(signal.reason));
      if (signal.aborted) onAbort();
      signal.addEventListener("abort", onAbort, { once: true, signal: settled.signal });
    }
  });
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    settled.abort();
    // Nobody looks at the one that lost.
    promise.catch(() => undefined);
    aborted.catch(() => undefined);
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function asQueryError(error: unknown): unknown {
  const known = toObjectServerError(error);
  if (known instanceof ServerError || !(known instanceof Error && "syscall" in known)) return known;
  return new ServerError(
    "SERVER_QUERY_FAILED",
    `a file of object storage cannot be kept in the cache: ${known.message}`,
    { cause: known },
  );
}

function tooLarge(bytes: number, maxBytes: number): ServerError {
  return new ServerError(
    "SERVER_QUERY_FAILED",
    `the query reads files of ${bytes} bytes in object storage, and the cache holds ${maxBytes}: ` +
      "ask for a shorter time, or raise storage.cache_max_bytes",
    { details: { neededBytes: bytes, cacheMaxBytes: maxBytes } },
  );
}

function diskFull(path: string, bytes: number): ServerError {
  return new ServerError(
    "SERVER_QUERY_FAILED",
    `there is no room for a file of ${bytes} bytes of object storage on the disk of ${path}`,
    { details: { path, neededBytes: bytes } },
  );
}

function closing(): ServerError {
  return new ServerError("SERVER_NOT_READY", "the server is stopping");
}
