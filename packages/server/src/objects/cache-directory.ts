/**
 * The cache on disk: one directory, one file for each content, named after it.
 *
 *     {first two digits}/{SHA-256}-{bytes}.parquet
 *     {first two digits}/.{SHA-256}-{bytes}.parquet.tmp      being fetched
 *
 * A name says what its file holds, so a directory that is found at start explains itself. The bytes are synced before
 * the name is there: a power loss leaves a whole file or none. Times of use are kept as the files' own, roughly.
 */
import {
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  rename,
  stat,
  statfs,
  unlink,
  utimes,
} from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@walnut/wal";
import { ifThere } from "../if-there.ts";
import type { ObjectContent } from "./object-store.ts";

/** What a file of the cache is recognised by. */
export type CachedContent = Pick<ObjectContent, "sha256" | "bytes">;

/** Free space of the disk that the cache leaves to the log and its files, in bytes. */
const RESERVED_FREE_BYTES = 128 * 1024 * 1024; // 128 MiB
/** The time of use on disk is renewed when it is older than this. */
const TOUCH_AFTER_MS = 60_000;
const NAME_PATTERN = /^([0-9a-f]{64})-(\d{1,16})\.parquet$/;

/** A directory that no other process uses. */
export class CacheDirectory {
  /** Absolute, with slashes: as the SQL engine sees it. */
  readonly path: string;
  readonly #freeBytes: () => Promise<number>;
  readonly #touchedMs = new Map<string, number>();

  /** @param freeBytes - free bytes of the disk; the system's own by default */
  constructor(path: string, freeBytes?: () => Promise<number>) {
    this.path = path;
    this.#freeBytes = freeBytes ?? (async () => await freeBytesOf(path));
  }

  /** Makes the directory and lists what is in it, least recently used first. Removes what is not whole. */
  async recover(): Promise<readonly CachedContent[]> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    const found: { readonly content: CachedContent; readonly usedMs: number }[] = [];
    for (const folder of await readdir(this.path, { withFileTypes: true })) {
      if (!folder.isDirectory() || !/^[0-9a-f]{2}$/.test(folder.name)) continue;
      for (const name of await readdir(join(this.path, folder.name))) {
        const path = join(this.path, folder.name, name);
        const content = contentOf(name);
        const { size, mtimeMs } = await stat(path);
        if (content !== undefined && size === content.bytes) {
          found.push({ content, usedMs: mtimeMs });
        } else if (content !== undefined || name.endsWith(".parquet.tmp")) {
          await unlink(path);
        }
      }
    }
    return found.sort((a, b) => a.usedMs - b.usedMs).map(({ content }) => content);
  }

  pathOf(content: CachedContent): string {
    return `${this.path}/${content.sha256.slice(0, 2)}/${nameOf(content)}`;
  }

  /** Adds a file that `write` makes under the path it is given. */
  async add(content: CachedContent, write: (path: string) => Promise<void>): Promise<void> {
    const folder = `${this.path}/${content.sha256.slice(0, 2)}`;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const temporaryPath = `${folder}/.${nameOf(content)}.tmp`;
    try {
      // 1. The bytes. CRASH: cache-1 leaves a temporary file, removed at the next start.
      await write(temporaryPath);
      // 2. Durable before the name says that they are there. CRASH: cache-2, as cache-1.
      await syncFile(temporaryPath);
      // 3. The name. CRASH: cache-3 leaves a whole file, or a temporary one.
      await rename(temporaryPath, this.pathOf(content));
    } catch (error) {
      // Half a file would hold space on a disk that may be full; what cannot go now goes at the next start.
      await unlink(temporaryPath).catch(() => undefined);
      throw error;
    }
  }

  /** Adds a durable file that is here already, by a second name, or by a copy where that cannot be. */
  async adopt(content: CachedContent, filePath: string): Promise<void> {
    const folder = `${this.path}/${content.sha256.slice(0, 2)}`;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    try {
      await link(filePath, this.pathOf(content));
    } catch (error) {
      if (!isErrno(error, "EXDEV")) throw error;
      if ((await this.missingFreeBytes(content.bytes)) > 0) return await Promise.reject(error);
      await this.add(content, async (path) => await copyFile(filePath, path));
    }
  }

  /** Notes a use, so that a restart knows the order. In the background; a cache may do without. */
  touch(content: CachedContent): void {
    const now = new Date();
    const touchedMs = this.#touchedMs.get(content.sha256) ?? 0;
    if (now.getTime() - touchedMs < TOUCH_AFTER_MS) return;
    this.#touchedMs.set(content.sha256, now.getTime());
    utimes(this.pathOf(content), now, now).catch(() => undefined);
  }

  async remove(content: CachedContent): Promise<void> {
    this.#touchedMs.delete(content.sha256);
    await ifThere(unlink(this.pathOf(content)));
  }

  /** How many bytes would have to go before another file fits; 0 or less: none. */
  async missingFreeBytes(bytes: number): Promise<number> {
    if (bytes === 0) return 0;
    return bytes + RESERVED_FREE_BYTES - (await this.#freeBytes());
  }
}

function nameOf({ sha256, bytes }: CachedContent): string {
  return `${sha256}-${bytes}.parquet`;
}

function contentOf(name: string): CachedContent | undefined {
  const [, sha256, bytes] = NAME_PATTERN.exec(name) ?? [];
  return sha256 === undefined ? undefined : { sha256, bytes: Number(bytes) };
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function freeBytesOf(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
