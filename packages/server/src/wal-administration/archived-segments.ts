/**
 * Archived segments, `*.wal.recovered`: listing them, and deciding which may go.
 *
 * The log gave a segment this name when no cursor needed it any more, so its rows are in Parquet. Nothing else is
 * ever removed here: not segments of the log, not `quarantine/`.
 */
import { readdir, stat, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { isErrno } from "@walnut/wal";
import { syncDirectory } from "../data-directory.ts";
import { ifThere } from "../if-there.ts";

/** A file of the log's directory. */
export interface WalFileFacts {
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** One file that may go, and why. */
export interface CleanupCandidate extends WalFileFacts {
  readonly reason: string;
}

const ARCHIVED_SUFFIX = ".wal.recovered";
const MS_PER_HOUR = 3_600_000;

/** Facts of files; those that went meanwhile are left out. */
export async function fileFacts(paths: readonly string[]): Promise<readonly WalFileFacts[]> {
  const found = await Promise.all(
    paths.map(async (path): Promise<readonly WalFileFacts[]> => {
      const facts = await ifThere(stat(path));
      if (facts === undefined) return [];
      const { size, mtimeMs } = facts;
      return [{ name: basename(path), path, sizeBytes: size, modifiedMs: mtimeMs }];
    }),
  );
  return found.flat();
}

/** Archived segments of a log, in the order of their names. */
export async function archivedSegments(directory: string): Promise<readonly WalFileFacts[]> {
  const names = (await ifThere(readdir(directory))) ?? []; // At level "off" there may be none.
  const archived = names.filter((name) => name.endsWith(ARCHIVED_SUFFIX)).toSorted();
  return await fileFacts(archived.map((name) => join(directory, name)));
}

/** Those that are older than allowed, with the reason. Pure. */
export function chooseForCleanup(
  files: readonly WalFileFacts[],
  { maxAgeMs, nowMs }: { readonly maxAgeMs: number; readonly nowMs: number },
): readonly CleanupCandidate[] {
  return files.flatMap((file) => {
    const ageMs = nowMs - file.modifiedMs;
    if (!file.name.endsWith(ARCHIVED_SUFFIX) || ageMs <= maxAgeMs) return [];
    const hours = (ageMs / MS_PER_HOUR).toFixed(1);
    return [{ ...file, reason: `released: its rows are in Parquet; last changed ${hours} h ago` }];
  });
}

/**
 * Removes files. A crash in the middle leaves some of them, which is no harm.
 *
 * @returns those that this call removed
 */
export async function removeFiles<File extends WalFileFacts>(
  directory: string,
  files: readonly File[],
): Promise<readonly File[]> {
  const removed: File[] = [];
  for (const file of files) {
    try {
      await unlink(file.path);
      removed.push(file);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error; // The log's own age limit was faster.
    }
  }
  if (removed.length > 0) await syncDirectory(directory);
  return removed;
}
