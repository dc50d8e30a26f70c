/**
 * A shard: one log, one catalog, and the Parquet files that carry its number.
 *
 *     wal/worker-K/        the log
 *     catalog/worker-K/    which Parquet files are part of which table
 *     keys/worker-K/       identities of writes that the log has released, if there are any
 *
 * Worker K of N writes to shard K. A data directory that was served by more workers before has further shards:
 * each is adopted by one of the workers, which replays and flushes it and answers for it from then on. Which
 * worker has which shard follows from the two numbers alone, so every process agrees on it. Layout:
 * docs/storage.md.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ServerError } from "../errors.ts";
import { ifThere } from "../if-there.ts";

/** Most workers of a server, and the highest number of a shard. */
export const MAX_WORKERS = 64;

const WAL_DIRECTORY = "wal";
const CATALOG_DIRECTORY = "catalog";
const KEY_DIRECTORY = "keys";
const SHARD_NAME = /^worker-([1-9]\d{0,8})$/;

/** Directory of a shard's log inside the data directory. */
export function walDirectoryOf(shard: number): string {
  return join(WAL_DIRECTORY, `worker-${shard}`);
}

/** Directory of a shard's catalog inside the data directory. */
export function catalogDirectoryOf(shard: number): string {
  return join(CATALOG_DIRECTORY, `worker-${shard}`);
}

/** Directory of the identities that a shard's log has released, inside the data directory. */
export function keyDirectoryOf(shard: number): string {
  return join(KEY_DIRECTORY, `worker-${shard}`);
}

/**
 * Numbers of the shards that a data directory has, in order.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT` for a number that no server gives out: it must not be overlooked
 */
export async function findShards(dataDirectory: string): Promise<readonly number[]> {
  const found = new Set<number>();
  for (const parent of [WAL_DIRECTORY, CATALOG_DIRECTORY]) {
    const names = await ifThere(readdir(join(dataDirectory, parent)));
    for (const name of names ?? []) {
      const match = SHARD_NAME.exec(name);
      if (match === null) continue;
      const shard = Number(match[1]);
      if (shard > MAX_WORKERS) throw strangeShard(join(dataDirectory, parent, name));
      found.add(shard);
    }
  }
  return [...found].toSorted((a, b) => a - b);
}

/**
 * Shards of one worker: its own first, then those it has adopted.
 *
 * @param existing - shards that the data directory has, see {@link findShards}
 */
export function shardsOfWorker(
  worker: number,
  { workers, existing }: { readonly workers: number; readonly existing: readonly number[] },
): readonly number[] {
  const adopted = existing.filter(
    (shard) => shard > workers && ((shard - 1) % workers) + 1 === worker,
  );
  return [worker, ...adopted];
}

/** Shards of all workers but one. */
export function shardsOfOthers(
  worker: number,
  server: { readonly workers: number; readonly existing: readonly number[] },
): readonly number[] {
  const shards: number[] = [];
  for (let other = 1; other <= server.workers; other++) {
    if (other !== worker) shards.push(...shardsOfWorker(other, server));
  }
  return shards;
}

function strangeShard(path: string): ServerError {
  return new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `${path} has a number above ${MAX_WORKERS}, the most that workers can have; ` +
      "move it away, or rename it to a free number if it is a shard of this server",
    { details: { path } },
  );
}
