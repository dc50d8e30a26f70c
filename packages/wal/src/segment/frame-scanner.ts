/**
 * The one forward-scan loop over the frames of a segment: recovery, verify, readers and followers use it.
 *
 * Reads the file in chunks and yields valid frames until the limit or the first byte that begins no valid
 * frame. It decides nothing: what the end means is for its callers. Memory is one chunk, or one frame where a
 * frame is larger; a length is never trusted beyond the bytes that the file is known to hold.
 */
import { ENCRYPTION_OVERHEAD_BYTES } from "../format/encrypted-body.ts";
import {
  decodeFrame,
  FRAME_FLAG_BATCH_CONTINUES,
  FRAME_FLAG_ENCRYPTED,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  peekFrame,
  type FrameHeader,
} from "../format/frame.ts";
import { RECORD_HEAD_BYTES } from "../format/record.ts";
import { SEGMENT_HEADER_BYTES } from "../format/segment-header.ts";
import type { StorageFile } from "../storage/storage.ts";

/** Where a scan begins: everything that the next frame must agree with. */
export interface ScanPosition {
  readonly offset: number;
  readonly nextLsn: number;
  /** Checksum of the frame before `offset`, or of the segment header. */
  readonly chain: number;
}

/** One valid frame. `bytes` is the scanner's chunk; it stays untouched when `keepsChunks` is set. */
export interface ScannedFrame {
  readonly header: FrameHeader;
  readonly offset: number;
  readonly lengthBytes: number;
  readonly digest: number;
  readonly bytes: Uint8Array;
  readonly bodyStart: number;
}

export interface FrameScannerOptions {
  readonly file: StorageFile;
  readonly saltSeed: number;
  readonly start: ScanPosition;
  /** No byte at or after this offset is looked at. */
  readonly limitOffset: number;
  readonly chunkBytes?: number | undefined;
  /** Allocate a fresh chunk for every read, so that views on record payloads stay valid. */
  readonly keepsChunks?: boolean;
}

const DEFAULT_CHUNK_BYTES = 1024 * 1024; // 1 MiB

/** Scans frames from a position up to a limit. */
export class FrameScanner {
  readonly #file: StorageFile;
  readonly #saltSeed: number;
  readonly #chunkBytes: number;
  readonly #keepsChunks: boolean;
  #limitOffset: number;
  #offset: number;
  #nextLsn: number;
  #chain: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  /** File offset of `#bytes[0]`, and how many bytes of it are filled. */
  #bytesOffset = 0;
  #filledBytes = 0;
  #isInvalid = false;

  constructor(options: FrameScannerOptions) {
    this.#file = options.file;
    this.#saltSeed = options.saltSeed;
    this.#chunkBytes = options.chunkBytes ?? DEFAULT_CHUNK_BYTES;
    this.#keepsChunks = options.keepsChunks ?? false;
    this.#limitOffset = options.limitOffset;
    this.#offset = options.start.offset;
    this.#nextLsn = options.start.nextLsn;
    this.#chain = options.start.chain;
  }

  /** Where the next frame is expected, and what it must agree with. */
  get position(): ScanPosition {
    return { offset: this.#offset, nextLsn: this.#nextLsn, chain: this.#chain };
  }

  /** True when bytes below the limit begin no valid frame; false at a clean end. */
  get isInvalid(): boolean {
    return this.#isInvalid;
  }

  /** Moves the limit: forward when the file has grown, back when the log was cut. */
  setLimit(limitOffset: number): void {
    this.#limitOffset = limitOffset;
  }

  /** The next valid frame, or `undefined` at the limit or where no valid frame begins. */
  async next(): Promise<ScannedFrame | undefined> {
    for (;;) {
      const frame = this.nextBuffered();
      if (frame !== undefined || this.#isInvalid || this.#offset >= this.#limitOffset) return frame;
      const hasMore = await this.#fill(this.#wantedBytes());
      if (!hasMore) {
        this.#isInvalid = true;
        return undefined;
      }
    }
  }

  /** As {@link next}, but only out of bytes that have been read: never waits. */
  nextBuffered(): ScannedFrame | undefined {
    if (this.#isInvalid || this.#offset >= this.#limitOffset) return undefined;
    const start = this.#offset - this.#bytesOffset;
    const available = this.#filledBytes - start;
    const peek = peekFrame(this.#view, start, available);
    if (peek.kind === "short") return undefined;
    if (peek.kind === "none" || this.#offset + peek.lengthBytes > this.#limitOffset) {
      this.#isInvalid = true;
      return undefined;
    }
    if (peek.lengthBytes > available) return undefined;
    return this.#accept(start, peek.lengthBytes);
  }

  #accept(start: number, lengthBytes: number): ScannedFrame | undefined {
    const seed = (this.#saltSeed ^ this.#offset) >>> 0;
    const decoded = decodeFrame(this.#bytes, this.#view, start, lengthBytes, seed);
    if (decoded === undefined || !this.#follows(decoded.header)) {
      this.#isInvalid = true;
      return undefined;
    }
    const frame: ScannedFrame = {
      header: decoded.header,
      offset: this.#offset,
      lengthBytes,
      digest: decoded.digest,
      bytes: this.#bytes,
      bodyStart: start + FRAME_HEADER_BYTES,
    };
    this.#offset += lengthBytes;
    this.#nextLsn += decoded.header.recordCount;
    // What a gap stands for is gone; it repeats the chain value that the frame behind it carries.
    const isGap = decoded.header.kind === FRAME_KIND.gap;
    this.#chain = isGap ? decoded.header.rawBytes : decoded.digest;
    return frame;
  }

  #follows(header: FrameHeader): boolean {
    return (
      header.chain === this.#chain &&
      header.firstLsn === this.#nextLsn &&
      isPlausibleHeader(header, this.#offset)
    );
  }

  /** Bytes needed from `#offset` to go on: a header, or the whole frame whose header is there. */
  #wantedBytes(): number {
    const start = this.#offset - this.#bytesOffset;
    const peek = peekFrame(this.#view, start, this.#filledBytes - start);
    return peek.kind === "candidate" ? peek.lengthBytes : FRAME_HEADER_BYTES;
  }

  /** Reads on, keeping the bytes from `#offset`. False when the file has no further byte for us. */
  async #fill(wantedBytes: number): Promise<boolean> {
    const keepFrom = Math.min(Math.max(0, this.#offset - this.#bytesOffset), this.#filledBytes);
    const kept = this.#bytes.subarray(keepFrom, this.#filledBytes);
    const room = this.#limitOffset - this.#offset;
    if (room < wantedBytes) return false;
    const capacity = Math.min(room, Math.max(this.#chunkBytes, wantedBytes));
    const target =
      this.#keepsChunks || this.#bytes.byteLength < capacity
        ? new Uint8Array(new ArrayBuffer(capacity))
        : this.#bytes;
    target.set(kept);
    const read = await this.#file.read(
      target,
      kept.byteLength,
      Math.min(capacity, target.byteLength) - kept.byteLength,
      this.#offset + kept.byteLength,
    );
    this.#filledBytes = kept.byteLength + read;
    if (target !== this.#bytes) {
      this.#bytes = target;
      this.#view = new DataView(target.buffer, target.byteOffset, target.byteLength);
    }
    this.#bytesOffset = this.#offset;
    return read > 0;
  }
}

/** Checks on a header that need no neighbour: a checksum can be right and the writer wrong. */
export function isPlausibleHeader(header: FrameHeader, offset: number): boolean {
  if (header.durableOffset > offset) return false;
  const isRaw = header.codecId === 0 && header.flags === 0;
  switch (header.kind) {
    case FRAME_KIND.data:
      return (
        header.recordCount > 0 &&
        header.recordCount * RECORD_HEAD_BYTES <= header.rawBytes &&
        (header.codecId !== 0 || header.rawBytes === unencryptedBytes(header)) &&
        unencryptedBytes(header) >= 0 &&
        (header.flags & ~(FRAME_FLAG_BATCH_CONTINUES | FRAME_FLAG_ENCRYPTED)) === 0
      );
    case FRAME_KIND.attest:
    case FRAME_KIND.seal:
      return (
        isRaw &&
        header.recordCount === 0 &&
        header.rawBytes === SEGMENT_HEADER_BYTES &&
        header.storedBytes === SEGMENT_HEADER_BYTES
      );
    case FRAME_KIND.gap:
      return isRaw;
  }
}

/** Length of the body as it was before encryption. */
function unencryptedBytes({ storedBytes, flags }: FrameHeader): number {
  const isEncrypted = (flags & FRAME_FLAG_ENCRYPTED) !== 0;
  return isEncrypted ? storedBytes - ENCRYPTION_OVERHEAD_BYTES : storedBytes;
}
