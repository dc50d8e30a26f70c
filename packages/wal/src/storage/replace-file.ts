/**
 * Replaces a small file as a whole: after a crash it holds the old bytes or the new ones, never a mixture.
 */
import { isErrno, isNoSpace } from "./system-error.ts";
import { joinPath, type Storage } from "./storage.ts";

/** Behind the name of a file that is about to take another one's place. */
export const TEMPORARY_SUFFIX = ".tmp";

/**
 * A small file full of zeros that gives its space to a replacement when the disk is full. Without it a full log could not be
 * emptied: moving a cursor needs a few bytes, and only then can segments go.
 */
export const RESERVE_NAME = "reserve";
const RESERVE_BYTES = 4096;

/**
 * Writes `bytes` as `directory/name`. Durable when it resolves.
 *
 * Steps, and what a crash right after each leaves behind:
 * 1. temporary file written and synced: the old file, and a leftover that the next open removes
 * 2. renamed: the old or the new file
 * 3. directory synced: the new file
 *
 * On a full disk the temporary file is made of the directory's reserve, if there is one. False when that could not be made again.
 */
export async function replaceFile(
  storage: Storage,
  directory: string,
  name: string,
  bytes: Uint8Array,
): Promise<boolean> {
  const path = joinPath(directory, name);
  const temporaryPath = path + TEMPORARY_SUFFIX;
  const reservePath = joinPath(directory, RESERVE_NAME);
  await removeIfThere(storage, temporaryPath);
  let usedReserve = false;
  try {
    await writeNewFile(storage, temporaryPath, bytes);
  } catch (error) {
    if (!isNoSpace(error) || bytes.byteLength > RESERVE_BYTES) throw error;
    await removeIfThere(storage, temporaryPath);
    try {
      await storage.rename(reservePath, temporaryPath);
    } catch (missing) {
      throw isErrno(missing, "ENOENT") ? error : missing;
    }
    await overwriteFile(storage, temporaryPath, bytes);
    usedReserve = true;
  }
  await storage.rename(temporaryPath, path);
  await storage.syncDirectory(directory);
  // What was replaced has left its space behind.
  return usedReserve ? await keepReserve(storage, directory) : true;
}

/**
 * Makes the reserve of a directory if it is missing and there is room for it; true when it is there.
 *
 * It gets its name when it is whole and synced: nobody takes one that is still being written, and a crash leaves the temporary
 * file, which the next open removes.
 */
export async function keepReserve(storage: Storage, directory: string): Promise<boolean> {
  const path = joinPath(directory, RESERVE_NAME);
  if (await isThere(storage, path)) return true;
  const temporaryPath = path + TEMPORARY_SUFFIX;
  try {
    await writeNewFile(storage, temporaryPath, new Uint8Array(RESERVE_BYTES));
    await storage.rename(temporaryPath, path);
    return true;
  } catch (error) {
    // Somebody else is making it: not there yet.
    if (isErrno(error, "EEXIST")) return false;
    if (!isNoSpace(error)) throw error;
    await removeIfThere(storage, temporaryPath);
    return false;
  }
}

async function isThere(storage: Storage, path: string): Promise<boolean> {
  try {
    const file = await storage.openFile(path, "read");
    await file.close();
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

async function writeNewFile(storage: Storage, path: string, bytes: Uint8Array): Promise<void> {
  const file = await storage.createFile(path);
  try {
    await file.write([bytes], 0);
    await file.syncAll();
  } finally {
    await file.close();
  }
}

async function overwriteFile(storage: Storage, path: string, bytes: Uint8Array): Promise<void> {
  const file = await storage.openFile(path, "write");
  try {
    await file.write([bytes], 0);
    await file.truncate(bytes.byteLength);
    await file.syncAll();
  } finally {
    await file.close();
  }
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

/** Names in a directory, or `undefined` when there is none. Any other failure is thrown: what cannot be read is not empty. */
export async function listIfThere(
  storage: Storage,
  directory: string,
): Promise<readonly string[] | undefined> {
  try {
    return await storage.listDirectory(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
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
