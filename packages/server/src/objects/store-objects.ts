/**
 * The object storage of one table store: its uploads, the end of its local copies, and of its objects.
 *
 * Everything here follows the catalog. The table store tells when it has committed; it asks how files are read, up to
 * where the log may be released, and how much waits.
 */
import { ServerError } from "../errors.ts";
import type { Catalog } from "../store/catalog.ts";
import type { CatalogFile } from "../store/catalog-record.ts";
import { filesOf, type CatalogTable } from "../store/catalog-state.ts";
import type { FileAccess } from "../store/file-access.ts";
import { parseFileName } from "../store/parquet-path.ts";
import type { StoreFileSystem } from "../store/store-file-system.ts";
import { describeTable } from "../store/table-name.ts";
import { LocalCopies } from "./local-copies.ts";
import { objectFileAccess } from "./object-file-access.ts";
import type { ObjectStorage } from "./object-storage.ts";
import { Uploader, type UploadStats } from "./uploader.ts";

export interface StoreObjectsOptions {
  readonly storage: ObjectStorage;
  readonly catalog: Catalog;
  readonly files: StoreFileSystem;
  /** Absolute path of the Parquet root. */
  readonly root: string;
  /** Time after which nobody reads a file that has moved, in ms. */
  readonly graceMs: number;
  /** True while somebody reads files for longer than a query takes. */
  readonly isHeld: () => boolean;
  /** Called when files have moved. */
  readonly onMoved: () => void;
  readonly onReloaded: () => void;
  readonly onError: (error: unknown) => void;
}

/** Object storage of one table store. */
export class StoreObjects {
  readonly access: FileAccess;
  readonly #storage: ObjectStorage;
  readonly #uploader: Uploader;
  readonly #copies: LocalCopies;
  /** Marks of the uploader, by the path of a removed file. */
  readonly #removalMarks = new Map<string, number>();
  readonly #stop = new AbortController();

  constructor(options: StoreObjectsOptions) {
    const { storage, catalog, files, root, graceMs, isHeld, onError } = options;
    const { store, cache, cacheDirectory, clock, random, keyOf, concurrentUploads } = storage;
    this.#storage = storage;
    this.access = objectFileAccess({ root, cache, cacheDirectory });
    this.#copies = new LocalCopies({
      files,
      root,
      clock,
      graceMs,
      isHeld,
      isInBucket: inBucket(catalog),
      onError,
    });
    this.#uploader = new Uploader({
      catalog,
      store,
      cache,
      root,
      keyOf,
      concurrentUploads,
      clock,
      random,
      onMoved: (moved) => {
        this.#copies.add(moved.map((file) => file.path));
        options.onMoved();
      },
      onReloaded: options.onReloaded,
      onError,
    });
  }

  get stats(): UploadStats {
    return this.#uploader.stats;
  }

  /** Bytes of files that wait for their upload. */
  pendingBytes(): number {
    return this.#uploader.pendingBytes();
  }

  /** Begins with what an earlier process has left. */
  start(): void {
    this.#copies.findLeftovers();
    this.#uploader.wake();
  }

  /** The catalog has changed. */
  wake(): void {
    this.#uploader.wake();
  }

  /** Up to where the log may be released, when every row up to `flushedLsn` is in Parquet. */
  releasableLsn(flushedLsn: number): number {
    if (this.#storage.releaseLog === "local") return flushedLsn;
    let lsn = flushedLsn;
    for (const file of this.#uploader.pendingFiles()) {
      lsn = Math.min(lsn, firstLsnOf(file) - 1);
    }
    return Math.max(lsn, 0);
  }

  /**
   * True when the object of a removed file may go. Rows of a file that was rewritten are in a newer one, which must be
   * in the bucket first: otherwise a lost disk would take what the bucket had already.
   */
  mayRemoveObject(file: CatalogFile): boolean {
    let mark = this.#removalMarks.get(file.path);
    if (mark === undefined) {
      mark = this.#uploader.mark();
      this.#removalMarks.set(file.path, mark);
    }
    return this.#uploader.hasPassed(mark);
  }

  /** Removes the object of a removed file: that of its record, or the one that an upload may have left. */
  async removeObject(file: CatalogFile): Promise<void> {
    const { store, keyOf } = this.#storage;
    await store.remove(file.key ?? keyOf(file.path), this.#stop.signal);
    this.#removalMarks.delete(file.path);
  }

  /** Ends calls to the bucket at once: what waits is for the next start. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the table store is closing"));
    await this.#uploader.stop();
    await this.#copies.stop();
  }
}

/** Answers for single paths; looks through the tables anew when the catalog has changed. */
function inBucket(catalog: Catalog): (path: string) => boolean {
  let seenChanges = -1;
  let paths = new Set<string>();
  return (path) => {
    const { commits, reloads } = catalog.stats;
    if (commits + reloads !== seenChanges) {
      seenChanges = commits + reloads;
      const moved = [...catalog.tables].flatMap(filesOf).filter((file) => file.place === "object");
      paths = new Set(moved.map((file) => file.path));
    }
    return paths.has(path);
  };
}

/** First record of the log with rows of a file; a file that did not come from the log holds nothing there. */
function firstLsnOf(file: CatalogFile): number {
  const parts = file.path.split("/");
  const parsed = parseFileName(parts.at(-1) ?? "", parts[1] ?? "");
  return parsed.kind === "data" || parsed.kind === "rewritten" ? parsed.range.firstLsn : Infinity;
}

/**
 * Files in a bucket can be read by nobody who does not know the bucket.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION` when there are any
 */
export function assertAllLocal(tables: Iterable<CatalogTable>): void {
  for (const table of tables) {
    const moved = filesOf(table).find((file) => file.place === "object");
    if (moved === undefined) continue;
    throw new ServerError(
      "SERVER_INVALID_OPTION",
      `files of ${describeTable(table)} are in object storage, such as ${moved.key ?? ""}: ` +
        'storage.backend must be "s3", with their bucket',
      { details: { option: "storageBackend" } },
    );
  }
}
