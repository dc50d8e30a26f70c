/**
 * Copies bytes of a file into a new one.
 */
import type { Storage, StorageFile } from "./storage.ts";

const CHUNK_BYTES = 1024 * 1024; // 1 MiB

/**
 * Copies `[fromOffset, endOffset)`, or as much of it as there is, into a file that must not exist. The copy's bytes are on the device
 * when it resolves; its name is durable once its directory is synced.
 *
 * @returns the bytes copied
 */
export async function copyFile(
  storage: Storage,
  fromPath: string,
  toPath: string,
  range: { readonly fromOffset: number; readonly endOffset: number },
): Promise<number> {
  const source = await storage.openFile(fromPath, "read");
  try {
    const target = await storage.createFile(toPath);
    try {
      const copied = await copyBytes(source, target, range.fromOffset, range.endOffset);
      await target.syncAll();
      return copied;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
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
