/**
 * Copies a directory of files as it is, whatever is in it: what a person does before anything is repaired.
 */
import { WalError } from "../errors.ts";
import { LOCK_NAME } from "../format/segment-name.ts";
import { copyFile, WHOLE_FILE } from "../storage/copy-file.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import { isErrno } from "../storage/system-error.ts";

export interface CopiedDirectory {
  readonly directory: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Copies every file below `from`, except who has it locked, into `to`, which must be empty or missing and not inside `from`. Durable
 * when it resolves.
 */
export async function copyDirectory(
  storage: Storage,
  from: string,
  to: string,
): Promise<CopiedDirectory> {
  if (`${to}/`.startsWith(joinPath(from, ""))) {
    throw new WalError("WAL_INVALID_OPTION", `${to} is inside ${from}; copy to another directory`, {
      details: { option: "backup", path: to },
    });
  }
  await storage.ensureDirectory(to);
  if ((await storage.listDirectory(to)).length > 0) {
    throw new WalError("WAL_INVALID_OPTION", `${to} is not empty; copy to a new directory`, {
      details: { option: "backup", path: to },
    });
  }
  const copied = { files: 0, bytes: 0 };
  await copyInto(storage, from, to, copied);
  return { directory: to, ...copied };
}

async function copyInto(
  storage: Storage,
  from: string,
  to: string,
  copied: { files: number; bytes: number },
): Promise<void> {
  for (const name of (await storage.listDirectory(from)).toSorted()) {
    if (name === LOCK_NAME) continue;
    const source = joinPath(from, name);
    const target = joinPath(to, name);
    if (await isDirectory(storage, source)) {
      await storage.ensureDirectory(target);
      await copyInto(storage, source, target, copied);
      continue;
    }
    copied.bytes += await copyFile(storage, source, target, WHOLE_FILE);
    copied.files++;
  }
  await storage.syncDirectory(to);
}

async function isDirectory(storage: Storage, path: string): Promise<boolean> {
  try {
    await storage.listDirectory(path);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOTDIR") || isErrno(error, "ENOENT")) return false;
    throw error;
  }
}
