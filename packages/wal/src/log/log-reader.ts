/**
 * Reads records of a live log from an LSN on, frame by frame, across segments.
 *
 * Memory is one chunk of a segment: 1 MiB, or what a range that is not much larger takes, read with one I/O. Checks every frame's checksum,
 * its place in the chain and its LSN, so a gap or a foreign frame is never delivered; damage ends the read with `WAL_CORRUPT`. Sees only
 * what the visibility allows, and nothing of a group that is still being written.
 */
import type { CodecRegistry } from "../codec/codecs.ts";
import type { Keyring } from "../encryption/keyring.ts";
import { WalError } from "../errors.ts";
import { FRAME_KIND } from "../format/frame.ts";
import { FrameScanner, type ScannedFrame } from "../segment/frame-scanner.ts";
import type { SegmentInfo } from "../segment/segment-info.ts";
import { asWalError, isErrno } from "../storage/system-error.ts";
import type { StorageFile } from "../storage/storage.ts";
import { frameBody } from "./frame-body.ts";
import {
  closedSegment,
  firstClosed,
  isSameSegment,
  type BetweenGroups,
  type LogState,
} from "./log-state.ts";
import type { ReadHandles } from "./read-handles.ts";

/** A range up to this size is read with one I/O. */
const MAX_RANGE_READ_BYTES = 4 * 1024 * 1024; // 4 MiB

/** How far a reader may see: what survives a power loss, or what the operating system has. */
export type Visibility = "durable" | "written";

/** The records of one frame: heads and payloads, one behind the other. */
export interface FrameRecords {
  readonly firstLsn: number;
  readonly recordCount: number;
  readonly timeMs: number;
  readonly body: Uint8Array;
}

export interface LogReaderOptions {
  readonly handles: ReadHandles;
  readonly state: () => LogState;
  /** The log before the group that is being written, if one is. */
  readonly beforeGroup?: () => BetweenGroups | undefined;
  readonly codecs: CodecRegistry;
  /** Keys of encrypted frames. */
  readonly keyring?: Keyring | undefined;
  readonly fromLsn: number;
  /** Nothing behind it is read; without it the reader goes on to the end. */
  readonly toLsn?: number | undefined;
  readonly visibility: Visibility;
  /** Told of lost records that are passed over; without it they end the read with `WAL_GAP`. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** What was delivered is overwritten by what is asked for next. Default false. */
  readonly reuseMemory?: boolean;
}

/** LSNs of records that were lost to damage; both ends inclusive. */
export interface Gap {
  readonly firstLsn: number;
  readonly lastLsn: number;
}

interface OpenSegment {
  readonly info: SegmentInfo;
  readonly file: StorageFile;
  readonly scanner: FrameScanner;
  /** Nothing has failed: the next reader of this segment may have its file. */
  isSound: boolean;
}

export class LogReader {
  readonly #options: LogReaderOptions;
  #nextLsn: number;
  #open: OpenSegment | undefined;

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#nextLsn = options.fromLsn;
  }

  /** LSN of the next record that will be delivered. */
  get nextLsn(): number {
    return this.#nextLsn;
  }

  /** The next frame with records at or after the position, or `undefined` when nothing more is visible or wanted now. */
  async next(): Promise<FrameRecords | undefined> {
    try {
      return await this.#next();
    } catch (error) {
      if (this.#open !== undefined) this.#open.isSound = false;
      throw asWalError(error, `cannot read ${this.#open?.info.path ?? "the log"}`);
    }
  }

  async #next(): Promise<FrameRecords | undefined> {
    const { toLsn = Number.POSITIVE_INFINITY } = this.#options;
    while (this.#nextLsn <= toLsn) {
      this.#open ??= await this.#openAt(this.#options.state());
      if (this.#open === undefined) return undefined;
      const { info, scanner } = this.#open;
      const end = this.#extentOf(info);
      scanner.setLimit(end.offset);
      const { position } = scanner;
      const frame = scanner.nextBuffered() ?? (await scanner.next());
      if (frame !== undefined) {
        info.index.note(position.offset, position.nextLsn, position.chain);
        const { kind, firstLsn, recordCount } = frame.header;
        const lastLsn = firstLsn + recordCount - 1;
        if (lastLsn < this.#nextLsn) continue;
        if (kind === FRAME_KIND.gap) {
          this.#passGap(Math.max(firstLsn, this.#nextLsn), lastLsn);
          continue;
        }
        const records = await this.#decode(frame, info);
        this.#nextLsn = lastLsn + 1;
        return records;
      }
      if (!scanner.isInvalid && !end.isFinal) return undefined;
      // What was cut off or rolled back while it was read is not missing: the log as it is now decides.
      const { offset } = scanner.position;
      const now = this.#extentOf(info);
      if (scanner.isInvalid && now.offset > offset) {
        throw this.#corrupt(info, offset, "no valid frame");
      }
      if (this.#nextLsn <= now.lastLsn) throw this.#corrupt(info, offset, "records are missing");
      await this.close();
    }
    return undefined;
  }

  /** Gives the file that is open back, if any. The reader can go on afterwards. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    // Whoever reads a range may be back for another; whoever reads to the end will not.
    const isKept = open.isSound && this.#options.toLsn !== undefined;
    try {
      await this.#options.handles.giveBack(open.info, open.file, isKept);
    } catch (error) {
      throw asWalError(error, `cannot close ${open.info.path}`);
    }
  }

  #extentOf(info: SegmentInfo): Extent {
    const { state, visibility, beforeGroup } = this.#options;
    const extent = extentOf(state(), info, visibility);
    const before = beforeGroup?.();
    return before === undefined ? extent : settledExtent(extent, info, before);
  }

  async #openAt(state: LogState): Promise<OpenSegment | undefined> {
    if (this.#nextLsn < state.firstLsn) throw this.#truncated(state);
    const info = findSegment(state, this.#nextLsn);
    if (info === undefined) return undefined;
    let file: StorageFile;
    try {
      file = await this.#options.handles.borrow(info);
    } catch (error) {
      // Released, cut off or rolled back between looking and opening: the log as it is now tells where to go on. Anything else
      // that makes a file vanish is not ours to excuse.
      const now = this.#options.state();
      const isKnown = findSegment(now, this.#nextLsn) === info && this.#nextLsn >= now.firstLsn;
      if (isErrno(error, "ENOENT") && !isKnown) return await this.#openAt(now);
      throw asWalError(error, `cannot read ${info.path}`);
    }
    const start = info.index.seek(this.#nextLsn);
    const scanner = new FrameScanner({
      file,
      saltSeed: info.saltSeed,
      start,
      limitOffset: 0,
      chunkBytes: this.#rangeBytes(info, start.offset),
      keepsChunks: this.#options.reuseMemory !== true,
    });
    return { info, file, scanner, isSound: true };
  }

  /** Bytes from `offset` to the end of the range in a segment; `undefined` when they are too many for one I/O. */
  #rangeBytes(info: SegmentInfo, offset: number): number | undefined {
    const { toLsn } = this.#options;
    if (toLsn === undefined) return undefined;
    const end = info.index.endOffset(toLsn) ?? this.#extentOf(info).offset;
    const bytes = end - offset;
    return bytes > 0 && bytes <= MAX_RANGE_READ_BYTES ? bytes : undefined;
  }

  async #decode(frame: ScannedFrame, info: SegmentInfo): Promise<FrameRecords> {
    const { firstLsn, recordCount, timeMs } = frame.header;
    const body = await frameBody(frame, this.#options.codecs, info.path, this.#options.keyring);
    return { firstLsn, recordCount, timeMs, body };
  }

  /** Records that were lost to damage and salvaged around: the caller hears of them, one way or the other. */
  #passGap(firstLsn: number, lastLsn: number): void {
    const { onGap } = this.#options;
    if (onGap === undefined) {
      throw new WalError(
        "WAL_GAP",
        `records ${firstLsn} to ${lastLsn} were lost to damage; read on from LSN ${lastLsn + 1}, or pass onGap`,
        { details: { firstLsn, lastLsn } },
      );
    }
    this.#nextLsn = lastLsn + 1;
    onGap({ firstLsn, lastLsn });
  }

  #truncated(state: LogState): WalError {
    return new WalError(
      "WAL_LSN_TRUNCATED",
      `LSN ${this.#nextLsn} has been released; the log begins with LSN ${state.firstLsn}`,
      { details: { lsn: this.#nextLsn, firstLsn: state.firstLsn } },
    );
  }

  #corrupt(info: SegmentInfo, offsetBytes: number, reason: string): WalError {
    return new WalError(
      "WAL_CORRUPT",
      `${info.path}: damage at offset ${offsetBytes}, LSN ${this.#nextLsn}: ${reason}; verify the disk, then restore or repair`,
      {
        details: {
          path: info.path,
          segmentId: info.segmentId,
          offsetBytes,
          firstLsn: this.#nextLsn,
          reason,
        },
      },
    );
  }
}

function findSegment(state: LogState, lsn: number): SegmentInfo | undefined {
  const { closed, active } = state;
  if (active !== undefined && lsn >= active.info.firstLsn) return active.info;
  return firstClosed(closed, (segment) => segment.lastLsn >= lsn);
}

interface Extent {
  readonly offset: number;
  readonly lastLsn: number;
  /** Nothing will be added to the segment any more. */
  readonly isFinal: boolean;
}

/** How far a segment may be read. One that has left the state, or another of its number: nothing more of it is delivered. */
function extentOf(state: LogState, info: SegmentInfo, visibility: Visibility): Extent {
  const { active } = state;
  if (active !== undefined && isSameSegment(active.info, info)) {
    return { ...(visibility === "durable" ? active.durable : active.written), isFinal: false };
  }
  const segment = closedSegment(state, info);
  if (segment === undefined) return { offset: 0, lastLsn: 0, isFinal: true };
  return { offset: segment.endOffset, lastLsn: segment.lastLsn, isFinal: true };
}

/** A group that runs out of space is taken back, and its LSNs are given to other records: nothing of it is shown before its end. */
function settledExtent(extent: Extent, info: SegmentInfo, before: BetweenGroups): Extent {
  const lastLsn = before.nextLsn - 1;
  if (extent.lastLsn <= lastLsn) return extent;
  const { state, written } = before;
  const isBegunBefore = state.active !== undefined && isSameSegment(state.active.info, info);
  return { offset: isBegunBefore ? (written?.offset ?? 0) : 0, lastLsn, isFinal: false };
}
