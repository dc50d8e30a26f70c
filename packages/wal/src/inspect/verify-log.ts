/**
 * Checks everything that a log says about itself: every frame of every segment, the chain, checkpoint and cursors.
 *
 * Reports all damage that it finds instead of stopping at the first. Takes no lock, writes nothing, and runs beside a writer: the
 * unfinished end of a log is not damage.
 */
import { isWalError } from "../errors.ts";
import { CHECKPOINT_BYTES } from "../format/checkpoint-file.ts";
import { FRAME_KIND } from "../format/frame.ts";
import { CHECKPOINT_NAME } from "../format/segment-name.ts";
import type { RecoveryProgress } from "../recovery/recover.ts";
import type { ScannedFrame } from "../segment/frame-scanner.ts";
import { NodeStorage } from "../storage/node-storage.ts";
import { joinPath, type Storage } from "../storage/storage.ts";
import { lsnRange, type Damage } from "./damage.ts";
import { assertLog, bodyReader, type BodyReader, type RecordOptions } from "./inspect-options.ts";
import { LogWalker, type LogStep } from "./log-walker.ts";
import type { LogListing } from "./log-listing.ts";
import type { ChainedSegment } from "./segment-chain.ts";
import type { WalkEnd } from "./segment-walker.ts";

/** Without `encryption` the checksums of encrypted frames are checked, and what is in them is not. */
export interface VerifyOptions extends RecordOptions {
  readonly onProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

export interface VerifiedSegment {
  readonly segmentId: number;
  readonly path: string;
  readonly firstLsn: number;
  /** `firstLsn - 1` when it holds no record. */
  readonly lastLsn: number;
  readonly frames: number;
  readonly records: number;
  /** Bytes of header and valid frames. */
  readonly verifiedBytes: number;
  readonly damagedBytes: number;
}

/** Records that were lost to damage and that a salvage has replaced by a mark. */
export interface VerifiedGap {
  readonly segmentId: number;
  readonly path: string;
  readonly offsetBytes: number;
  readonly endOffsetBytes: number;
  readonly firstLsn: number;
  readonly lastLsn: number;
}

/** Bytes behind the last complete batch: being written now, or left by a crash; the next open cuts them. */
export interface UnfinishedEnd {
  readonly segmentId: number;
  readonly path: string;
  readonly offsetBytes: number;
  readonly endOffsetBytes: number;
  readonly firstLsn: number;
}

export interface LogVerification {
  readonly directory: string;
  readonly segments: readonly VerifiedSegment[];
  readonly firstLsn: number;
  /** Last LSN of a complete batch; `firstLsn - 1` when there is none. */
  readonly lastLsn: number;
  readonly frames: number;
  readonly records: number;
  readonly verifiedBytes: number;
  readonly cursors: number;
  /** Frames whose checksum is right and whose records nobody has looked at, for want of a key. */
  readonly encryptedFrames: number;
  readonly damage: readonly Damage[];
  readonly gaps: readonly VerifiedGap[];
  readonly unfinished: UnfinishedEnd | undefined;
}

/**
 * Verifies a log.
 *
 * @throws {WalError} `WAL_UNSUPPORTED_FORMAT`, `WAL_CODEC_MISSING`, `WAL_KEY_MISSING`, `WAL_KEY_WRONG`, `WAL_IO`; damage is reported, not thrown
 */
export async function verifyLog(options: VerifyOptions): Promise<LogVerification> {
  const storage = options.storage ?? new NodeStorage();
  await assertLog(storage, options.directory);
  const verifier = new Verifier(storage, options, await bodyReader(options));
  return await verifier.run();
}

class Verifier {
  readonly #options: VerifyOptions;
  readonly #walker: LogWalker;
  readonly #readBody: BodyReader;
  readonly #damage: Damage[] = [];
  readonly #gaps: VerifiedGap[] = [];
  readonly #segments: VerifiedSegment[] = [];
  #current: VerifiedSegment | undefined;
  #last: { readonly segment: ChainedSegment; readonly end: WalkEnd } | undefined;
  #reportedBytes = 0;
  #encryptedFrames = 0;

  constructor(storage: Storage, options: VerifyOptions, readBody: BodyReader) {
    this.#options = options;
    this.#readBody = readBody;
    this.#walker = new LogWalker({ storage, directory: options.directory, keepsChunks: false });
  }

  async run(): Promise<LogVerification> {
    try {
      for (;;) {
        const step = await this.#walker.next();
        if (step.kind === "end") {
          this.#finishSegment();
          return this.#report(step.end);
        }
        await this.#take(step);
      }
    } finally {
      await this.#walker.close();
    }
  }

  async #take(step: Exclude<LogStep, { kind: "end" }>): Promise<void> {
    switch (step.kind) {
      case "segment":
        this.#finishSegment();
        this.#current = emptySegment(step.segment);
        break;
      case "frame":
        await this.#takeFrame(step.frame, step.segment);
        break;
      case "damage":
        this.#takeDamage(step.damage);
        break;
      case "segment-end":
        this.#last = step;
        this.#progress(true);
        break;
      case "cut":
      case "missed":
        break;
    }
  }

  async #takeFrame(frame: ScannedFrame, segment: ChainedSegment): Promise<void> {
    const current = this.#current;
    if (current === undefined) return;
    const { kind, firstLsn, recordCount } = frame.header;
    const endOffsetBytes = frame.offset + frame.lengthBytes;
    const place = { segmentId: segment.segmentId, path: segment.path, offsetBytes: frame.offset };
    const lastLsn = firstLsn + recordCount - 1;
    if (kind === FRAME_KIND.gap && recordCount > 0) {
      this.#gaps.push({ ...place, endOffsetBytes, firstLsn, lastLsn });
    }
    const isData = kind === FRAME_KIND.data;
    const problem = isData ? await this.#bodyProblem(frame, segment) : undefined;
    if (problem !== undefined) {
      const vouchedBy = "the frame's own checksum";
      const range = lsnRange(firstLsn, lastLsn + 1);
      this.#damage.push({
        kind: "records",
        ...place,
        endOffsetBytes,
        ...range,
        reason: problem,
        vouchedBy,
      });
    }
    this.#current = {
      ...current,
      lastLsn,
      frames: current.frames + 1,
      records: current.records + (isData ? recordCount : 0),
      verifiedBytes: current.verifiedBytes + frame.lengthBytes,
    };
    this.#progress(false);
  }

  async #bodyProblem(frame: ScannedFrame, segment: ChainedSegment): Promise<string | undefined> {
    try {
      await this.#readBody(frame, segment.path);
      return undefined;
    } catch (error) {
      const { encryption } = this.#options;
      if (encryption === undefined && isWalError(error, "WAL_KEY_MISSING")) {
        this.#encryptedFrames++;
        return undefined;
      }
      if (!isWalError(error, "WAL_CORRUPT")) throw error;
      return String(error.details["reason"] ?? error.message);
    }
  }

  #takeDamage(damage: Damage): void {
    this.#damage.push(damage);
    const current = this.#current;
    if (current === undefined || damage.segmentId !== current.segmentId) return;
    const bytes = damage.endOffsetBytes - damage.offsetBytes;
    this.#current = {
      ...current,
      lastLsn: damage.lastLsn ?? current.lastLsn,
      damagedBytes: current.damagedBytes + bytes,
      verifiedBytes: current.verifiedBytes - (damage.kind === "header" ? bytes : 0),
    };
  }

  #finishSegment(): void {
    if (this.#current !== undefined) this.#segments.push(this.#current);
    this.#current = undefined;
  }

  #progress(isSegmentDone: boolean): void {
    const { onProgress } = this.#options;
    const links = this.#walker.chain?.links;
    if (onProgress === undefined || links === undefined) return;
    const done = [...this.#segments, ...(this.#current === undefined ? [] : [this.#current])];
    const bytesDone = done.reduce(
      (total, segment) => total + segment.verifiedBytes + segment.damagedBytes,
      0,
    );
    if (!isSegmentDone && bytesDone - this.#reportedBytes < 4 * 1024 * 1024) return;
    this.#reportedBytes = bytesDone;
    onProgress({
      segmentsDone: done.length - (isSegmentDone ? 0 : 1),
      segmentsTotal: links.length,
      bytesDone,
      bytesTotal: Math.max(
        bytesDone,
        links.reduce((total, link) => total + bytesOf(link), 0),
      ),
    });
  }

  #report(end: WalkEnd | undefined): LogVerification {
    const chain = this.#walker.chain;
    const listing = chain?.listing;
    const last = chain?.links.at(-1);
    const lastSegment = last?.kind === "segment" ? last.segment : this.#last?.segment;
    if (end !== undefined && lastSegment !== undefined) {
      this.#damage.push(...missingSuccessor(lastSegment, end));
    }
    if (listing !== undefined) this.#damage.push(...smallFileDamage(listing));
    const sum = (get: (segment: VerifiedSegment) => number): number =>
      this.#segments.reduce((total, segment) => total + get(segment), 0);
    const firstLsn = Math.max(listing?.checkpoint?.firstLsn ?? 1, this.#segments[0]?.firstLsn ?? 1);
    return {
      directory: this.#options.directory,
      segments: this.#segments,
      firstLsn,
      lastLsn: Math.max(firstLsn - 1, (end?.batchEnd.nextLsn ?? firstLsn) - 1),
      frames: sum((segment) => segment.frames),
      records: sum((segment) => segment.records),
      verifiedBytes: sum((segment) => segment.verifiedBytes),
      cursors: listing?.cursors.length ?? 0,
      encryptedFrames: this.#encryptedFrames,
      damage: this.#damage,
      gaps: this.#gaps,
      unfinished:
        end === undefined || lastSegment === undefined
          ? undefined
          : unfinishedEnd(lastSegment, end),
    };
  }
}

function emptySegment(segment: ChainedSegment): VerifiedSegment {
  const { segmentId, path, header } = segment;
  return {
    segmentId,
    path,
    firstLsn: header.firstLsn,
    lastLsn: header.firstLsn - 1,
    frames: 0,
    records: 0,
    verifiedBytes: 64,
    damagedBytes: 0,
  };
}

function bytesOf(link: NonNullable<LogWalker["chain"]>["links"][number]): number {
  if (link.kind === "hole") return 0;
  const { successor, fileBytes } = link.segment;
  return successor?.previousEndOffset ?? fileBytes;
}

/** A seal is written only once the next segment is durable. */
function missingSuccessor(segment: ChainedSegment, end: WalkEnd): readonly Damage[] {
  if (end.lastFrameKind !== FRAME_KIND.seal) return [];
  return [
    {
      kind: "missing-successor",
      path: segment.path,
      segmentId: segment.segmentId,
      offsetBytes: end.position.offset,
      endOffsetBytes: end.position.offset,
      firstLsn: end.position.nextLsn,
      lastLsn: undefined,
      reason: "the segment is sealed, so another one follows, and it is missing",
      vouchedBy: "the seal",
    },
  ];
}

function smallFileDamage(listing: LogListing): readonly Damage[] {
  const damage: Damage[] = [];
  const common = {
    segmentId: undefined,
    offsetBytes: 0,
    firstLsn: undefined,
    lastLsn: undefined,
    vouchedBy: "files like this are replaced as a whole",
  };
  if (listing.isCheckpointDamaged) {
    const path = joinPath(listing.directory, CHECKPOINT_NAME);
    const reason = "the checkpoint is damaged: where the log begins is not known";
    const endOffsetBytes = CHECKPOINT_BYTES;
    damage.push({ ...common, kind: "checkpoint", path, endOffsetBytes, reason });
  }
  for (const { path, name, fileBytes, cursor } of listing.cursors) {
    if (cursor !== undefined) continue;
    const reason = `the position of cursor ${name} cannot be read`;
    damage.push({ ...common, kind: "cursor", path, endOffsetBytes: fileBytes, reason });
  }
  return damage;
}

function unfinishedEnd(segment: ChainedSegment, end: WalkEnd): UnfinishedEnd | undefined {
  const { batchEnd, position, rest } = end;
  const endOffsetBytes = Math.max(position.offset, rest?.endOffset ?? 0);
  if (endOffsetBytes <= batchEnd.offset) return undefined;
  return {
    segmentId: segment.segmentId,
    path: segment.path,
    offsetBytes: batchEnd.offset,
    endOffsetBytes,
    firstLsn: batchEnd.nextLsn,
  };
}
