/**
 * Parquet files on their way out: `DATA_DIR/exports/worker-K-N.parquet`.
 *
 * Nothing depends on them. A file loses its name as soon as it is complete, before its first byte is sent; the next
 * start of the worker removes those that a crash has left.
 */
import { mkdir, open, readdir, rm, statfs, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { ServerError } from "../errors.ts";
import { ifThere } from "../if-there.ts";
import type { WorkerGroup } from "../workers/worker-group.ts";

const DIRECTORY = "exports";
const FILE_NAME = /^worker-([1-9]\d?)-\d+\.parquet$/;

/** Free space that must be left beside an export as large as the files it is made of. */
const SPACE_FACTOR = 2;

/** Makes such files, one at a time or several. */
export class ExportFiles {
  readonly #directory: string;
  readonly #group: Pick<WorkerGroup, "worker" | "workers">;
  #count = 0;

  /** @param dataDirectory - exists */
  constructor(dataDirectory: string, group: Pick<WorkerGroup, "worker" | "workers">) {
    this.#directory = join(dataDirectory, DIRECTORY);
    this.#group = group;
  }

  /**
   * Has a file written and opens it.
   *
   * @param bytes - size of what it is made of
   * @throws {ServerError} `SERVER_OVERLOADED` without enough free space; whatever `write` throws
   */
  async make(bytes: number, write: (path: string) => Promise<void>): Promise<FileHandle> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    await assertSpace(this.#directory, bytes);
    const path = join(this.#directory, `worker-${this.#group.worker}-${++this.#count}.parquet`);
    try {
      // CRASH: export-1 leaves a part of a file; the next start of the worker removes it.
      await write(path);
      return await open(path, "r");
    } finally {
      await rm(path, { force: true });
    }
  }

  /** Removes what a crash has left of this worker, and of workers that are no more. */
  async removeLeftovers(): Promise<void> {
    const { worker, workers } = this.#group;
    for (const name of (await ifThere(readdir(this.#directory))) ?? []) {
      const owner = Number(FILE_NAME.exec(name)?.[1] ?? 0);
      // As with shards: see shardsOfWorker.
      if (owner > 0 && ((owner - 1) % workers) + 1 === worker) {
        await rm(join(this.#directory, name), { force: true });
      }
    }
  }
}

async function assertSpace(directory: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  const freeBytes = bavail * bsize;
  if (freeBytes >= bytes * SPACE_FACTOR) return;
  throw new ServerError(
    "SERVER_OVERLOADED",
    `a Parquet export of ${bytes} bytes needs twice that in ${directory}, where ${freeBytes} are free; ` +
      "export a shorter time, or as lp, csv or jsonl, which need none",
    { details: { bytes, freeBytes } },
  );
}
