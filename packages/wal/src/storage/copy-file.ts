/**
 * Copies bytes of a file into a new one, or puts a copy in the file's own place.
 */
import { removeIfThere, TEMPORARY_SUFFIX } from "./replace-file.ts";
import type { Storage, StorageFile } from "./storage.ts";
import { orNoSpace } from "./system-error.ts";

/** `[fromOffset, endOffset)`, or as much of it as there is. */
export interface ByteRange {
  readonly fromOffset: number;
  readonly endOffset: number;
}

/** All bytes there are. */
export const WHOLE_FILE: ByteRange = { fromOffset: 0, endOffset: Number.MAX_SAFE_INTEGER };

const CHUNK_BYTES = 1024 * 1024; // 1 MiB

/**
 * Copies `[fromOffset, endOffset)`, or as much of it as there is, into a file that must not exist. The copy's bytes are on the device
 * when it resolves; its name is durable once its directory is synced. A failed copy is removed.
 *
 * @returns the bytes copied
 */
export async function copyFile(
  storage: Storage,
  fromPath: string,
  toPath: string,
  range: ByteRange,
): Promise<number> {
  const source = await storage.openFile(fromPath, "read");
  try {
    const target = await storage.createFile(toPath);
    try {
      const copied = await copyBytes(source, target, range.fromOffset, range.endOffset);
      await target.syncAll();
      return copied;
    } catch (error) {
      // The space of half a copy is worth more than the half. What is wrong has been caught already.
      await storage.remove(toPath).catch(() => undefined);
      throw error;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/**
 * Gives a name a file of its own before the file is changed in place: a backup may hold the same file under another name. A crash
 * leaves the old file or an equal new one, and a leftover that the next open removes.
 *
 * @param endOffset - where the copy ends; what lies behind is no longer wanted
 */
export async function unshareFile(
  storage: Storage,
  directory: string,
  path: string,
  endOffset: number = Number.MAX_SAFE_INTEGER,
): Promise<void> {
  // Where there are no links nothing is shared.
  if (storage.link === undefined) return;
  const copyPath = path + TEMPORARY_SUFFIX;
  await removeIfThere(storage, copyPath);
  // Behind the rename the outcome is the directory's.
  await orNoSpace(() => copyFile(storage, path, copyPath, { fromOffset: 0, endOffset }));
  await storage.rename(copyPath, path);
  await storage.syncDirectory(directory);
}

async function copyBytes(
  source: StorageFile,
  target: StorageFile,
  fromOffset: number,
  endOffset: number,
): Promise<number> {
  const end = Math.min(endOffset, await source.size());
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(0, end - fromOffset)));
  let copied = 0;
  while (fromOffset + copied < end) {
    const length = Math.min(chunk.byteLength, end - fromOffset - copied);
    const read = await source.read(chunk, 0, length, fromOffset + copied);
    if (read === 0) break;
    await target.write([chunk.subarray(0, read)], copied);
    copied += read;
  }
  return copied;
}
