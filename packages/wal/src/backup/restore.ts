/**
 * Restore: copies a backup into a new directory, which can then be opened, up to an LSN or a time if so wanted.
 *
 * The backup is only read, and nothing of it is linked: what happens to the restored log does not happen to the backup.
 */
import { WalError } from "../errors.ts";
import {
  CHECKPOINT_NAME,
  CURSOR_DIRECTORY,
  CURSOR_SUFFIX,
  parseSegmentName,
} from "../format/segment-name.ts";
import { copyFile, WHOLE_FILE } from "../storage/copy-file.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import { listIfThere } from "../storage/replace-file.ts";
import { isErrno } from "../storage/system-error.ts";
import type { BackupProgress } from "./backup.ts";

/** Copies the files of a log from `source` to `target`, which must be empty or missing. Durable when it resolves. */
export async function copyLog(
  storage: Storage,
  source: string,
  target: string,
  onProgress?: BackupProgress,
): Promise<void> {
  const names = await namesIn(storage, source);
  const segments = names.filter((name) => parseSegmentName(name) !== undefined).sort();
  if (segments.length === 0 || !names.includes(CHECKPOINT_NAME)) {
    throw new WalError(
      "WAL_CORRUPT",
      `${source} is no complete backup: it needs segments and a ${CHECKPOINT_NAME}`,
      { details: { path: source } },
    );
  }
  await storage.ensureDirectory(target);
  if ((await storage.listDirectory(target)).length > 0) {
    throw new WalError(
      "WAL_INVALID_OPTION",
      `${target} is not empty; restore into a new directory`,
      {
        details: { path: target },
      },
    );
  }
  const bytesTotal = await sizeOf(storage, source, segments);
  let bytes = 0;
  for (const [index, name] of segments.entries()) {
    bytes += await copyFile(storage, joinPath(source, name), joinPath(target, name), WHOLE_FILE);
    onProgress?.({ segments: index + 1, bytes, segmentsTotal: segments.length, bytesTotal });
  }
  await copyCursors(storage, source, target);
  const checkpoint = joinPath(source, CHECKPOINT_NAME);
  await copyFile(storage, checkpoint, joinPath(target, CHECKPOINT_NAME), WHOLE_FILE);
  await storage.syncDirectory(target);
}

async function sizeOf(
  storage: Storage,
  directory: string,
  names: readonly string[],
): Promise<number> {
  let bytes = 0;
  for (const name of names) {
    const file = await storage.openFile(joinPath(directory, name), "read");
    try {
      bytes += await file.size();
    } finally {
      await file.close();
    }
  }
  return bytes;
}

async function namesIn(storage: Storage, source: string): Promise<readonly string[]> {
  try {
    return await storage.listDirectory(source);
  } catch (error) {
    if (!isErrno(error, "ENOENT") && !isErrno(error, "ENOTDIR")) throw error;
    throw new WalError("WAL_INVALID_OPTION", `${source} is not a directory`, {
      details: { path: source },
      cause: error,
    });
  }
}

async function copyCursors(storage: Storage, source: string, target: string): Promise<void> {
  const from = joinPath(source, CURSOR_DIRECTORY);
  const names = await listIfThere(storage, from);
  if (names === undefined) return;
  const to = joinPath(target, CURSOR_DIRECTORY);
  await storage.ensureDirectory(to);
  for (const name of names.filter((candidate) => candidate.endsWith(CURSOR_SUFFIX))) {
    await copyFile(storage, joinPath(from, name), joinPath(to, name), WHOLE_FILE);
  }
  await storage.syncDirectory(to);
}
