/**
 * Backup of a live log: closed segments by hard link, the last one by copy, checkpoint and cursors written anew.
 *
 * The result is a log like any other: it can be opened, verified, read and restored. Closed segments never change in place, so
 * a link is as good as a copy and costs neither time nor space; where the file system cannot link, they are copied.
 */
import { WalError } from "../errors.ts";
import { encodeCheckpoint } from "../format/checkpoint-file.ts";
import { encodeCursorFile } from "../format/cursor-file.ts";
import {
  CHECKPOINT_NAME,
  CURSOR_DIRECTORY,
  CURSOR_SUFFIX,
  formatSegmentName,
} from "../format/segment-name.ts";
import type { BackupSource } from "../log/log-state.ts";
import { copyFile } from "../storage/copy-file.ts";
import { replaceFile } from "../storage/replace-file.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import { isErrno } from "../storage/system-error.ts";

/** The log and its cursors. */
export interface BackupParts extends BackupSource {
  readonly cursors: readonly { readonly name: string; readonly durableLsn: number }[];
}

export interface BackupReport {
  readonly directory: string;
  readonly firstLsn: number;
  readonly lastLsn: number;
  readonly segments: number;
  readonly linkedBytes: number;
  readonly copiedBytes: number;
}

/** Told after each segment. */
export type BackupProgress = (done: {
  readonly segments: number;
  readonly bytes: number;
  readonly segmentsTotal: number;
  readonly bytesTotal: number;
}) => void;

export interface WriteBackupOptions {
  /** An empty or a missing directory. */
  readonly target: string;
  readonly nowMs: number;
  readonly onProgress?: BackupProgress | undefined;
  /** Called when all segments are there and nothing says yet that they are a log; its failure is the backup's. */
  readonly onSegmentsWritten?: (() => Promise<void>) | undefined;
}

/**
 * Writes the backup. Everything is durable when it resolves. A crash before that leaves an unfinished directory without `CHECKPOINT`,
 * which is written last: a restore refuses it. Remove it.
 */
export async function writeBackup(
  storage: Storage,
  source: BackupParts,
  options: WriteBackupOptions,
): Promise<BackupReport> {
  const { target, nowMs, onProgress, onSegmentsWritten } = options;
  const { firstLsn, lastLsn, segments } = source;
  const first = segments[0];
  if (first === undefined) {
    throw new WalError(
      "WAL_INVALID_OPTION",
      "the log holds nothing that is durable yet: there is nothing to back up",
      { details: { path: target } },
    );
  }
  await makeTarget(storage, target);
  const bytesTotal = segments.reduce((total, { endOffset }) => total + endOffset, 0);
  let linkedBytes = 0;
  let copiedBytes = 0;
  for (const [index, segment] of segments.entries()) {
    const path = joinPath(target, formatSegmentName(segment.segmentId));
    if (segment.isImmutable && (await link(storage, segment.path, path))) {
      linkedBytes += segment.endOffset;
    } else {
      copiedBytes += await copySegment(storage, segment, path);
    }
    onProgress?.({
      segments: index + 1,
      bytes: linkedBytes + copiedBytes,
      segmentsTotal: segments.length,
      bytesTotal,
    });
  }
  await onSegmentsWritten?.();
  await writeCursors(storage, source, target, nowMs);
  await storage.syncDirectory(target);
  const checkpoint = { firstSegmentId: first.segmentId, firstLsn, writtenAtMs: nowMs };
  await replaceFile(storage, target, CHECKPOINT_NAME, encodeCheckpoint(checkpoint));
  return {
    directory: target,
    firstLsn,
    lastLsn,
    segments: segments.length,
    linkedBytes,
    copiedBytes,
  };
}

async function makeTarget(storage: Storage, target: string): Promise<void> {
  await storage.ensureDirectory(target);
  const present = await storage.listDirectory(target);
  if (present.length === 0) return;
  throw new WalError(
    "WAL_INVALID_OPTION",
    `${target} holds ${present.length} files; a backup goes into an empty or a new directory`,
    { details: { path: target } },
  );
}

/** An immutable segment is copied with its closing mark; of the others only what belongs to the log. */
async function copySegment(
  storage: Storage,
  segment: BackupSource["segments"][number],
  path: string,
): Promise<number> {
  const endOffset = segment.isImmutable ? Number.MAX_SAFE_INTEGER : segment.endOffset;
  return await copyFile(storage, segment.path, path, { fromOffset: 0, endOffset });
}

/** False where the file system cannot link: another device, or none that knows links. */
async function link(storage: Storage, from: string, to: string): Promise<boolean> {
  if (storage.link === undefined) return false;
  try {
    await storage.link(from, to);
    return true;
  } catch (error) {
    const cannot = ["EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];
    if (cannot.some((code) => isErrno(error, code))) return false;
    throw error;
  }
}

async function writeCursors(
  storage: Storage,
  source: BackupParts,
  target: string,
  nowMs: number,
): Promise<void> {
  if (source.cursors.length === 0) return;
  const directory = joinPath(target, CURSOR_DIRECTORY);
  await storage.ensureDirectory(directory);
  for (const { name, durableLsn } of source.cursors) {
    const ackedLsn = Math.min(durableLsn, source.lastLsn);
    const bytes = encodeCursorFile({ name, ackedLsn, writtenAtMs: nowMs });
    await replaceFile(storage, directory, name + CURSOR_SUFFIX, bytes);
  }
}
