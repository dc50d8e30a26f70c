/**
 * The identity of a data directory inside a bucket: the part of its keys that no other data directory has.
 *
 * File names come from positions in the log, which begin at 1 everywhere. Two servers that were given the same bucket
 * and prefix by mistake would overwrite each other's files; with an identity in the key they cannot. It is made once
 * and kept in the data directory; several processes of one server agree on it.
 */
import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@walnut/wal";
import { ServerError } from "../errors.ts";
import { ifThere } from "../if-there.ts";
import type { StoreFileSystem } from "../store/store-file-system.ts";

/** Name of the file in the data directory. */
export const IDENTITY_FILE_NAME = "object-store-id";

const IDENTITY_PATTERN = /^[0-9a-f]{16}$/;
const IDENTITY_BYTES = 8;

/**
 * The identity of a data directory, made when there is none.
 *
 * @throws {ServerError} `SERVER_STORAGE_CORRUPT` when the file is there and holds something else
 */
export async function ensureStoreIdentity(
  directory: string,
  files: StoreFileSystem,
): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, IDENTITY_FILE_NAME);
  const found = await readIdentity(path);
  if (found !== undefined) return found;
  const temporaryPath = `${path}.${randomBytes(IDENTITY_BYTES).toString("hex")}.tmp`;
  const handle = await open(temporaryPath, "wx", 0o600);
  try {
    await handle.writeFile(`${randomBytes(IDENTITY_BYTES).toString("hex")}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // Never replaces: of several processes the first one decides.
    await link(temporaryPath, path);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  } finally {
    await unlink(temporaryPath);
  }
  // Before any key holds it: another identity after a power loss would upload everything again.
  await files.syncDirectory(directory);
  const made = await readIdentity(path);
  if (made === undefined) throw new Error(`${path} vanished while it was made`);
  return made;
}

async function readIdentity(path: string): Promise<string | undefined> {
  const text = (await ifThere(readFile(path, "utf8")))?.trim();
  if (text === undefined || IDENTITY_PATTERN.test(text)) return text;
  throw new ServerError(
    "SERVER_STORAGE_CORRUPT",
    `${path} does not hold 16 hex digits, as it was written. Restore it from a backup; without it, remove it: ` +
      "files that are in the bucket keep their keys, new ones get others",
    { details: { path } },
  );
}
