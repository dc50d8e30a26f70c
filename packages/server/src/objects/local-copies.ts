/**
 * Local files whose bytes are in the bucket: their names go when no query can be reading them any more.
 *
 * The record that moved a file comes first, so a name that a crash leaves behind is found by the next start, which
 * lists the Parquet root once in the background and grants the same time again.
 */
import { filesBelow } from "../store/file-audit.ts";
import type { StoreClock, StoreTimer } from "../store/store-environment.ts";
import type { StoreFileSystem } from "../store/store-file-system.ts";

export interface LocalCopiesOptions {
  readonly files: StoreFileSystem;
  /** Absolute path of the Parquet root. */
  readonly root: string;
  readonly clock: StoreClock;
  /** Time from the move to the end of the name, in ms: longer than the longest query. */
  readonly graceMs: number;
  /** True while somebody reads files for longer than a query takes. */
  readonly isHeld: () => boolean;
  /** True for the path of a file whose bytes are in the bucket, by what the catalog says now. */
  readonly isInBucket: (path: string) => boolean;
  readonly onError: (error: unknown) => void;
}

/** Removes local names of files that have moved. */
export class LocalCopies {
  readonly #options: LocalCopiesOptions;
  /** Paths by the time at which they may go, in that order. */
  readonly #waiting = new Map<string, number>();
  #timer: StoreTimer | undefined;
  #work: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(options: LocalCopiesOptions) {
    this.#options = options;
  }

  /** Files that have moved just now. */
  add(paths: Iterable<string>): void {
    const dueMs = this.#options.clock.nowMs() + this.#options.graceMs;
    for (const path of paths) this.#waiting.set(path, dueMs);
    this.#arm();
  }

  /** Finds what an earlier process has left. In the background; never rejects. */
  findLeftovers(): void {
    const { files, root, isInBucket, onError } = this.#options;
    this.#work = this.#work.then(async () => {
      try {
        const found: string[] = [];
        for await (const path of filesBelow({ files, root })) {
          if (this.#isStopped) return;
          if (isInBucket(path)) found.push(path);
        }
        this.add(found);
      } catch (error) {
        onError(error);
      }
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#work;
  }

  #arm(): void {
    if (this.#isStopped || this.#timer !== undefined) return;
    const first = this.#waiting.values().next().value;
    if (first === undefined) return;
    const delayMs = Math.max(0, first - this.#options.clock.nowMs());
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#work = this.#work.then(async () => await this.#removeDue());
    });
  }

  /** Never rejects. */
  async #removeDue(): Promise<void> {
    const { files, root, clock, isHeld, isInBucket, graceMs, onError } = this.#options;
    const nowMs = clock.nowMs();
    if (isHeld()) {
      const due = [...this.#waiting].filter(([, dueMs]) => dueMs <= nowMs);
      // Put behind the others, so that the order of times stays.
      for (const [path] of due) this.#waiting.delete(path);
      this.add(due.map(([path]) => path));
      return;
    }
    for (const [path, dueMs] of this.#waiting) {
      if (dueMs > nowMs || this.#isStopped) break;
      this.#waiting.delete(path);
      // A removed file is none of the catalog's any more: its bytes go where those of removed files go.
      if (!isInBucket(path)) continue;
      try {
        // 4. The local name. CRASH: upload-4 leaves it or not: the next start removes it. Not synced: a removal that
        //    a power loss undoes is done again.
        await files.removeFile(`${root}/${path}`);
      } catch (error) {
        this.#waiting.set(path, nowMs + graceMs);
        onError(error);
      }
    }
    this.#arm();
  }
}
