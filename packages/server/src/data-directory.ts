/**
 * The data directory: made on the first run, for the owner's eyes only, and known to be writable.
 *
 * After `prepareDataDirectory` resolves the directory and its new parents survive a power loss. It does not
 * lock the directory: the log and the catalog inside hold their own locks.
 */
import { constants } from "node:fs";
import { access, mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { ServerError } from "./errors.ts";

/** Mode of a new data directory: the owner alone, because the rows and the token are inside. */
const DIRECTORY_MODE = 0o700;

/**
 * Makes the directory if it is missing and checks that this process can write to it.
 *
 * @returns its absolute path
 * @throws {ServerError} `SERVER_INVALID_OPTION` when it is no directory, or cannot be made or written
 */
export async function prepareDataDirectory(path: string): Promise<string> {
  return await prepareDirectory(path, "dataDirectory");
}

/** The same for the directory that an option names. */
export async function prepareDirectory(
  path: string,
  option: "dataDirectory" | "walDirectory",
): Promise<string> {
  const directory = resolve(path);
  try {
    const firstCreated = await mkdir(directory, { recursive: true, mode: DIRECTORY_MODE });
    if (firstCreated !== undefined) await syncNewEntries(directory, dirname(firstCreated));
    if (!(await stat(directory)).isDirectory()) throw new Error("it is not a directory");
    await access(directory, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new ServerError(
      "SERVER_INVALID_OPTION",
      `the directory ${directory} cannot be used: ${reasonOf(error)}`,
      { details: { option, path: directory }, cause: error },
    );
  }
  return directory;
}

/** Syncs one directory, so that entries made in it survive a power loss. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Syncs every directory from the parent of `directory` up to `topmost`: each got one new entry. */
async function syncNewEntries(directory: string, topmost: string): Promise<void> {
  let parent = dirname(directory);
  await syncDirectory(parent);
  while (parent !== topmost && parent !== dirname(parent)) {
    parent = dirname(parent);
    await syncDirectory(parent);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
