/**
 * Salvage, the deciding half: finds every damaged place of a log and what would be done about it. Reads only.
 *
 * A damaged range inside a segment becomes a gap frame of the same length; a damaged header is restored from the copy that marks
 * carry; a segment that is missing or beyond help becomes one that holds nothing but a gap. What cannot be known is said so.
 * See docs/recovery.md, "Salvage".
 */
import { WalError } from "../errors.ts";
import { FRAME_HEADER_BYTES, FRAME_KIND } from "../format/frame.ts";
import {
  encodeSegmentHeader,
  SALT_BYTES,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from "../format/segment-header.ts";
import { CHECKPOINT_NAME, formatSegmentName } from "../format/segment-name.ts";
import { FrameScanner, type ScannedFrame, type ScanPosition } from "../segment/frame-scanner.ts";
import { gapFrames } from "../segment/gap-frames.ts";
import { findHeaderCopy } from "../segment/header-copy.ts";
import { examineRest, findFrame, type RestOfSegment } from "../segment/lone-frame.ts";
import { firstPosition, segmentInfo } from "../segment/segment-info.ts";
import { joinPath, type Storage, type StorageFile } from "../storage/storage.ts";
import type { SegmentFileFacts } from "./chain-verdict.ts";
import {
  NOTHING_LOST,
  NOTHING_WRITTEN,
  WHOLE_SMALL_FILE,
  type LostRange,
  type SalvageAction,
  type SalvagePlan,
} from "./salvage-action.ts";
import { gatherCheckpoint, gatherSegments } from "./gather.ts";

export interface SalvageOptions {
  readonly storage: Storage;
  readonly directory: string;
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** Examines the whole log. Throws only what the storage throws. */
export async function planSalvage(options: SalvageOptions): Promise<SalvagePlan> {
  const { storage, directory } = options;
  const names = await storage.listDirectory(directory);
  const files = await gatherSegments(storage, directory, names);
  const checkpoint = await gatherCheckpoint(storage, directory);
  const known = checkpoint.kind === "valid" ? checkpoint.checkpoint : undefined;
  const planner = new SalvagePlanner(options);
  await planner.restoreHeaders(
    files.filter((file) => file.segmentId >= (known?.firstSegmentId ?? 0)),
  );
  const chain = planner.chain(known?.firstSegmentId);
  await planner.examine(chain, known);
  if (checkpoint.kind === "invalid") planner.checkpointIsDamaged();
  planner.removeHopeless();
  return planner.plan();
}

interface KnownSegment {
  readonly path: string;
  readonly header: SegmentHeader;
}

interface SegmentExtent {
  readonly successor: SegmentHeader | undefined;
  /** No segment of the log has a higher id. */
  readonly isLast: boolean;
  readonly limitOffset: number;
  readonly fileBytes: number;
}

class SalvagePlanner {
  readonly #options: SalvageOptions;
  readonly #actions: SalvageAction[] = [];
  readonly #known = new Map<number, KnownSegment>();
  readonly #hopeless: SegmentFileFacts[] = [];
  #isTailMissing = false;
  #first: SalvagePlan["first"];

  constructor(options: SalvageOptions) {
    this.#options = options;
  }

  plan(): SalvagePlan {
    return { actions: this.#actions, isTailMissing: this.#isTailMissing, first: this.#first };
  }

  /** Takes valid headers as they are and looks for copies of the others. */
  async restoreHeaders(files: readonly SegmentFileFacts[]): Promise<void> {
    for (const file of files) {
      if (file.header.kind === "unsupported-version") {
        throw new WalError(
          "WAL_UNSUPPORTED_FORMAT",
          `${file.path}: format version ${file.header.version} is newer than this version of Walnut understands; upgrade`,
          { details: { path: file.path, version: file.header.version } },
        );
      }
      const isValid =
        file.header.kind === "valid" && file.header.header.segmentId === file.segmentId;
      if (file.header.kind === "valid" && isValid) {
        this.#known.set(file.segmentId, { path: file.path, header: file.header.header });
        continue;
      }
      const header = await this.#headerCopy(file);
      if (header === undefined) {
        this.#hopeless.push(file);
        continue;
      }
      this.#known.set(file.segmentId, { path: file.path, header });
      this.#actions.push({
        kind: "restore-header",
        path: file.path,
        damaged: { fromOffset: 0, endOffset: SEGMENT_HEADER_BYTES },
        lost: NOTHING_LOST,
        reason: "the segment header is damaged; a mark carries a copy",
        pieces: () => [encodeSegmentHeader(header)],
        offset: 0,
      });
    }
  }

  /** Files that are beyond help and that nothing could take the place of. To be called last. */
  removeHopeless(): void {
    const replaced = new Set(this.#actions.map((action) => action.path));
    for (const file of this.#hopeless) {
      if (replaced.has(file.path)) continue;
      this.#actions.push({
        ...NOTHING_WRITTEN,
        kind: "remove-segment",
        path: file.path,
        damaged: { fromOffset: 0, endOffset: file.fileBytes },
        reason: "the segment is beyond help: its header is damaged and no mark carries a copy",
      });
    }
  }

  /** Ids of the segments that make the log, ascending; some of them may be missing or beyond help. */
  chain(firstId: number | undefined): readonly number[] {
    const ids: number[] = [];
    let id = Math.max(0, ...this.#known.keys());
    while (id > 0 && (firstId === undefined || id >= firstId)) {
      ids.unshift(id);
      const segment = this.#known.get(id);
      // Without a header, or with one that names itself or a later one, the predecessor is taken to be the segment before.
      const named = segment?.header.previousSegmentId ?? id;
      id = named < id ? named : id - 1;
      if (segment === undefined && firstId === undefined && !this.#hasBefore(id)) break;
    }
    return ids;
  }

  async examine(
    ids: readonly number[],
    checkpoint: { readonly firstSegmentId: number; readonly firstLsn: number } | undefined,
  ): Promise<void> {
    let previous: { readonly segmentId: number; readonly end: ScanPosition } | undefined;
    for (const [index, id] of ids.entries()) {
      const successor = this.#known.get(ids[index + 1] ?? 0)?.header;
      const segment = this.#known.get(id);
      if (segment !== undefined) {
        this.#first ??= { segmentId: id, firstLsn: segment.header.firstLsn };
        const end = await this.#examineSegment(segment, successor, index === ids.length - 1);
        previous = { segmentId: id, end };
      } else if (successor !== undefined && previous !== undefined) {
        this.#replace(id, previous, successor);
        previous = {
          segmentId: id,
          end: {
            offset: successor.previousEndOffset,
            nextLsn: successor.firstLsn,
            chain: successor.previousDigest,
          },
        };
      }
    }
    this.#noteLostFront(checkpoint);
  }

  checkpointIsDamaged(): void {
    this.#moveCheckpoint("the checkpoint is damaged", NOTHING_LOST, WHOLE_SMALL_FILE);
  }

  /** Everything before the first readable segment is gone: the log begins later. */
  #noteLostFront(
    checkpoint: { readonly firstSegmentId: number; readonly firstLsn: number } | undefined,
  ): void {
    const first = this.#first;
    if (first === undefined) return;
    if (checkpoint === undefined) {
      const isNewborn = this.#known.get(first.segmentId)?.header.previousSegmentId === 0;
      if (!isNewborn) this.#moveCheckpoint("the checkpoint is missing", NOTHING_LOST, undefined);
    } else if (first.segmentId !== checkpoint.firstSegmentId) {
      const reason = `segment ${checkpoint.firstSegmentId} is missing or beyond help`;
      this.#moveCheckpoint(reason, lostBetween(checkpoint.firstLsn, first.firstLsn), undefined);
    }
  }

  #moveCheckpoint(reason: string, lost: LostRange, damaged: SalvageAction["damaged"]): void {
    if (this.#actions.some((action) => action.kind === "move-checkpoint")) return;
    const path = joinPath(this.#options.directory, CHECKPOINT_NAME);
    this.#actions.push({
      ...NOTHING_WRITTEN,
      kind: "move-checkpoint",
      path,
      damaged,
      lost,
      reason,
    });
  }

  /** Walks one segment, planning a gap for each damaged range. Returns where its frames end. */
  async #examineSegment(
    segment: KnownSegment,
    successor: SegmentHeader | undefined,
    isLast: boolean,
  ): Promise<ScanPosition> {
    const { storage } = this.#options;
    const file = await storage.openFile(segment.path, "read");
    try {
      const fileBytes = await file.size();
      const endOffset = successor?.previousEndOffset ?? fileBytes;
      const limitOffset = Math.min(endOffset, fileBytes);
      return await this.#walk(file, segment, { successor, isLast, limitOffset, fileBytes });
    } finally {
      await file.close();
    }
  }

  async #walk(
    file: StorageFile,
    segment: KnownSegment,
    extent: SegmentExtent,
  ): Promise<ScanPosition> {
    const { successor, limitOffset } = extent;
    const info = segmentInfo(segment.path, segment.header);
    let start = firstPosition(info.firstLsn, info.headerDigest);
    let last: ScannedFrame | undefined;
    for (;;) {
      const scanner = new FrameScanner({
        file,
        saltSeed: info.saltSeed,
        start,
        limitOffset,
      });
      for (let frame = await scanner.next(); frame !== undefined; frame = await scanner.next()) {
        last = frame;
      }
      const broken = scanner.position;
      if (successor === undefined) {
        const rest = await examineRest(file, info.saltSeed, broken.offset, extent.fileBytes);
        if (rest.vouchedBy === undefined) {
          this.#noteEnd(segment.path, last, rest, extent);
          return broken;
        }
      } else if (isEnd(broken, successor)) {
        return broken;
      }
      const good = await findFrame(
        file,
        info.saltSeed,
        { fromOffset: broken.offset + FRAME_HEADER_BYTES, endOffset: limitOffset },
        ({ header }) =>
          header.firstLsn >= broken.nextLsn &&
          (successor === undefined || header.firstLsn <= successor.firstLsn),
      );
      const resume =
        good === undefined
          ? endPosition(successor, broken)
          : { offset: good.offset, nextLsn: good.header.firstLsn, chain: good.header.chain };
      if (resume.offset - broken.offset >= FRAME_HEADER_BYTES) {
        this.#patch(segment, info.saltSeed, broken, resume);
      }
      if (good === undefined) return resume;
      start = resume;
    }
  }

  /** The frames end, and no successor says where. Zeros and a torn tail of the last segment are recovery's business. */
  #noteEnd(
    path: string,
    last: ScannedFrame | undefined,
    rest: RestOfSegment,
    { isLast, fileBytes }: SegmentExtent,
  ): void {
    if (!isLast && rest.hasBytes) {
      this.#actions.push({
        ...NOTHING_WRITTEN,
        kind: "keep-bytes",
        path,
        damaged: { fromOffset: rest.fromOffset, endOffset: rest.endOffset },
        reason: "no frame begins here, and the segment that follows is missing",
      });
    }
    if (!isLast || last?.header.kind !== FRAME_KIND.seal) return;
    this.#isTailMissing = true;
    this.#actions.push({
      ...NOTHING_WRITTEN,
      kind: "remove-seal",
      path,
      damaged: { fromOffset: last.offset, endOffset: fileBytes },
      reason:
        "the segment says that another follows, and that is missing; nobody knows what it held",
      offset: last.offset,
    });
  }

  #patch(segment: KnownSegment, seedOfSalt: number, from: ScanPosition, to: ScanPosition): void {
    const timeMs = this.#options.nowMs();
    this.#actions.push({
      kind: "patch-range",
      path: segment.path,
      damaged: { fromOffset: from.offset, endOffset: to.offset },
      lost: lostBetween(from.nextLsn, to.nextLsn),
      reason: "frames are damaged",
      pieces: () => gapFrames(seedOfSalt, from, to, timeMs),
      offset: from.offset,
    });
  }

  /** A segment that holds nothing but a gap, between a known end and a known successor. */
  #replace(
    segmentId: number,
    previous: { readonly segmentId: number; readonly end: ScanPosition },
    successor: SegmentHeader,
  ): void {
    const { directory } = this.#options;
    const timeMs = this.#options.nowMs();
    const header: SegmentHeader = {
      segmentId,
      firstLsn: previous.end.nextLsn,
      salt: this.#options.randomBytes(SALT_BYTES),
      previousSegmentId: previous.segmentId,
      previousEndOffset: previous.end.offset,
      previousDigest: previous.end.chain,
      createdAtMs: timeMs,
    };
    const path = joinPath(directory, formatSegmentName(segmentId));
    const info = segmentInfo(path, header);
    const from = firstPosition(header.firstLsn, info.headerDigest);
    const end = endPosition(successor, from);
    const gapBytes = end.offset - from.offset;
    // No segment ends there: the successor's word is no help, and the log is told to be damaged.
    if (gapBytes !== 0 && gapBytes < FRAME_HEADER_BYTES) return;
    const hopeless = this.#hopeless.find((file) => file.segmentId === segmentId);
    this.#actions.push({
      kind: "replace-segment",
      path,
      damaged:
        hopeless === undefined ? undefined : { fromOffset: 0, endOffset: hopeless.fileBytes },
      lost: lostBetween(header.firstLsn, successor.firstLsn),
      reason: hopeless === undefined ? "the segment is missing" : "the segment is beyond help",
      pieces: function* () {
        yield info.headerBytes;
        yield* gapFrames(info.saltSeed, from, end, timeMs);
      },
      offset: 0,
    });
  }

  async #headerCopy(file: SegmentFileFacts): Promise<SegmentHeader | undefined> {
    const handle = await this.#options.storage.openFile(file.path, "read");
    try {
      return await findHeaderCopy(handle, file.segmentId);
    } finally {
      await handle.close();
    }
  }

  #hasBefore(id: number): boolean {
    return [...this.#known.keys()].some((known) => known <= id);
  }
}

function isEnd(position: ScanPosition, successor: SegmentHeader): boolean {
  return (
    position.offset === successor.previousEndOffset &&
    position.chain === successor.previousDigest &&
    position.nextLsn === successor.firstLsn
  );
}

/** Where a segment ends by its successor's word; where it broke when it has none. */
function endPosition(successor: SegmentHeader | undefined, broken: ScanPosition): ScanPosition {
  if (successor === undefined) return broken;
  return {
    offset: successor.previousEndOffset,
    nextLsn: successor.firstLsn,
    chain: successor.previousDigest,
  };
}

function lostBetween(firstLsn: number, nextLsn: number): LostRange {
  return nextLsn > firstLsn ? { firstLsn, lastLsn: nextLsn - 1 } : NOTHING_LOST;
}
