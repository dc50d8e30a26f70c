/**
 * Moves the files of one table store into the bucket, in the background, and says so in the catalog.
 *
 * A file is part of its table and readable before, while and after it is moved. The steps are ordered so that a crash
 * after any of them leaves a file that is local or in the bucket, never neither; each `CRASH:` label is a row of the
 * table in docs/storage.md. When the bucket fails everything pauses, longer and longer up to a minute, then one file
 * is tried; a file that fails by itself (it cannot be read here) waits alone. Nothing is ever given up.
 */
import type { Catalog } from "../store/catalog.ts";
import type { CatalogFile, FileGroup } from "../store/catalog-record.ts";
import type { StoreClock, StoreTimer } from "../store/store-environment.ts";
import { tableKey, type TableName } from "../store/table-name.ts";
import { digestFile } from "./file-digest.ts";
import type { FileCache } from "./file-cache.ts";
import { ObjectStoreError, type ObjectStore } from "./object-store.ts";
import { PendingUploads, type PendingUpload } from "./pending-uploads.ts";
import { retryDelayMs } from "./retry-delay.ts";

/** Numbers of uploads since the store was opened, and what waits. */
export interface UploadStats {
  readonly pendingFiles: number;
  readonly pendingBytes: number;
  /** Time that the oldest file has waited, in ms; 0 when none waits. */
  readonly oldestPendingMs: number;
  readonly uploadedFiles: number;
  readonly uploadedBytes: number;
  readonly failures: number;
  /** Tries after a failure. */
  readonly retries: number;
  /** Message of the last failure, until an upload succeeds. */
  readonly lastError: string | undefined;
}

export interface UploaderOptions {
  readonly catalog: Catalog;
  readonly store: ObjectStore;
  readonly cache: FileCache;
  /** Absolute path of the Parquet root. */
  readonly root: string;
  /** The key of a file, by its path in the catalog. */
  readonly keyOf: (path: string) => string;
  readonly concurrentUploads: number;
  readonly clock: StoreClock;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Called in the step in which files have moved: their local names go later. */
  readonly onMoved: (files: readonly CatalogFile[]) => void;
  /** Called after a reload of the catalog. */
  readonly onReloaded: () => void;
  readonly onError: (error: unknown) => void;
}

/** A file that is in the bucket, for the record that says so. */
interface Uploaded {
  readonly pending: PendingUpload;
  readonly moved: CatalogFile;
}

/** Uploads of one table store. */
export class Uploader {
  readonly #options: UploaderOptions;
  readonly #pending = new PendingUploads();
  readonly #stop = new AbortController();
  #seenChanges = -1;
  #running = new Set<Promise<void>>();
  #uploaded: Uploaded[] = [];
  #commit: Promise<void> | undefined;
  /** Failures of the bucket in a row. */
  #failures = 0;
  #pausedUntilMs = 0;
  #timer: StoreTimer | undefined;
  #stats = { uploadedFiles: 0, uploadedBytes: 0, failures: 0, retries: 0 };
  #lastError: string | undefined;

  constructor(options: UploaderOptions) {
    this.#options = options;
  }

  get stats(): UploadStats {
    this.#wakeIfChanged();
    const oldest = this.#pending.oldest();
    return {
      pendingFiles: this.#pending.size,
      pendingBytes: this.#pending.bytes,
      oldestPendingMs: oldest === undefined ? 0 : this.#options.clock.nowMs() - oldest.sinceMs,
      ...this.#stats,
      lastError: this.#lastError,
    };
  }

  /** Files that wait for their upload. */
  pendingFiles(): readonly CatalogFile[] {
    this.#wakeIfChanged();
    return [...this.#pending.values()].map(({ file }) => file);
  }

  /** Bytes of files that wait for their upload. */
  pendingBytes(): number {
    this.#wakeIfChanged();
    return this.#pending.bytes;
  }

  /** A mark for {@link hasPassed}: everything that waits now. */
  mark(): number {
    this.#wakeIfChanged();
    return this.#pending.nextSequence;
  }

  /** True when every file that waited when the mark was taken is in the bucket, or in no table any more. */
  hasPassed(mark: number): boolean {
    this.#wakeIfChanged();
    return (this.#pending.oldest()?.sequence ?? Infinity) >= mark;
  }

  /** Looks at the catalog and starts what is due. Called after each commit; cheap when there is nothing to do. */
  wake(): void {
    if (this.#stop.signal.aborted) return;
    this.#lookAtCatalog();
    const nowMs = this.#options.clock.nowMs();
    // After a failure one file finds out whether the bucket is back.
    const limit = this.#failures > 0 ? 1 : this.#options.concurrentUploads;
    while (nowMs >= this.#pausedUntilMs && this.#running.size < limit) {
      const pending = this.#pending.next(nowMs);
      if (pending === undefined) break;
      this.#begin(pending);
    }
    this.#arm(nowMs);
  }

  /** Stops; files that wait are uploaded by the next start. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the uploads are stopping"));
    this.#timer?.cancel();
    await Promise.all(this.#running);
    await this.#commit;
  }

  #wakeIfChanged(): void {
    const seenChanges = this.#seenChanges;
    this.#lookAtCatalog();
    if (this.#seenChanges !== seenChanges) this.wake();
  }

  #lookAtCatalog(): void {
    const { catalog, clock } = this.#options;
    const { commits, reloads } = catalog.stats;
    if (commits + reloads === this.#seenChanges) return;
    this.#seenChanges = commits + reloads;
    this.#pending.update(catalog.tables, clock.nowMs());
  }

  #begin(pending: PendingUpload): void {
    pending.isRunning = true;
    if (pending.failures > 0 || this.#failures > 0) this.#stats.retries++;
    const running = this.#move(pending).finally(() => {
      pending.isRunning = false;
      this.#running.delete(running);
      this.wake();
    });
    this.#running.add(running);
  }

  /** Never rejects. */
  async #move(pending: PendingUpload): Promise<void> {
    try {
      const moved = await this.#upload(pending.file);
      this.#failures = 0;
      this.#lastError = undefined;
      this.#uploaded.push({ pending, moved });
      while (this.#uploaded.some((done) => done.pending === pending)) {
        await (this.#commit ??= this.#commitUploaded());
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#failed(pending, error);
    }
  }

  async #upload(file: CatalogFile): Promise<CatalogFile> {
    const { store, cache, root, keyOf } = this.#options;
    const path = `${root}/${file.path}`;
    const { sha256, bytes } = await digestFile(path);
    if (bytes !== file.bytes) {
      throw new Error(`${path} has ${bytes} bytes, the catalog says ${file.bytes}: not uploaded`);
    }
    const key = keyOf(file.path);
    // 1. The object, whole and looked at. CRASH: upload-1 leaves parts, or an object that no record names; the file
    //    is local, and the next start uploads it again under the same key.
    await store.upload({ key, bytes, sha256 }, path, this.#stop.signal);
    this.#stats.uploadedFiles++;
    this.#stats.uploadedBytes += bytes;
    // 2. The local copy becomes one of the cache, so that queries find it there at once.
    //    CRASH: upload-2 leaves it or not, and otherwise what upload-1 does.
    await cache.adopt({ key, bytes, sha256 }, path);
    return { ...file, place: "object", key, sha256 };
  }

  /** One record for all files of a table that have arrived; the others follow at once. Never rejects. */
  async #commitUploaded(): Promise<void> {
    const [first] = this.#uploaded;
    if (first === undefined) return;
    const key = tableKey(first.pending.table);
    const done = this.#uploaded.filter(({ pending }) => tableKey(pending.table) === key);
    this.#uploaded = this.#uploaded.filter(({ pending }) => tableKey(pending.table) !== key);
    try {
      await this.#record(
        first.pending.table,
        done.map(({ moved }) => moved),
      );
    } catch (error) {
      for (const { pending } of done) this.#failed(pending, error);
    } finally {
      this.#commit = undefined;
    }
  }

  async #record(table: TableName, moved: readonly CatalogFile[]): Promise<void> {
    const { catalog, store } = this.#options;
    if (catalog.needsReload) await catalog.reload(this.#options.onReloaded);
    const key = tableKey(table);
    let recorded: readonly CatalogFile[] = [];
    // 3. The record. CRASH: upload-3 leaves it or not: with it the file is in the bucket, without it as upload-1.
    try {
      await catalog.commit(
        () => {
          const known = catalog.table(key);
          const added = regroup(known?.groups ?? [], moved);
          recorded = added.flatMap((group) => group.files);
          if (known === undefined || recorded.length === 0) throw new NothingToRecord();
          return {
            version: 1,
            kind: "replace",
            database: table.database,
            measurement: table.measurement,
            schema: known.schema,
            removed: recorded.map((file) => file.path),
            added,
          };
        },
        () => this.#options.onMoved(recorded),
      );
    } catch (error) {
      if (!(error instanceof NothingToRecord)) throw error;
    }
    // Compacted or deleted while it was on its way: nobody else knows this object.
    const kept = new Set(recorded.map((file) => file.path));
    for (const file of moved) {
      if (!kept.has(file.path)) await store.remove(file.key ?? "", this.#stop.signal);
    }
  }

  #failed(pending: PendingUpload, error: unknown): void {
    const nowMs = this.#options.clock.nowMs();
    this.#stats.failures++;
    this.#lastError = error instanceof Error ? error.message : String(error);
    if (error instanceof ObjectStoreError) {
      this.#failures++;
      this.#pausedUntilMs = nowMs + retryDelayMs(this.#failures, this.#options.random());
    } else {
      pending.failures++;
      pending.notBeforeMs = nowMs + retryDelayMs(pending.failures, this.#options.random());
    }
    this.#options.onError(error);
  }

  /** Comes back when the pause is over, or a file that failed alone is due. */
  #arm(nowMs: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#stop.signal.aborted || this.#pending.size === 0) return;
    let dueMs = Infinity;
    for (const { isRunning, notBeforeMs } of this.#pending.values()) {
      if (!isRunning) dueMs = Math.min(dueMs, Math.max(notBeforeMs, this.#pausedUntilMs));
      if (dueMs <= this.#pausedUntilMs) break;
    }
    if (dueMs === Infinity || dueMs <= nowMs) return;
    this.#timer = this.#options.clock.setTimer(dueMs - nowMs, () => this.wake());
  }
}

class NothingToRecord extends Error {}

/** The moved files that are still local files of the table, with the columns they have. */
function regroup(
  groups: readonly FileGroup[],
  moved: readonly CatalogFile[],
): readonly FileGroup[] {
  const byPath = new Map(moved.map((file) => [file.path, file]));
  return groups
    .map(({ columns, files }) => ({
      columns,
      files: files.flatMap((file) => {
        const found = file.place === "object" ? undefined : byPath.get(file.path);
        return found === undefined ? [] : [found];
      }),
    }))
    .filter(({ files }) => files.length > 0);
}
