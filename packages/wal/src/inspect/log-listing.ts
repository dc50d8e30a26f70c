/**
 * One consistent look at the directory of a log that somebody else may be writing: names, headers, checkpoint, cursors.
 *
 * Takes no lock and writes nothing. A release replaces the checkpoint before it removes a file, so a listing between two equal
 * checkpoints misses no file of the log; anything else is looked at again.
 */
import { WalError } from "../errors.ts";
import type { Checkpoint } from "../format/checkpoint-file.ts";
import { decodeCursorFile, type CursorRecord } from "../format/cursor-file.ts";
import {
  CHECKPOINT_NAME,
  CURSOR_DIRECTORY,
  CURSOR_SUFFIX,
  LOCK_NAME,
  parseSegmentName,
} from "../format/segment-name.ts";
import type { SegmentFileFacts } from "../recovery/chain-verdict.ts";
import { gatherCheckpoint, gatherSegments } from "../recovery/gather.ts";
import { isErrno } from "../storage/system-error.ts";
import { listIfThere, readSmallFile } from "../storage/replace-file.ts";
import { joinPath, type Storage } from "../storage/storage.ts";

/** A cursor file, readable or not. */
export interface ListedCursor {
  readonly name: string;
  readonly path: string;
  readonly fileBytes: number;
  /** `undefined` when the file is damaged. */
  readonly cursor: CursorRecord | undefined;
}

export interface LogListing {
  readonly directory: string;
  /** Every name in the directory. */
  readonly names: readonly string[];
  readonly checkpoint: Checkpoint | undefined;
  readonly isCheckpointDamaged: boolean;
  /** Segments from the checkpoint on, ascending by id. */
  readonly files: readonly SegmentFileFacts[];
  /** Names of segments below the checkpoint: released, not removed yet. */
  readonly releasedNames: readonly string[];
  readonly cursors: readonly ListedCursor[];
}

const MAX_ATTEMPTS = 100;

/**
 * Looks at the directory until nothing was released or dropped while looking.
 *
 * @throws {WalError} `WAL_UNSUPPORTED_FORMAT`; `WAL_IO` when the log never holds still
 */
export async function listLog(storage: Storage, directory: string): Promise<LogListing> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const listing = await tryToList(storage, directory);
    if (listing !== undefined) return listing;
  }
  throw new WalError("WAL_IO", `${directory} changes faster than it can be read`, {
    details: { path: directory },
  });
}

/** True when the names are those of a log, be it one that holds nothing yet. */
export function isLogDirectory(names: readonly string[]): boolean {
  return names.some(
    (name) =>
      name === CHECKPOINT_NAME || name === LOCK_NAME || parseSegmentName(name) !== undefined,
  );
}

async function tryToList(storage: Storage, directory: string): Promise<LogListing | undefined> {
  const before = await checkpointOf(storage, directory);
  const names = await storage.listDirectory(directory);
  const firstId = before.checkpoint?.firstSegmentId ?? 0;
  const isReleased = (name: string): boolean => (parseSegmentName(name) ?? firstId) < firstId;
  let files: readonly SegmentFileFacts[];
  try {
    files = await gatherSegments(
      storage,
      directory,
      names.filter((name) => !isReleased(name)),
    );
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
  const newer = files.find((file) => file.header.kind === "unsupported-version");
  if (newer?.header.kind === "unsupported-version") {
    throw newerFormat(newer.path, newer.header.version);
  }
  const cursors = await listCursors(storage, joinPath(directory, CURSOR_DIRECTORY));
  const after = await checkpointOf(storage, directory);
  if (JSON.stringify(after) !== JSON.stringify(before)) return undefined;
  return {
    ...before,
    directory,
    names,
    files: files.toSorted((a, b) => a.segmentId - b.segmentId),
    releasedNames: names.filter(isReleased).toSorted(),
    cursors,
  };
}

async function checkpointOf(
  storage: Storage,
  directory: string,
): Promise<Pick<LogListing, "checkpoint" | "isCheckpointDamaged">> {
  const facts = await gatherCheckpoint(storage, directory);
  switch (facts.kind) {
    case "none":
      return { checkpoint: undefined, isCheckpointDamaged: false };
    case "invalid":
      return { checkpoint: undefined, isCheckpointDamaged: true };
    case "valid":
      return { checkpoint: facts.checkpoint, isCheckpointDamaged: false };
    case "unsupported-version":
      throw newerFormat(joinPath(directory, CHECKPOINT_NAME), facts.version);
  }
}

async function listCursors(storage: Storage, directory: string): Promise<readonly ListedCursor[]> {
  const names = (await listIfThere(storage, directory)) ?? [];
  const cursors: ListedCursor[] = [];
  for (const fileName of names.filter((name) => name.endsWith(CURSOR_SUFFIX)).toSorted()) {
    const path = joinPath(directory, fileName);
    const bytes = await readSmallFile(storage, path);
    // Removed between listing and reading.
    if (bytes === undefined) continue;
    const result = decodeCursorFile(bytes);
    if (result.kind === "unsupported-version") throw newerFormat(path, result.version);
    const name = fileName.slice(0, -CURSOR_SUFFIX.length);
    const isReadable = result.kind === "valid" && result.cursor.name === name;
    cursors.push({
      name,
      path,
      fileBytes: bytes.byteLength,
      cursor: isReadable ? result.cursor : undefined,
    });
  }
  return cursors;
}

function newerFormat(path: string, version: number): WalError {
  return new WalError(
    "WAL_UNSUPPORTED_FORMAT",
    `${path}: format version ${version} is newer than this version of Walnut understands; upgrade`,
    { details: { path, version } },
  );
}
