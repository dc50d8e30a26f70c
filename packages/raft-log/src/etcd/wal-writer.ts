/**
 * Appends records to etcd's WAL: one write and one sync for all that is asked for at the same time, files cut by size.
 *
 * Files are not preallocated: etcd accepts a file that ends with its last record, and a write that grows the file leaves, when it is
 * interrupted, a file that ends too early rather than zeros inside a record, which etcd's own test would take for damage.
 *
 * After a failed write or sync nothing more is written, but for a full disk: then the file is cut back to what it was, and the next
 * append may succeed.
 */
import { isNoSpace, joinPath, WalError, type Storage, type StorageFile } from "@walnut/wal";
import { ByteWriter } from "../byte-writer.ts";
import { removeIfThere } from "../whole-file.ts";
import { crc32c } from "./crc32c.ts";
import { segmentName } from "./segment-name.ts";
import type { Segment } from "./wal-directory.ts";
import { RECORD_TYPE, writeFrame } from "./wal-record.ts";

/** A record to be written: its data as pieces one behind the other. */
export interface NewRecord {
  readonly type: number;
  readonly data: readonly Uint8Array[];
}

/** Records that are written as one. */
export interface Append {
  readonly records: readonly NewRecord[];
  /** On the device before the promise resolves, or only handed to the system. */
  readonly isSynced: boolean;
  /** Index of the last entry when these records are there; `undefined` when they do not change it. */
  readonly lastIndex: number | undefined;
  /** Called when the records are there, in the order of the appends, with the offset of each in `sequence`. */
  readonly apply: (sequence: number, offsets: readonly number[]) => void;
  /** Called when they are not; in one step for all that fail together, so that nobody builds on one of them meanwhile. */
  readonly abandon: () => void;
}

interface Waiting extends Append {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface WalWriterParts {
  readonly storage: Storage;
  readonly directory: string;
  readonly metadata: Uint8Array;
  readonly segmentSizeBytes: number;
  readonly neverSyncs: boolean;
  /** Told of each new file, before anything is appended to it. */
  readonly onSegment: (segment: Segment) => Promise<void>;
}

/** Where to go on. */
export interface WalEnd {
  readonly segment: Segment;
  readonly file: StorageFile;
  readonly offsetBytes: number;
  readonly crc: number;
  readonly lastIndex: number;
  /** The last hard state as it was encoded; every new file begins with it. */
  readonly state: Uint8Array | undefined;
}

/** Memory for one group of appends is used again up to this size. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024; // 4 MiB

export class WalWriter {
  readonly #parts: WalWriterParts;
  #end: WalEnd;
  #buffer = new ByteWriter();
  #queue: Waiting[] = [];
  #draining: Promise<void> | undefined;
  #hasUnsynced = false;
  #failure: unknown;

  constructor(parts: WalWriterParts, end: WalEnd) {
    this.#parts = parts;
    this.#end = end;
  }

  get segment(): Segment {
    return this.#end.segment;
  }

  /** @throws {WalError} `WAL_NO_SPACE`, `WAL_IO`, `WAL_POISONED` */
  append(append: Append): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#queue.push({ ...append, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** Everything appended so far is on the device when it resolves. */
  async sync(): Promise<void> {
    await this.append({
      records: [],
      isSynced: true,
      lastIndex: undefined,
      apply: () => undefined,
      abandon: () => undefined,
    });
  }

  /** Runs a step outside of the files of the log. When it fails, nobody knows what it left: nothing more is written. */
  async guard(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#failure ??= error;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#draining;
    try {
      if (this.#hasUnsynced && this.#failure === undefined && !this.#parts.neverSyncs) {
        await this.#end.file.syncData();
      }
    } finally {
      await this.#end.file.close();
    }
  }

  /** Never rejects: failures go to those who wait. */
  async #drain(): Promise<void> {
    // Whoever appends in the same turn shares the write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#write(group);
      } catch (error) {
        // Those behind build on what was not written.
        this.#abandon([...group, ...this.#queue.splice(0)], error);
        continue;
      }
      for (const { resolve } of group) resolve();
      if (this.#end.offsetBytes < this.#parts.segmentSizeBytes) continue;
      try {
        await this.#cut();
      } catch (error) {
        this.#abandon(this.#queue.splice(0), error);
      }
    }
    // In one step with the look at the queue: an append that comes right behind must find nobody at work.
    this.#draining = undefined;
  }

  #abandon(failed: readonly Waiting[], error: unknown): void {
    const failure = this.#noteFailure(error);
    for (const { abandon } of failed) abandon();
    for (const { reject } of failed) reject(failure);
  }

  /** As many appends as fit into the file; one at least. */
  #takeGroup(): readonly Waiting[] {
    const roomBytes = this.#parts.segmentSizeBytes - this.#end.offsetBytes;
    let bytes = 0;
    const count = this.#queue.findIndex(({ records }) => {
      if (bytes >= roomBytes) return true;
      for (const { data } of records) for (const piece of data) bytes += piece.byteLength;
      return false;
    });
    return this.#queue.splice(0, count === -1 ? this.#queue.length : Math.max(1, count));
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    if (this.#failure !== undefined) throw poisoned(this.#failure);
    const { file, segment, offsetBytes } = this.#end;
    let { crc, lastIndex, state } = this.#end;
    const buffer = this.#freshBuffer();
    const offsets = group.map((append) => {
      lastIndex = append.lastIndex ?? lastIndex;
      return append.records.map(({ type, data }) => {
        const at = offsetBytes + buffer.length;
        crc = data.reduce(crc32c, crc);
        writeFrame(buffer, { type, crc }, data);
        if (type === RECORD_TYPE.state) state = data[0];
        return at;
      });
    });
    if (buffer.length > 0) await this.#writeBytes(buffer.view(0, buffer.length));
    const isSynced = !this.#parts.neverSyncs && group.some((append) => append.isSynced);
    if (isSynced && this.#hasUnsynced) {
      await file.syncData();
      this.#hasUnsynced = false;
    }
    this.#end = { ...this.#end, offsetBytes: offsetBytes + buffer.length, crc, lastIndex, state };
    for (const [position, append] of group.entries()) {
      append.apply(segment.sequence, offsets[position] ?? []);
    }
  }

  async #writeBytes(bytes: Uint8Array): Promise<void> {
    const { file, offsetBytes } = this.#end;
    try {
      await file.write([bytes], offsetBytes);
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      // Synced at once: pieces of what was not written must not be met behind what will be.
      await file.truncate(offsetBytes);
      await file.syncData();
      throw new NoSpace(error);
    }
    this.#hasUnsynced = true;
  }

  /**
   * Goes on in a new file. Steps, and what a crash right after each leaves behind:
   * 1. the file so far synced: the log as it is (CRASH: raft-etcd-cut-1)
   * 2. the new file written and synced under a temporary name: the same, and a leftover (CRASH: raft-etcd-cut-2)
   * 3. renamed, directory synced: the new file, without entries (CRASH: raft-etcd-cut-3)
   */
  async #cut(): Promise<void> {
    const { crc, lastIndex, state, segment, file } = this.#end;
    if (this.#hasUnsynced) await file.syncData();
    this.#hasUnsynced = false;
    const created = await createSegment(this.#parts, {
      sequence: segment.sequence + 1,
      firstIndex: lastIndex + 1,
      crc,
      records: state === undefined ? [] : [{ type: RECORD_TYPE.state, data: [state] }],
    });
    await file.close();
    this.#end = { ...created, lastIndex, state };
    await this.#parts.onSegment(created.segment);
  }

  #freshBuffer(): ByteWriter {
    if (this.#buffer.length > MAX_KEPT_BYTES) this.#buffer = new ByteWriter();
    this.#buffer.reset();
    return this.#buffer;
  }

  #noteFailure(error: unknown): unknown {
    const { path } = this.#end.segment;
    if (error instanceof NoSpace) return noSpace(path, error.cause);
    if (error instanceof WalError) return error;
    this.#failure = error;
    return isNoSpace(error)
      ? noSpace(path, error)
      : new WalError(
          "WAL_IO",
          `${path} could not be written: ${String(error)}; the log takes nothing more`,
          {
            details: { path },
            cause: error,
          },
        );
  }
}

/** Writes the first records of a segment and gives it its name; durable when it resolves. */
export async function createSegment(
  { storage, directory, metadata }: Pick<WalWriterParts, "storage" | "directory" | "metadata">,
  start: {
    readonly sequence: number;
    readonly firstIndex: number;
    readonly crc: number;
    readonly records: readonly NewRecord[];
  },
): Promise<Pick<WalEnd, "segment" | "file" | "offsetBytes" | "crc">> {
  const { sequence, firstIndex } = start;
  const buffer = new ByteWriter();
  let { crc } = start;
  writeFrame(buffer, { type: RECORD_TYPE.crc, crc }, undefined);
  crc = crc32c(crc, metadata);
  const data = metadata.byteLength === 0 ? undefined : [metadata];
  writeFrame(buffer, { type: RECORD_TYPE.metadata, crc }, data);
  for (const record of start.records) {
    crc = record.data.reduce(crc32c, crc);
    writeFrame(buffer, { type: record.type, crc }, record.data);
  }
  // Etcd has two such names, and takes them in turn.
  const temporaryPath = joinPath(directory, `${sequence % 2}.tmp`);
  await removeIfThere(storage, temporaryPath);
  const file = await storage.createFile(temporaryPath);
  try {
    await file.write([buffer.view(0, buffer.length)], 0);
    await file.syncAll();
    const path = joinPath(directory, segmentName({ sequence, firstIndex }));
    await storage.rename(temporaryPath, path);
    await storage.syncDirectory(directory);
    return { segment: { sequence, firstIndex, path }, file, offsetBytes: buffer.length, crc };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A write for which there was no room, and of which nothing was left. */
class NoSpace extends Error {
  constructor(cause: unknown) {
    super("no space", { cause });
    this.name = "NoSpace";
  }
}

function noSpace(path: string, cause: unknown): WalError {
  return new WalError("WAL_NO_SPACE", `${path}: there is no space left; nothing was saved`, {
    details: { path },
    cause,
  });
}

function poisoned(cause: unknown): WalError {
  return new WalError(
    "WAL_POISONED",
    "an earlier write or sync of the log failed; close it and open it again",
    { cause },
  );
}
