/**
 * Walks the frames of one segment from its first to its last, past damage, beside a writer.
 *
 * What looks broken is read a second time before it is called damage: bytes that a later frame or the next segment vouches for do
 * not change any more, so the second look decides. Broken bytes that nobody vouches for are the unfinished end of the log.
 */
import { FRAME_FLAG_BATCH_CONTINUES, FRAME_HEADER_BYTES } from "../format/frame.ts";
import type { SegmentHeader } from "../format/segment-header.ts";
import { FrameScanner, type ScannedFrame, type ScanPosition } from "../segment/frame-scanner.ts";
import { examineRest, findFrame, type RestOfSegment } from "../segment/lone-frame.ts";
import { firstPosition, type SegmentInfo } from "../segment/segment-info.ts";
import type { StorageFile } from "../storage/storage.ts";
import { lsnRange, type Damage } from "./damage.ts";

export type WalkStep =
  | { readonly kind: "frame"; readonly frame: ScannedFrame }
  | { readonly kind: "damage"; readonly damage: Damage }
  /** Nothing more for now; a segment that is being written may have more when asked again. */
  | { readonly kind: "end"; readonly end: WalkEnd };

/** Where a walk stands when it finds no further frame. */
export interface WalkEnd {
  /** Behind the last valid frame. */
  readonly position: ScanPosition;
  /** Behind the last complete batch: what the next open keeps. */
  readonly batchEnd: ScanPosition;
  /** Everything before this is vouched for by a frame. */
  readonly vouched: { readonly offset: number; readonly nextLsn: number };
  /** Kind of the last frame, 0 for none. */
  readonly lastFrameKind: number;
  readonly lastTimeMs: number | undefined;
  /** What is behind the last frame; `undefined` where the successor's header ends the segment. */
  readonly rest: RestOfSegment | undefined;
}

export interface SegmentWalkerOptions {
  readonly file: StorageFile;
  readonly info: SegmentInfo;
  readonly successor: SegmentHeader | undefined;
  /** Keep what was read in memory of its own, so that payloads stay valid. */
  readonly keepsChunks: boolean;
}

const MAX_SEGMENT_BYTES = 2 ** 32 - 1;

export class SegmentWalker {
  readonly #options: SegmentWalkerOptions;
  #successor: SegmentHeader | undefined;
  #scanner: FrameScanner;
  #fileBytes = 0;
  /** Place that was read a second time already. */
  #rereadOffset = -1;
  #batchEnd: ScanPosition;
  #lastFrameKind = 0;
  #lastTimeMs: number | undefined;
  #durableOffset = 0;
  /** Frame boundaries from the durable offset on; the first is the vouched position. */
  #boundaries: { readonly offset: number; readonly nextLsn: number }[];

  constructor(options: SegmentWalkerOptions) {
    this.#options = options;
    this.#successor = options.successor;
    const start = firstPosition(options.info.firstLsn, options.info.headerDigest);
    this.#scanner = this.#scannerAt(start);
    this.#batchEnd = start;
    this.#boundaries = [start];
  }

  /** Where the next frame is expected. */
  get position(): ScanPosition {
    return this.#scanner.position;
  }

  /** The segment has got a successor, whose header says where it ends. */
  setSuccessor(successor: SegmentHeader): void {
    this.#successor = successor;
    this.#scanner = this.#scannerAt(this.#scanner.position);
  }

  async next(): Promise<WalkStep> {
    for (;;) {
      const frame = this.#scanner.nextBuffered() ?? (await this.#scanner.next());
      if (frame !== undefined) {
        this.#note(frame);
        return { kind: "frame", frame };
      }
      const position = this.#scanner.position;
      if (await this.#hasGrown(position)) continue;
      const isAtEnd = this.#successor !== undefined && position.offset >= this.#limit();
      if (isAtEnd && this.#fits(position)) return this.#end(undefined);
      const rest = await this.#examine(position);
      if (this.#successor === undefined && rest.vouchedBy === undefined) return this.#end(rest);
      if (this.#rereadOffset === position.offset) {
        return { kind: "damage", damage: await this.#skipDamage(position, rest) };
      }
      this.#rereadOffset = position.offset;
      this.#scanner = this.#scannerAt(position);
    }
  }

  /** True when the batch whose first frame begins at `position` is complete: a look ahead that keeps nothing. */
  async isBatchComplete(position: ScanPosition): Promise<boolean> {
    const { file, info } = this.#options;
    const limitOffset = this.#successor?.previousEndOffset ?? (await file.size());
    const ahead = new FrameScanner({
      file,
      saltSeed: info.saltSeed,
      start: position,
      limitOffset: Math.min(limitOffset, MAX_SEGMENT_BYTES),
    });
    for (let frame = await ahead.next(); frame !== undefined; frame = await ahead.next()) {
      if ((frame.header.flags & FRAME_FLAG_BATCH_CONTINUES) === 0) return true;
    }
    return false;
  }

  #scannerAt(start: ScanPosition): FrameScanner {
    const { file, info, keepsChunks } = this.#options;
    return new FrameScanner({
      file,
      saltSeed: info.saltSeed,
      start,
      limitOffset: this.#limit(),
      keepsChunks,
    });
  }

  #limit(): number {
    const endOffset = this.#successor?.previousEndOffset ?? MAX_SEGMENT_BYTES;
    return Math.min(endOffset, this.#fileBytes);
  }

  /** A file that is longer than when we last looked is looked at again. */
  async #hasGrown(position: ScanPosition): Promise<boolean> {
    const fileBytes = await this.#options.file.size();
    if (fileBytes <= this.#fileBytes) return false;
    this.#fileBytes = fileBytes;
    if (position.offset >= this.#limit()) return false;
    this.#scanner = this.#scannerAt(position);
    return true;
  }

  #fits(position: ScanPosition): boolean {
    const successor = this.#successor;
    return (
      successor !== undefined &&
      position.offset === successor.previousEndOffset &&
      position.chain === successor.previousDigest &&
      position.nextLsn === successor.firstLsn
    );
  }

  async #examine(position: ScanPosition): Promise<RestOfSegment> {
    const { file, info } = this.#options;
    return await examineRest(file, info.saltSeed, position.offset, this.#fileBytes);
  }

  #note(frame: ScannedFrame): void {
    const { kind, flags, timeMs, durableOffset } = frame.header;
    const after = this.#scanner.position;
    this.#lastFrameKind = kind;
    this.#lastTimeMs = timeMs;
    if ((flags & FRAME_FLAG_BATCH_CONTINUES) === 0) this.#batchEnd = after;
    this.#boundaries.push(after);
    if (durableOffset <= this.#durableOffset) return;
    this.#durableOffset = durableOffset;
    this.#boundaries = this.#boundaries.filter(({ offset }) => offset >= durableOffset);
  }

  #end(rest: RestOfSegment | undefined): WalkStep {
    const position = this.#scanner.position;
    const end: WalkEnd = {
      position,
      batchEnd: this.#batchEnd,
      vouched: this.#boundaries[0] ?? position,
      lastFrameKind: this.#lastFrameKind,
      lastTimeMs: this.#lastTimeMs,
      rest,
    };
    // What has been read of the place behind the end is stale by the time somebody asks again.
    if (rest !== undefined) this.#scanner = this.#scannerAt(position);
    return { kind: "end", end };
  }

  /** Moves on to the next good frame, or to the end, and says what lies between. */
  async #skipDamage(from: ScanPosition, rest: RestOfSegment): Promise<Damage> {
    const { file, info } = this.#options;
    const successor = this.#successor;
    const good = await findFrame(
      file,
      info.saltSeed,
      { fromOffset: from.offset + FRAME_HEADER_BYTES, endOffset: this.#limit() },
      ({ header }) =>
        header.firstLsn >= from.nextLsn &&
        (successor === undefined || header.firstLsn <= successor.firstLsn),
    );
    const to =
      good === undefined
        ? this.#expectedEnd(from, rest)
        : { offset: good.offset, nextLsn: good.header.firstLsn, chain: good.header.chain };
    this.#scanner = this.#scannerAt(to);
    this.#batchEnd = to;
    return {
      kind: from.offset >= to.offset ? "closing" : "frames",
      path: info.path,
      segmentId: info.segmentId,
      offsetBytes: from.offset,
      endOffsetBytes: Math.max(from.offset, to.offset),
      ...lsnRange(from.nextLsn, to.nextLsn),
      reason: this.#reason(from, to),
      vouchedBy:
        successor === undefined
          ? `the frame at offset ${rest.vouchedBy?.offset ?? 0}`
          : `the header of segment ${successor.segmentId}`,
    };
  }

  #expectedEnd(from: ScanPosition, rest: RestOfSegment): ScanPosition {
    const successor = this.#successor;
    if (successor === undefined) return { ...from, offset: rest.endOffset };
    return {
      offset: successor.previousEndOffset,
      nextLsn: successor.firstLsn,
      chain: successor.previousDigest,
    };
  }

  #reason(from: ScanPosition, to: ScanPosition): string {
    if (from.offset >= this.#fileBytes) {
      return `the file ends at ${this.#fileBytes}, and ${to.offset} bytes of it are part of the log`;
    }
    if (from.offset >= to.offset) {
      return "the frames lead to another end than the next segment's header says";
    }
    return "no valid frames here";
  }
}
