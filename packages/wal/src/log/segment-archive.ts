/**
 * Archive: released segments that are kept, as `*.wal.recovered`, and cleaned by age and by bytes.
 *
 * A segment is in the archive only after it has left the log, so nothing here can lose a record that anybody still needs.
 */
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { ARCHIVE_SUFFIX } from "../format/segment-name.ts";
import { copyFile } from "../storage/copy-file.ts";
import { removeIfThere } from "../storage/replace-file.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import { isErrno } from "../storage/system-error.ts";

export interface SegmentArchiveOptions {
  readonly storage: Storage;
  /** The log's own directory or another one; created when it is needed. */
  readonly directory: string;
  /** Archived segments created longer ago than this go; 0 keeps them. */
  readonly maxAgeMs: number;
  /** The oldest go while all of them together are larger than this; 0 keeps them. */
  readonly maxBytes: number;
  readonly nowMs: () => number;
}

/** A file of the archive. */
export interface ArchivedSegment {
  readonly path: string;
  readonly sizeBytes: number;
  /** By the segment's header; 0 when it cannot be read. */
  readonly createdAtMs: number;
}

export class SegmentArchive {
  readonly #options: SegmentArchiveOptions;

  constructor(options: SegmentArchiveOptions) {
    this.#options = options;
  }

  /**
   * Moves a released segment into the archive; durable when it resolves. That the file is gone already is fine: a crash came after
   * the move.
   */
  async take(path: string): Promise<void> {
    const { storage, directory } = this.#options;
    await storage.ensureDirectory(directory);
    const target = joinPath(directory, path.slice(path.lastIndexOf("/") + 1) + ARCHIVE_SUFFIX);
    try {
      await storage.rename(path, target);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return;
      if (!isErrno(error, "EXDEV")) throw error;
      // To another file system: copy, sync, and only then may the original go.
      await removeIfThere(storage, target);
      await copyFile(storage, path, target, {
        fromOffset: 0,
        endOffset: Number.MAX_SAFE_INTEGER,
      });
      await storage.syncDirectory(directory);
      await removeIfThere(storage, path);
    }
    await storage.syncDirectory(directory);
  }

  /** Everything in the archive, oldest first. */
  async list(): Promise<readonly ArchivedSegment[]> {
    const { storage, directory } = this.#options;
    let names: readonly string[];
    try {
      names = await storage.listDirectory(directory);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return [];
      throw error;
    }
    const archived: ArchivedSegment[] = [];
    for (const name of names.filter((candidate) => candidate.endsWith(ARCHIVE_SUFFIX)).sort()) {
      archived.push(await this.#describe(joinPath(directory, name)));
    }
    return archived;
  }

  /** Removes what is too old or too much. Returns what was removed. */
  async clean(): Promise<readonly ArchivedSegment[]> {
    const { storage, maxAgeMs, maxBytes, nowMs } = this.#options;
    if (maxAgeMs === 0 && maxBytes === 0) return [];
    const expired = expiredSegments(await this.list(), { maxAgeMs, maxBytes, nowMs: nowMs() });
    for (const segment of expired) await removeIfThere(storage, segment.path);
    return expired;
  }

  async #describe(path: string): Promise<ArchivedSegment> {
    const file = await this.#options.storage.openFile(path, "read");
    try {
      const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
      const read = await file.read(bytes, 0, SEGMENT_HEADER_BYTES, 0);
      const header = decodeSegmentHeader(bytes.subarray(0, read));
      const createdAtMs = header.kind === "valid" ? header.header.createdAtMs : 0;
      return { path, sizeBytes: await file.size(), createdAtMs };
    } finally {
      await file.close();
    }
  }
}

/** Which of the archived segments (oldest first) are too old or too much. Pure. */
export function expiredSegments(
  archived: readonly ArchivedSegment[],
  limits: { readonly maxAgeMs: number; readonly maxBytes: number; readonly nowMs: number },
): readonly ArchivedSegment[] {
  let bytes = 0;
  for (const segment of archived) bytes += segment.sizeBytes;
  return archived.filter((segment) => {
    const isOld = limits.maxAgeMs > 0 && limits.nowMs - segment.createdAtMs > limits.maxAgeMs;
    const isTooMuch = limits.maxBytes > 0 && bytes > limits.maxBytes;
    if (isOld || isTooMuch) bytes -= segment.sizeBytes;
    return isOld || isTooMuch;
  });
}
