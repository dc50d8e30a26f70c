/**
 * The active segment: appends bytes of frames at its end and keeps apart what is written and what is durable.
 *
 * A failed write or sync leaves the object unusable; nothing is retried. It does not decide when to rotate.
 */
import type { Codec } from "../codec/codecs.ts";
import type { CommitBuffer, FrameSpan } from "../commit/commit-buffer.ts";
import type { FrameEncryptor } from "../encryption/frame-cipher.ts";
import { encodeMarkFrame, FRAME_KIND } from "../format/frame.ts";
import { orNoSpace } from "../storage/system-error.ts";
import type { StorageFile } from "../storage/storage.ts";
import { encodePackedRun, encodeRun, type EncodeContext } from "./frame-encoder.ts";
import type { ScanPosition } from "./frame-scanner.ts";
import { Prewriter } from "./prewriter.ts";
import type { ClosedSegment, SegmentInfo } from "./segment-info.ts";

/**
 * Written but not synced bytes after which a sync is begun beside the writes. Keeps the work of closing a segment small (its
 * sync stops the log), and with it what a power loss can take at the levels that do not sync.
 */
const BACKGROUND_SYNC_BYTES = 8 * 1024 * 1024; // 8 MiB

/** How a sync is done: file data (and what is needed to read it), or all metadata as well. */
export type SyncKind = "data" | "all";

export interface SegmentWriterOptions {
  readonly info: SegmentInfo;
  readonly file: StorageFile;
  /** Frames that are in the file already (copied by recovery), all durable. */
  readonly endOffset: number;
  readonly nextLsn: number;
  readonly chain: number;
  /** Zeros are durable up to here. */
  readonly prewrittenOffset: number;
  readonly prewriteStepBytes: number;
  readonly segmentSizeBytes: number;
  readonly codec: Codec | undefined;
  readonly encryptor?: FrameEncryptor | undefined;
  readonly observer?: SyncObserver | undefined;
}

/** Is told of every synced write and every sync that somebody waits for. */
export interface SyncObserver {
  nowMs(): number;
  deviceSynced(startedMs: number): void;
}

/** A place in the log that readers may go up to. */
export interface SegmentExtent {
  readonly offset: number;
  readonly lastLsn: number;
}

export class SegmentWriter {
  readonly info: SegmentInfo;
  readonly #file: StorageFile;
  readonly #codec: Codec | undefined;
  readonly #encryptor: FrameEncryptor | undefined;
  readonly #observer: SyncObserver | undefined;
  readonly #prewriter: Prewriter;
  #chain: number;
  #written: SegmentExtent;
  #durable: SegmentExtent;
  /** Every frame up to `#durable` is vouched for by an attest frame. */
  #isAttested = false;
  #backgroundSync: Promise<void> | undefined;
  #backgroundFailure: Error | undefined;

  constructor(options: SegmentWriterOptions) {
    this.info = options.info;
    this.#file = options.file;
    this.#codec = options.codec;
    this.#encryptor = options.encryptor;
    this.#observer = options.observer;
    this.#chain = options.chain;
    this.#written = { offset: options.endOffset, lastLsn: options.nextLsn - 1 };
    this.#durable = this.#written;
    this.#prewriter = new Prewriter(options.file, options.prewrittenOffset, {
      stepBytes: options.prewriteStepBytes,
      limitOffset: options.segmentSizeBytes,
    });
  }

  get written(): SegmentExtent {
    return this.#written;
  }

  get durable(): SegmentExtent {
    return this.#durable;
  }

  /** Where the next frame goes, and what it must agree with. */
  get position(): ScanPosition {
    const { offset, lastLsn } = this.#written;
    return { offset, nextLsn: lastLsn + 1, chain: this.#chain };
  }

  get isFullyDurable(): boolean {
    return this.#durable.offset === this.#written.offset;
  }

  get isAttested(): boolean {
    return this.#isAttested;
  }

  get recordCount(): number {
    return this.#written.lastLsn - this.info.firstLsn + 1;
  }

  /**
   * Appends consecutive frames of a commit buffer.
   *
   * @param sync - with a kind, resolves only when these frames and all before them are on the device
   * @returns the bytes that the frames take in the file
   */
  async append(
    buffer: CommitBuffer,
    frames: readonly FrameSpan[],
    timeMs: number,
    sync: SyncKind | undefined,
  ): Promise<number> {
    const context: EncodeContext = {
      offset: this.#written.offset,
      saltSeed: this.info.saltSeed,
      chain: this.#chain,
      durableOffset: this.#durable.offset,
      timeMs,
    };
    const note = (offset: number, firstLsn: number, chain: number): void => {
      this.info.index.note(offset, firstLsn, chain);
    };
    const stages = { codec: this.#codec, encryptor: this.#encryptor };
    const isPacked = stages.codec !== undefined || stages.encryptor !== undefined;
    const encoded = isPacked
      ? encodePackedRun(stages, buffer, frames, context, note)
      : encodeRun(buffer, frames, context, note);
    const run = encoded instanceof Promise ? await encoded : encoded;
    await this.#write(run.slices, run.lengthBytes, sync);
    this.#chain = run.digest;
    this.#advance(run.lengthBytes, run.nextLsn - 1, sync !== undefined);
    this.#isAttested = false;
    return run.lengthBytes;
  }

  /** Makes everything written so far durable. */
  async sync(kind: SyncKind): Promise<void> {
    this.#assertTrusted();
    if (this.isFullyDurable) return;
    const written = this.#written;
    const startedMs = this.#observer?.nowMs() ?? 0;
    await this.#syncFile(kind);
    this.#durable = written;
    this.#observer?.deviceSynced(startedMs);
  }

  /** Writes a frame that vouches for everything before it, which must be durable; durable itself. */
  async attest(timeMs: number): Promise<void> {
    const mark = encodeMarkFrame(
      {
        kind: FRAME_KIND.attest,
        firstLsn: this.#written.lastLsn + 1,
        durableOffset: this.#durable.offset,
        chain: this.#chain,
        timeMs,
      },
      this.info.headerBytes,
      (this.info.saltSeed ^ this.#written.offset) >>> 0,
    );
    await this.#write([mark.bytes], mark.bytes.byteLength, "data");
    this.#chain = mark.digest;
    this.#advance(mark.bytes.byteLength, this.#written.lastLsn, true);
    this.#isAttested = true;
  }

  /** Cuts the file to what is used and makes all of it durable, metadata included. */
  async trim(): Promise<void> {
    await this.#prewriter.settled();
    await this.#backgroundSync;
    this.#assertTrusted();
    await this.#file.truncate(this.#written.offset);
    await this.#file.syncAll();
    this.#durable = this.#written;
  }

  /** What the segment is once nothing is appended any more. */
  closedSegment(): ClosedSegment {
    return {
      ...this.info,
      endOffset: this.#written.offset,
      lastLsn: this.#written.lastLsn,
      closingDigest: this.#chain,
    };
  }

  /** Waits for zeros under way and closes the handle. Says nothing about durability. */
  async close(): Promise<void> {
    try {
      await this.#prewriter.settled();
      await this.#backgroundSync;
      this.#assertTrusted();
    } finally {
      await this.#file.close();
    }
  }

  async #write(
    slices: readonly Uint8Array[],
    lengthBytes: number,
    sync: SyncKind | undefined,
  ): Promise<void> {
    this.#assertTrusted();
    const { offset } = this.#written;
    await this.#prewriter.before(offset + lengthBytes);
    this.#prewriter.startIfDue(offset, offset + lengthBytes);
    if (sync === undefined) {
      await orNoSpace(() => this.#file.write(slices, offset));
      return;
    }
    const startedMs = this.#observer?.nowMs() ?? 0;
    if (sync === "data" && this.isFullyDurable) {
      // Whether write or sync met the full disk does not matter here: everything before is durable.
      await orNoSpace(() => this.#file.writeDurable(slices, offset));
    } else {
      await orNoSpace(() => this.#file.write(slices, offset));
      await this.#syncFile(sync);
    }
    this.#observer?.deviceSynced(startedMs);
  }

  /**
   * The system tells of a lost page once, and to one of the syncs that are under way: ours is to be believed when those beside it have
   * ended well. A durable write needs none of this; it vouches for its own bytes.
   */
  async #syncFile(kind: SyncKind): Promise<void> {
    await (kind === "data" ? this.#file.syncData() : this.#file.syncAll());
    await this.#prewriter.synced();
    await this.#backgroundSync;
    this.#assertTrusted();
  }

  #advance(lengthBytes: number, lastLsn: number, durable: boolean): void {
    this.#written = { offset: this.#written.offset + lengthBytes, lastLsn };
    if (durable) this.#durable = this.#written;
    else this.#syncInBackgroundIfDue();
  }

  #syncInBackgroundIfDue(): void {
    const unsyncedBytes = this.#written.offset - this.#durable.offset;
    if (this.#backgroundSync !== undefined || unsyncedBytes < BACKGROUND_SYNC_BYTES) return;
    const written = this.#written;
    this.#backgroundSync = this.#file.syncData().then(
      () => {
        this.#backgroundSync = undefined;
        if (written.offset > this.#durable.offset) this.#durable = written;
      },
      (cause: unknown) => {
        this.#backgroundSync = undefined;
        this.#backgroundFailure = new Error(`a sync beside the writes failed: ${String(cause)}`, {
          cause,
        });
      },
    );
  }

  /** A sync that failed beside the writes may have taken the error of any page: nothing more is written. */
  #assertTrusted(): void {
    if (this.#backgroundFailure !== undefined) throw this.#backgroundFailure;
  }
}
