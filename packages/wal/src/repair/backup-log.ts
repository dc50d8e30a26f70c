/**
 * Backup of a log from outside, beside the process that writes it: takes no lock, and writes only into its target.
 *
 * Holds what the operating system has, durable or not, up to the last complete batch. Segments that are surely not changed any more are
 * linked, the others copied; then the log is looked at again, and when it has been cut or released meanwhile all is begun anew.
 */
import { writeBackup, type BackupProgress, type BackupReport } from "../backup/backup.ts";
import type { BackupParts } from "../backup/backup.ts";
import type { WalEnvironment } from "../environment.ts";
import { WalError } from "../errors.ts";
import { CURSOR_DIRECTORY } from "../format/segment-name.ts";
import { inspectLog, type InspectedSegment, type LogInspection } from "../inspect/inspect-log.ts";
import { nodeEnvironment } from "../open-wal.ts";
import { removeIfThere } from "../storage/replace-file.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import { asWalError, isErrno } from "../storage/system-error.ts";
import { wholeMs } from "../wall-clock.ts";

export interface BackupLogOptions {
  readonly directory: string;
  /** An empty or a new directory. */
  readonly target: string;
  readonly onProgress?: BackupProgress | undefined;
  /** Default this machine's disk and clock. */
  readonly environment?: WalEnvironment | undefined;
}

/**
 * A group that finds no space is taken back, and the files that it began are cut. A segment whose successor was begun longer ago than
 * any group takes is not changed in place any more, by anybody.
 */
const SETTLED_MS = 60_000;
const MAX_ATTEMPTS = 20;

/** The log was cut or released while it was copied. */
class MovedError extends Error {
  override readonly name = "MovedError";
}

/**
 * Writes a backup of a log that this or another process may have open. For a log of this process `Wal.backup` is the better choice:
 * it holds what is durable and nothing else.
 *
 * @throws {WalError} `WAL_INVALID_OPTION`, `WAL_CORRUPT` when headers, the end of the log or a small file are damaged, `WAL_NO_SPACE`,
 * `WAL_IO`
 */
export async function backupLog(options: BackupLogOptions): Promise<BackupReport> {
  const environment = options.environment ?? nodeEnvironment();
  const { directory, target } = options;
  try {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const report = await tryToBackUp(environment, options);
      if (report !== undefined) return report;
      await removeSegments(environment.storage, target);
    }
  } catch (error) {
    throw asWalError(error, `the backup of ${directory} into ${target} failed`);
  }
  throw new WalError("WAL_IO", `${directory} changes faster than it can be copied`, {
    details: { path: directory },
  });
}

/** `undefined` when the log has moved meanwhile. */
async function tryToBackUp(
  environment: WalEnvironment,
  { directory, target, onProgress }: BackupLogOptions,
): Promise<BackupReport | undefined> {
  const { storage } = environment;
  const seen = await inspectLog({ directory, storage });
  assertUndamaged(seen);
  const nowMs = wholeMs(environment);
  try {
    return await writeBackup(storage, partsOf(seen, nowMs), {
      target,
      nowMs,
      onProgress,
      onSegmentsWritten: async () => {
        const now = await inspectLog({ directory, storage });
        if (hasMoved(seen, now)) throw new MovedError(`${directory} has been cut or released`);
      },
    });
  } catch (error) {
    // A file that was there a moment ago was released.
    if (error instanceof MovedError || isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function partsOf(seen: LogInspection, nowMs: number): BackupParts {
  const { segments, written, cursors, firstLsn } = seen;
  const lastLsn = Math.max(written?.lsn ?? 0, firstLsn - 1);
  return {
    firstLsn,
    lastLsn,
    segments: segments.map(({ segmentId, path, usedBytes }, index) => {
      const successor = segments[index + 1];
      if (successor === undefined) {
        const endOffset = written?.offsetBytes ?? usedBytes;
        return { segmentId, path, endOffset, isImmutable: false };
      }
      const isImmutable = nowMs - successor.createdAtMs > SETTLED_MS;
      return { segmentId, path, endOffset: successor.previousEndOffset, isImmutable };
    }),
    cursors: cursors.map(({ name, ackedLsn }) => ({ name, durableLsn: ackedLsn ?? 0 })),
  };
}

/** A backup of what is damaged would be refused when it is needed. */
function assertUndamaged({ directory, damage, cursors, segments }: LogInspection): void {
  const [first] = damage;
  if (first !== undefined) throw damaged(first.path, first.reason);
  const cursor = cursors.find(({ ackedLsn }) => ackedLsn === undefined);
  if (cursor !== undefined) throw damaged(directory, `cursor ${cursor.name} is damaged`);
  const last = segments.at(-1);
  if (last?.state === "sealed") {
    throw damaged(last.path, "another segment follows it by its own word, and there is none");
  }
}

function damaged(path: string, reason: string): WalError {
  return new WalError(
    "WAL_CORRUPT",
    `${path}: ${reason}; verify the log, then restore or repair it`,
    {
      details: { path, reason },
    },
  );
}

/**
 * True unless every segment that was seen is still the same, or was released. The header of a segment says where the one before it ends, so
 * one that is still part of the log vouches for all before it; none left, and nobody does.
 */
function hasMoved(seen: LogInspection, now: LogInspection): boolean {
  const last = seen.segments.at(-1);
  const present = new Map(now.segments.map((segment) => [segment.segmentId, segment]));
  const firstId = now.segments[0]?.segmentId ?? 0;
  if (last === undefined || last.segmentId < firstId) return true;
  const isSame = (segment: InspectedSegment): boolean =>
    segment.segmentId < firstId || present.get(segment.segmentId)?.salt === segment.salt;
  if (!seen.segments.every(isSame)) return true;
  const at = now.segments.findIndex(({ segmentId }) => segmentId === last.segmentId);
  const endOffset = now.segments[at + 1]?.previousEndOffset ?? now.written?.offsetBytes ?? 0;
  return endOffset < (seen.written?.offsetBytes ?? 0);
}

/** Takes back what an attempt has written: nothing but segments, as far as it came. */
async function removeSegments(storage: Storage, target: string): Promise<void> {
  for (const name of await storage.listDirectory(target)) {
    if (name !== CURSOR_DIRECTORY) await removeIfThere(storage, joinPath(target, name));
  }
}
