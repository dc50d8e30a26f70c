/**
 * Archive: released segments that are kept, as `*.wal.recovered`, and cleaned by age and by bytes.
 *
 * A segment is in the archive only after it has left the log, so nothing here can lose a record that anybody still needs.
 */
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import { ARCHIVE_SUFFIX, TEMPORARY_SUFFIX } from "../format/segment-name.ts";
import { copyFile, WHOLE_FILE } from "../storage/copy-file.ts";
import { listIfThere, removeIfThere } from "../storage/replace-file.ts";
import { joinPath, type Storage, type StorageFile } from "../storage/storage.ts";
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
  /** By the segment's header; `undefined` when it cannot be read. */
  readonly createdAtMs: number | undefined;
}

export class SegmentArchive {
  readonly #options: SegmentArchiveOptions;

  constructor(options: SegmentArchiveOptions) {
    this.#options = options;
  }

  /**
   * Moves a released segment into the archive; durable when it resolves. At every moment it is in the log, in the archive, or in
   * both. That the file is gone already is fine: a crash came after the move.
   */
  async take(path: string): Promise<void> {
    const { storage, directory } = this.#options;
    await storage.ensureDirectory(directory);
    const header = await this.#headerOf(path);
    if (header === undefined) return;
    const target = await this.#targetFor(nameOf(path), header);
    try {
      await storage.rename(path, target);
    } catch (error) {
      if (!isErrno(error, "EXDEV")) throw error;
      await this.#copy(path, target);
    }
    await storage.syncDirectory(directory);
    await storage.syncDirectory(directoryOf(path));
  }

  /** Everything in the archive, oldest first; those of unknown age, whose header cannot be read, come last. */
  async list(): Promise<readonly ArchivedSegment[]> {
    const { storage, directory } = this.#options;
    const names = (await listIfThere(storage, directory)) ?? [];
    const archived: ArchivedSegment[] = [];
    for (const name of names.filter((candidate) => candidate.endsWith(ARCHIVE_SUFFIX)).sort()) {
      const described = await this.#describe(joinPath(directory, name));
      if (described !== undefined) archived.push(described);
    }
    return archived.sort((a, b) => ageOrder(a) - ageOrder(b));
  }

  /** Removes what is too old or too much. Returns what was removed. */
  async clean(): Promise<readonly ArchivedSegment[]> {
    const { storage, maxAgeMs, maxBytes, nowMs } = this.#options;
    if (maxAgeMs === 0 && maxBytes === 0) return [];
    const expired = expiredSegments(await this.list(), { maxAgeMs, maxBytes, nowMs: nowMs() });
    for (const segment of expired) await removeIfThere(storage, segment.path);
    return expired;
  }

  /** To another file system: under a temporary name, so that a file of the archive is always whole; then the original may go. */
  async #copy(path: string, target: string): Promise<void> {
    const { storage, directory } = this.#options;
    const unfinished = target + TEMPORARY_SUFFIX;
    await removeIfThere(storage, unfinished);
    await copyFile(storage, path, unfinished, WHOLE_FILE);
    await storage.rename(unfinished, target);
    await storage.syncDirectory(directory);
    await removeIfThere(storage, path);
  }

  /**
   * Where a segment goes: its own name, unless that is taken by another one. A directory may serve several logs, or one after
   * another; headers differ by their salts.
   */
  async #targetFor(name: string, header: Uint8Array): Promise<string> {
    const { directory } = this.#options;
    for (let count = 1; ; count++) {
      const unique = count === 1 ? name : name.replace(/\.wal$/, `.${count}.wal`);
      const target = joinPath(directory, unique + ARCHIVE_SUFFIX);
      const present = await this.#headerOf(target);
      // The same segment: a crash came between copying and removing.
      if (present === undefined || Buffer.compare(present, header) === 0) return target;
    }
  }

  /** The first bytes of a file, which tell segments apart; `undefined` when it is not there. */
  async #headerOf(path: string): Promise<Uint8Array | undefined> {
    return (await this.#open(path, readHeader))?.bytes;
  }

  async #describe(path: string): Promise<ArchivedSegment | undefined> {
    const read = await this.#open(path, readHeader);
    // Somebody else has cleaned up meanwhile.
    if (read === undefined) return undefined;
    const header = decodeSegmentHeader(read.bytes);
    const createdAtMs = header.kind === "valid" ? header.header.createdAtMs : undefined;
    return { path, sizeBytes: read.sizeBytes, createdAtMs };
  }

  async #open<T>(path: string, use: (file: StorageFile) => Promise<T>): Promise<T | undefined> {
    let file: StorageFile;
    try {
      file = await this.#options.storage.openFile(path, "read");
    } catch (error) {
      if (isErrno(error, "ENOENT")) return undefined;
      throw error;
    }
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }
}

async function readHeader(
  file: StorageFile,
): Promise<{ readonly bytes: Uint8Array; readonly sizeBytes: number }> {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const read = await file.read(bytes, 0, SEGMENT_HEADER_BYTES, 0);
  return { bytes: bytes.subarray(0, read), sizeBytes: await file.size() };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, Math.max(1, slash));
}

function ageOrder({ createdAtMs }: ArchivedSegment): number {
  return createdAtMs ?? Number.MAX_SAFE_INTEGER;
}

/** Which of the archived segments (oldest first) are too old or too much. Pure. */
export function expiredSegments(
  archived: readonly ArchivedSegment[],
  limits: { readonly maxAgeMs: number; readonly maxBytes: number; readonly nowMs: number },
): readonly ArchivedSegment[] {
  let bytes = 0;
  for (const segment of archived) bytes += segment.sizeBytes;
  return archived.filter((segment) => {
    // Of unknown age is not old.
    const ageMs = limits.nowMs - (segment.createdAtMs ?? limits.nowMs);
    const isOld = limits.maxAgeMs > 0 && ageMs > limits.maxAgeMs;
    const isTooMuch = limits.maxBytes > 0 && bytes > limits.maxBytes;
    if (isOld || isTooMuch) bytes -= segment.sizeBytes;
    return isOld || isTooMuch;
  });
}
