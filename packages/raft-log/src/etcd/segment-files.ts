/**
 * Open files of a WAL for reading, by sequence number: opened when they are first read, closed when they are released and nobody
 * reads them any more.
 */
import type { Storage, StorageFile } from "@walnut/wal";
import { RaftLogError } from "../errors.ts";
import type { Segment } from "./wal-directory.ts";

interface OpenSegment {
  readonly file: Promise<StorageFile>;
  readers: number;
  isReleased: boolean;
}

export class SegmentFiles {
  readonly #storage: Storage;
  readonly #segments = new Map<number, Segment>();
  readonly #open = new Map<number, OpenSegment>();

  constructor(storage: Storage, segments: readonly Segment[]) {
    this.#storage = storage;
    for (const segment of segments) this.add(segment);
  }

  /** All segments, oldest first. */
  get segments(): readonly Segment[] {
    return [...this.#segments.values()];
  }

  add(segment: Segment): void {
    this.#segments.set(segment.sequence, segment);
  }

  pathOf(sequence: number): string {
    return this.#segments.get(sequence)?.path ?? `segment ${sequence}`;
  }

  /** Opens all of them: what another process removes from now on can still be read. */
  async openAll(): Promise<void> {
    for (const sequence of this.#segments.keys()) {
      const open = this.#take(sequence);
      await open.file.finally(() => open.readers--);
    }
  }

  /** Reads up to `lengthBytes` from `offsetBytes` on. @returns fewer bytes at the end of the file */
  async read(
    sequence: number,
    range: { readonly offsetBytes: number; readonly lengthBytes: number },
  ): Promise<Uint8Array> {
    const open = this.#take(sequence);
    try {
      const file = await open.file;
      const bytes = new Uint8Array(range.lengthBytes);
      return bytes.subarray(0, await file.read(bytes, 0, bytes.byteLength, range.offsetBytes));
    } finally {
      open.readers--;
      await this.#closeIfIdle(open);
    }
  }

  /** Forgets a segment; its file is closed as soon as nobody reads it. */
  async release(sequence: number): Promise<void> {
    this.#segments.delete(sequence);
    const open = this.#open.get(sequence);
    if (open === undefined) return;
    this.#open.delete(sequence);
    open.isReleased = true;
    await this.#closeIfIdle(open);
  }

  async close(): Promise<void> {
    for (const sequence of this.#open.keys()) await this.release(sequence);
  }

  #take(sequence: number): OpenSegment {
    const segment = this.#segments.get(sequence);
    if (segment === undefined) {
      throw new RaftLogError(
        "RAFT_CORRUPT",
        `segment ${sequence} of the WAL is not there any more`,
        {
          details: { sequence },
        },
      );
    }
    let open = this.#open.get(sequence);
    if (open === undefined) {
      open = { file: this.#storage.openFile(segment.path, "read"), readers: 0, isReleased: false };
      this.#open.set(sequence, open);
    }
    open.readers++;
    return open;
  }

  async #closeIfIdle(open: OpenSegment): Promise<void> {
    if (!open.isReleased || open.readers > 0) return;
    const file = await open.file.catch(() => undefined); // Whoever wanted to read was told.
    await file?.close();
  }
}
