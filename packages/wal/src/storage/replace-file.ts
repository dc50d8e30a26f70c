/**
 * Replaces a small file as a whole: after a crash it holds the old bytes or the new ones, never a mixture.
 */
import { joinPath, type Storage } from "./storage.ts";

const TEMPORARY_SUFFIX = ".tmp";

/**
 * Writes `bytes` as `directory/name`. Durable when it resolves.
 *
 * Steps, and what a crash right after each leaves behind:
 * 1. temporary file written and synced: the old file, and a leftover that the next open removes
 * 2. renamed: the old or the new file
 * 3. directory synced: the new file
 */
export async function replaceFile(
  storage: Storage,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const path = joinPath(directory, name);
  const temporaryPath = path + TEMPORARY_SUFFIX;
  await removeIfThere(storage, temporaryPath);
  const file = await storage.createFile(temporaryPath);
  try {
    await file.write([bytes], 0);
    await file.syncAll();
  } finally {
    await file.close();
  }
  await storage.rename(temporaryPath, path);
  await storage.syncDirectory(directory);
}

/** Reads a whole small file, or `undefined` when it is not there. Any other failure is thrown. */
export async function readSmallFile(
  storage: Storage,
  path: string,
): Promise<Uint8Array | undefined> {
  let file;
  try {
    file = await storage.openFile(path, "read");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(await file.size());
    const read = await file.read(bytes, 0, bytes.byteLength, 0);
    return bytes.subarray(0, read);
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

/** True for a system error of this name ("ENOENT", "ENOSPC", …). */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
