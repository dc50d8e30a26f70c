/**
 * Etcd's repair of a WAL: the newest file is cut behind its last whole record, after it was copied beside itself.
 *
 * For what a crash leaves, nothing else: a wrong checksum in what was whole once is not repaired, because what is behind it may have
 * been promised to others.
 */
import { joinPath, type Storage, type StorageFile } from "@walnut/wal";
import { namesIn } from "./wal-directory.ts";

const BROKEN_SUFFIX = ".broken";
const COPY_BYTES = 1024 * 1024; // 1 MiB

export interface TornSegment {
  /** Directory of the WAL. */
  readonly directory: string;
  readonly path: string;
  /** Where the whole records end. */
  readonly endOffsetBytes: number;
}

/**
 * Cuts a file. Steps, and what a crash right after each leaves behind:
 * 1. copy synced, its name on the device: the file as it was, and a copy (CRASH: raft-etcd-repair-1)
 * 2. file cut and synced: the log without its torn end (CRASH: raft-etcd-repair-2)
 *
 * @returns path of the copy
 */
export async function cutSegment(storage: Storage, torn: TornSegment): Promise<string> {
  const { directory, path, endOffsetBytes } = torn;
  const brokenPath = path + BROKEN_SUFFIX;
  const names = await namesIn(storage, directory);
  if (names.some((name) => joinPath(directory, name) === brokenPath))
    await storage.remove(brokenPath);
  const file = await storage.openFile(path, "write");
  try {
    const copy = await storage.createFile(brokenPath);
    try {
      await copyBytes(file, copy);
      await copy.syncAll();
    } finally {
      await copy.close();
    }
    await storage.syncDirectory(directory);
    await file.truncate(endOffsetBytes);
    await file.syncAll();
  } finally {
    await file.close();
  }
  return brokenPath;
}

/** Whether everything from an offset on is zeros, as in a file that was preallocated. */
export async function isZeroFrom(file: StorageFile, offsetBytes: number): Promise<boolean> {
  const sizeBytes = await file.size();
  const buffer = new Uint8Array(COPY_BYTES);
  const zeros = Buffer.alloc(COPY_BYTES);
  for (let at = offsetBytes; at < sizeBytes;) {
    const read = await file.read(buffer, 0, Math.min(COPY_BYTES, sizeBytes - at), at);
    if (read === 0) return true;
    if (!zeros.subarray(0, read).equals(buffer.subarray(0, read))) return false;
    at += read;
  }
  return true;
}

async function copyBytes(from: StorageFile, to: StorageFile): Promise<void> {
  const buffer = new Uint8Array(COPY_BYTES);
  for (let at = 0; ;) {
    const read = await from.read(buffer, 0, COPY_BYTES, at);
    if (read === 0) return;
    await to.write([buffer.subarray(0, read)], at);
    at += read;
  }
}

/** Writes the first bytes of a file over themselves: what a failed sync left in memory alone is on the device after the next one. */
export async function rewriteBytes(file: StorageFile, endOffsetBytes: number): Promise<void> {
  for (let at = 0; at < endOffsetBytes;) {
    const buffer = new Uint8Array(Math.min(COPY_BYTES, endOffsetBytes - at));
    const read = await file.read(buffer, 0, buffer.byteLength, at);
    if (read === 0) return;
    await file.write([buffer.subarray(0, read)], at);
    at += read;
  }
}
