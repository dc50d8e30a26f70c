/**
 * Reads records of a live log from an LSN on, frame by frame, across segments.
 *
 * Memory is one chunk of a segment. Checks every frame's checksum, its place in the chain and its LSN, so a gap or a foreign
 * frame is never delivered; damage ends the read with `WAL_CORRUPT`. Sees only what the visibility allows, and nothing of a group that
 * is still being written.
 */
import type { CodecRegistry } from "../codec/codecs.ts";
import type { Keyring } from "../encryption/keyring.ts";
import { WalError } from "../errors.ts";
import { FRAME_KIND } from "../format/frame.ts";
import { FrameScanner, type ScannedFrame } from "../segment/frame-scanner.ts";
import type { ClosedSegment, SegmentInfo } from "../segment/segment-info.ts";
import { asWalError, isErrno } from "../storage/system-error.ts";
import type { Storage, StorageFile } from "../storage/storage.ts";
import { frameBody } from "./frame-body.ts";
import type { BetweenGroups, LogState } from "./log-state.ts";

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
  readonly storage: Storage;
  readonly state: () => LogState;
  /** The log before the group that is being written, if one is. */
  readonly beforeGroup?: () => BetweenGroups | undefined;
  readonly codecs: CodecRegistry;
  /** Keys of encrypted frames. */
  readonly keyring?: Keyring | undefined;
  readonly fromLsn: number;
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

  /** The next frame with records at or after the position, or `undefined` when nothing more is visible now. */
  async next(): Promise<FrameRecords | undefined> {
    try {
      return await this.#next();
    } catch (error) {
      throw asWalError(error, `cannot read ${this.#open?.info.path ?? "the log"}`);
    }
  }

  async #next(): Promise<FrameRecords | undefined> {
    for (;;) {
      this.#open ??= await this.#openAt(this.#options.state());
      if (this.#open === undefined) return undefined;
      const { info, scanner } = this.#open;
      const end = this.#extentOf(info);
      scanner.setLimit(end.offset);
      const frame = scanner.nextBuffered() ?? (await scanner.next());
      if (frame !== undefined) {
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
  }

  /** Closes the file that is open, if any. The reader can go on afterwards. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    try {
      await open?.file.close();
    } catch (error) {
      throw asWalError(error, `cannot close ${open?.info.path ?? "the log"}`);
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
      file = await this.#options.storage.openFile(info.path, "read");
    } catch (error) {
      // Released, cut off or rolled back between looking and opening: the log as it is now tells where to go on. Anything else
      // that makes a file vanish is not ours to excuse.
      const now = this.#options.state();
      const isKnown = findSegment(now, this.#nextLsn) === info && this.#nextLsn >= now.firstLsn;
      if (isErrno(error, "ENOENT") && !isKnown) return await this.#openAt(now);
      throw asWalError(error, `cannot read ${info.path}`);
    }
    const scanner = new FrameScanner({
      file,
      saltSeed: info.saltSeed,
      start: info.index.seek(this.#nextLsn),
      limitOffset: 0,
      keepsChunks: this.#options.reuseMemory !== true,
    });
    return { info, file, scanner };
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
  return firstOf(closed, (segment) => segment.lastLsn >= lsn);
}

/** The first segment for which `holds` is true, given that it is then true for all later ones. */
function firstOf(
  closed: readonly ClosedSegment[],
  holds: (segment: ClosedSegment) => boolean,
): ClosedSegment | undefined {
  let low = 0;
  let high = closed.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const segment = closed[middle];
    if (segment !== undefined && holds(segment)) high = middle;
    else low = middle + 1;
  }
  return closed[low];
}

interface Extent {
  readonly offset: number;
  readonly lastLsn: number;
  /** Nothing will be added to the segment any more. */
  readonly isFinal: boolean;
}

/** How far a segment may be read. One that has left the state, or another of its number: nothing more of it is delivered. */
function extentOf(state: LogState, info: SegmentInfo, visibility: Visibility): Extent {
  const { active, closed } = state;
  if (active !== undefined && isSame(active.info, info)) {
    return { ...(visibility === "durable" ? active.durable : active.written), isFinal: false };
  }
  const segment = firstOf(closed, (candidate) => candidate.segmentId >= info.segmentId);
  if (segment !== undefined && isSame(segment, info)) {
    return { offset: segment.endOffset, lastLsn: segment.lastLsn, isFinal: true };
  }
  return { offset: 0, lastLsn: 0, isFinal: true };
}

/** A group that runs out of space is taken back, and its LSNs are given to other records: nothing of it is shown before its end. */
function settledExtent(extent: Extent, info: SegmentInfo, before: BetweenGroups): Extent {
  const lastLsn = before.nextLsn - 1;
  if (extent.lastLsn <= lastLsn) return extent;
  const { state, written } = before;
  const isBegunBefore = state.active !== undefined && isSame(state.active.info, info);
  return { offset: isBegunBefore ? (written?.offset ?? 0) : 0, lastLsn, isFinal: false };
}

function isSame(one: SegmentInfo, other: SegmentInfo): boolean {
  return one.segmentId === other.segmentId && one.saltSeed === other.saltSeed;
}
