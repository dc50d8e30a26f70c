/**
 * Files that are part of no table any more: their bytes go later than their record.
 *
 * A query that began before a file was replaced may still read it, in this process or in another one that
 * shares the store. So a removed file is kept for a time of grace that is longer than the longest query, and
 * for as long as somebody holds all of them. Which files are waiting is what the catalog says; a process
 * that dies in between leaves them to the next one, which grants the same time again.
 */
import { dirname } from "node:path/posix";
import type { CatalogFile } from "./catalog-record.ts";
import type { StoreClock, StoreTimer } from "./store-environment.ts";
import type { StoreFileSystem } from "./store-file-system.ts";

/** The part of the catalog that knows removed files. */
export interface RemovedFileList {
  readonly removedFiles: Iterable<CatalogFile>;
  isRemoved(path: string): boolean;
  forgetRemoved(path: string): void;
}

export interface RemovedFilesOptions {
  readonly list: RemovedFileList;
  readonly files: StoreFileSystem;
  /** Absolute path of the Parquet root. */
  readonly root: string;
  readonly clock: StoreClock;
  /** Time from the removal to the end of the bytes, in ms. */
  readonly graceMs: number;
  /** Object storage, when there is one. */
  readonly objects?: RemovedObjects | undefined;
  /** Told of bytes that could not be removed; they are tried again after another time of grace. */
  readonly onError: (error: unknown) => void;
}

/** Bytes of removed files that are elsewhere as well. */
export interface RemovedObjects {
  /** False as long as the bytes there are needed all the same. */
  mayRemoveObject(file: CatalogFile): boolean;
  /** Removes them; those that are not there are no error. */
  removeObject(file: CatalogFile): Promise<void>;
}

/** Numbers of {@link RemovedFiles}. */
export interface RemovedFilesStats {
  /** Files and bytes that wait for the end of their time. */
  readonly waitingFiles: number;
  readonly waitingBytes: number;
  /** Files and bytes freed since the store was opened. */
  readonly freedFiles: number;
  readonly freedBytes: number;
}

interface WaitingFile {
  readonly file: CatalogFile;
  readonly dueMs: number;
}

/** Frees the bytes of removed files when nobody can need them. */
export class RemovedFiles {
  readonly #options: RemovedFilesOptions;
  readonly #waiting = new Map<string, WaitingFile>();
  #timer: StoreTimer | undefined;
  #holds = 0;
  #isStopped = false;
  #work: Promise<void> = Promise.resolve();
  #freed = { files: 0, bytes: 0 };

  constructor(options: RemovedFilesOptions) {
    this.#options = options;
  }

  get stats(): RemovedFilesStats {
    const waiting = [...this.#waiting.values()];
    return {
      waitingFiles: waiting.length,
      waitingBytes: waiting.reduce((total, { file }) => total + file.bytes, 0),
      freedFiles: this.#freed.files,
      freedBytes: this.#freed.bytes,
    };
  }

  /** Takes note of files that the catalog has removed since the last time: their time begins now. */
  track(): void {
    if (this.#isStopped) return;
    const { list, clock, graceMs } = this.#options;
    const dueMs = clock.nowMs() + graceMs;
    for (const file of list.removedFiles) {
      if (!this.#waiting.has(file.path)) this.#waiting.set(file.path, { file, dueMs });
    }
    this.#arm();
  }

  get isHeld(): boolean {
    return this.#holds > 0;
  }

  /** Keeps the bytes of every removed file until the returned function is called. */
  hold(): () => void {
    this.#holds++;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holds--;
      this.#arm();
    };
  }

  /** Resolves when nothing is being freed. */
  async settled(): Promise<void> {
    await this.#work;
  }

  /** Stops; what waits is left to the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#work;
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#isStopped || this.#holds > 0 || this.#waiting.size === 0) return;
    let dueMs = Infinity;
    for (const waiting of this.#waiting.values()) dueMs = Math.min(dueMs, waiting.dueMs);
    const delayMs = Math.max(0, dueMs - this.#options.clock.nowMs());
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#work = this.#work.then(() => this.#freeDue());
    });
  }

  /** Never rejects. */
  async #freeDue(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const due: WaitingFile[] = [];
    for (const waiting of this.#waiting.values()) {
      if (waiting.dueMs > nowMs) continue;
      if (this.#options.objects?.mayRemoveObject(waiting.file) !== false) due.push(waiting);
      else this.#postpone(waiting.file);
    }
    for (const [directory, files] of byDirectory(due.map(({ file }) => file))) {
      if (this.#isStopped || this.#holds > 0) break;
      try {
        await this.#free(directory, files);
      } catch (error) {
        for (const file of files) this.#postpone(file);
        this.#options.onError(error);
      }
    }
    this.#arm();
  }

  #postpone(file: CatalogFile): void {
    const dueMs = this.#options.clock.nowMs() + this.#options.graceMs;
    this.#waiting.set(file.path, { file, dueMs });
  }

  async #free(directory: string, files: readonly CatalogFile[]): Promise<void> {
    const { list, files: disk, root } = this.#options;
    // A file may have become part of a table again, described anew; its bytes are not ours then.
    const ours = files.filter((file) => list.isRemoved(file.path));
    // 1. The names go. CRASH: remove-1 leaves some of them; the catalog still lists all, the next start
    //    tries again, and a file that is not there is no error.
    for (const file of ours) await disk.removeFile(`${root}/${file.path}`);
    // 2. Durably, before anybody forgets that they were there: otherwise a power loss could bring back a
    //    name that no record explains. CRASH: remove-2, as remove-1.
    if (ours.length > 0) await disk.syncDirectory(`${root}/${directory}`);
    // 3. The objects. CRASH: remove-3, as remove-1.
    for (const file of ours) await this.#options.objects?.removeObject(file);
    for (const file of ours) {
      list.forgetRemoved(file.path);
      this.#freed.files++;
      this.#freed.bytes += file.bytes;
    }
    for (const file of files) this.#waiting.delete(file.path);
  }
}

function byDirectory(files: readonly CatalogFile[]): ReadonlyMap<string, readonly CatalogFile[]> {
  const groups = new Map<string, CatalogFile[]>();
  for (const file of files) {
    const directory = dirname(file.path);
    const group = groups.get(directory) ?? [];
    group.push(file);
    groups.set(directory, group);
  }
  return groups;
}
