/**
 * Small files that are read and written as a whole. What a crash leaves of one that is being written is told by those who name it.
 */
import { isErrno, type Storage } from "@walnut/wal";

/** All bytes of a file. @throws the system's error, also when there is no such file */
export async function readWhole(storage: Storage, path: string): Promise<Uint8Array> {
  const file = await storage.openFile(path, "read");
  try {
    const bytes = new Uint8Array(await file.size());
    return bytes.subarray(0, await file.read(bytes, 0, bytes.byteLength, 0));
  } finally {
    await file.close();
  }
}

/**
 * Writes a file under a name at which nobody looks, in place of what a crash has left there. Its bytes are on the device when it
 * resolves; a name is durable only when its directory is synced.
 */
export async function writeWhole(
  storage: Storage,
  path: string,
  buffers: readonly Uint8Array[],
): Promise<void> {
  await removeIfThere(storage, path);
  const file = await storage.createFile(path);
  try {
    await file.write(buffers, 0);
    await file.syncAll();
  } finally {
    await file.close();
  }
}

/** Removes a file; that it is not there is fine. */
export async function removeIfThere(storage: Storage, path: string): Promise<void> {
  try {
    await storage.remove(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
