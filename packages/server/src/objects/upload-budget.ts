/**
 * How much may wait for its upload, and what is said when it is too much.
 *
 * An outage of the object store is no trouble as long as there is room for what waits: rows are safe here. When the
 * budget is used up writes are refused, and taken again by themselves once uploads have caught up.
 */
import { ServerError } from "../errors.ts";
import type { UploadStats } from "./uploader.ts";

const MS_PER_SECOND = 1_000;

/** What waits, asked on the path of every write. */
export interface UploadSource {
  /** Bytes of files that wait; cheap. */
  pendingBytes(): number;
  readonly stats: UploadStats;
}

/** The budget of one process, over all its table stores. */
export class UploadBudget {
  readonly #maxPendingBytes: number;
  readonly #uploads: readonly UploadSource[];

  /** @param uploads - none when files stay local */
  constructor(maxPendingBytes: number, uploads: readonly UploadSource[]) {
    this.#maxPendingBytes = maxPendingBytes;
    this.#uploads = uploads;
  }

  /** Numbers of all of them together. */
  get stats(): UploadStats {
    return sumUploads(this.#uploads);
  }

  /** @throws {ServerError} `SERVER_UPLOADS_BEHIND` when as much waits as may */
  assertRoom(): void {
    const trouble = this.findTrouble();
    if (trouble === undefined) return;
    throw new ServerError(
      "SERVER_UPLOADS_BEHIND",
      `${trouble}; nothing of this request was kept, send it again later`,
      { details: { maxPendingBytes: this.#maxPendingBytes } },
    );
  }

  /** Why writes are refused, or `undefined` when they are not. */
  findTrouble(): string | undefined {
    let pendingBytes = 0;
    for (const uploads of this.#uploads) pendingBytes += uploads.pendingBytes();
    return pendingBytes < this.#maxPendingBytes ? undefined : this.#describe();
  }

  /** Why uploads do not get on, or `undefined` when they do. */
  findConcern(): string | undefined {
    const hasFailed = this.#uploads.some(
      ({ stats }) => stats.lastError !== undefined && stats.pendingFiles > 0,
    );
    return hasFailed ? this.#describe() : undefined;
  }

  #describe(): string {
    const { pendingFiles, pendingBytes, oldestPendingMs, lastError } = this.stats;
    const waiting =
      `${pendingFiles} file(s) with ${pendingBytes} of at most ${this.#maxPendingBytes} bytes wait for object ` +
      `storage, the oldest for ${Math.round(oldestPendingMs / MS_PER_SECOND)} s`;
    return lastError === undefined ? waiting : `${waiting}: ${lastError}`;
  }
}

function sumUploads(uploads: readonly UploadSource[]): UploadStats {
  const all = uploads.map(({ stats }) => stats);
  const sum = (select: (stats: UploadStats) => number): number =>
    all.reduce((total, stats) => total + select(stats), 0);
  return {
    pendingFiles: sum((stats) => stats.pendingFiles),
    pendingBytes: sum((stats) => stats.pendingBytes),
    oldestPendingMs: Math.max(0, ...all.map((stats) => stats.oldestPendingMs)),
    uploadedFiles: sum((stats) => stats.uploadedFiles),
    uploadedBytes: sum((stats) => stats.uploadedBytes),
    failures: sum((stats) => stats.failures),
    retries: sum((stats) => stats.retries),
    lastError: all.map((stats) => stats.lastError).find((error) => error !== undefined),
  };
}
