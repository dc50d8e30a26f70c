/**
 * Reads the records of a log without taking part in it: a range of LSNs or times, past damage, beside a writer.
 *
 * Delivers what the operating system has, durable or not; a batch is delivered when it is complete. What cannot be read is part
 * of the answer: damage, gaps, records that were released meanwhile.
 */
import { isWalError } from "../errors.ts";
import { FRAME_FLAG_BATCH_CONTINUES, FRAME_KIND } from "../format/frame.ts";
import { RECORD_HEAD_BYTES, recordKind, recordLengthBytes } from "../format/record.ts";
import type { WalRecord } from "../log/record-iterator.ts";
import type { ScannedFrame } from "../segment/frame-scanner.ts";
import { NodeStorage } from "../storage/node-storage.ts";
import type { Storage } from "../storage/storage.ts";
import { lsnRange, type Damage } from "./damage.ts";
import { assertLog, bodyReader, type BodyReader, type RecordOptions } from "./inspect-options.ts";
import { LogWalker, type LogStep } from "./log-walker.ts";
import type { ChainedSegment } from "./segment-chain.ts";

export interface ReadLogOptions extends RecordOptions {
  /** First LSN to deliver. Default the first one that is there. */
  readonly fromLsn?: number | undefined;
  /** Last LSN to deliver. */
  readonly toLsn?: number | undefined;
  /** Deliver frames that were written at this time or later, by the writer's clock, in milliseconds since 1970. */
  readonly fromMs?: number | undefined;
  /** Deliver frames that were written up to this time. */
  readonly toMs?: number | undefined;
}

/** The records of one frame. Payloads are views on memory that nobody will overwrite. */
export interface LogRecords {
  readonly kind: "records";
  readonly records: readonly WalRecord[];
  /** When the frame was written, in milliseconds since 1970, by the writer's clock. */
  readonly timeMs: number;
  readonly segmentId: number;
  readonly path: string;
  readonly offsetBytes: number;
  /** Bytes of the frame in the file, header and padding included. */
  readonly lengthBytes: number;
  readonly codecId: number;
  /** Bytes of the body as stored, and before compression. */
  readonly storedBytes: number;
  readonly rawBytes: number;
}

/** One piece of a log, in the order of the log. */
export type LogPart =
  | LogRecords
  /** Records that a salvage found lost. */
  | { readonly kind: "gap"; readonly firstLsn: number; readonly lastLsn: number }
  /** Bytes that hold records which cannot be read. */
  | { readonly kind: "damage"; readonly damage: Damage }
  /** Records that were released before we got to them. */
  | { readonly kind: "missed"; readonly firstLsn: number; readonly lastLsn: number }
  /** The log was cut behind `lastLsn` while we were reading: what follows takes the place of what was delivered. */
  | { readonly kind: "cut"; readonly lastLsn: number };

/**
 * The parts of a log in a range, up to its present end.
 *
 * @throws {WalError} `WAL_INVALID_OPTION`, `WAL_UNSUPPORTED_FORMAT`, `WAL_CODEC_MISSING`, `WAL_KEY_MISSING`, `WAL_KEY_WRONG`, `WAL_IO`;
 * damage is delivered, not thrown
 */
export async function* readLog(options: ReadLogOptions): AsyncGenerator<LogPart, undefined> {
  const reader = await PartReader.open(options);
  try {
    for (;;) {
      const part = await reader.next();
      if (part === undefined) return undefined;
      yield part;
    }
  } finally {
    await reader.close();
  }
}

interface HeldFrame {
  readonly frame: ScannedFrame;
  readonly segment: ChainedSegment;
}

/** Turns the steps of a walk into parts; `undefined` means that there is nothing more now, or that the range is over. */
export class PartReader {
  readonly #options: ReadLogOptions;
  readonly #walker: LogWalker;
  readonly #readBody: BodyReader;
  #fromLsn: number;
  /** An open batch was met at the end: nothing of it is delivered before it is complete. */
  #held: HeldFrame | undefined;
  #isInsideBatch = false;
  #deliveredLsn = 0;
  #isOver = false;

  private constructor(storage: Storage, options: ReadLogOptions, readBody: BodyReader) {
    const { directory, fromLsn, fromMs } = options;
    this.#options = options;
    this.#readBody = readBody;
    this.#fromLsn = fromLsn ?? 1;
    this.#walker = new LogWalker({ storage, directory, fromLsn, fromMs, keepsChunks: true });
  }

  /** @throws {WalError} as {@link readLog}, before anything is delivered */
  static async open(options: ReadLogOptions): Promise<PartReader> {
    const storage = options.storage ?? new NodeStorage();
    await assertLog(storage, options.directory);
    return new PartReader(storage, options, await bodyReader(options));
  }

  /** True when nothing behind the present place can be in the range. */
  get isOver(): boolean {
    return this.#isOver;
  }

  async next(): Promise<LogPart | undefined> {
    while (!this.#isOver) {
      const step = await this.#nextStep();
      if (step === undefined) return undefined;
      const part = await this.#part(step);
      if (part !== undefined) return part;
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#walker.close();
  }

  /** The next step, holding back a batch that is not complete. */
  async #nextStep(): Promise<Exclude<LogStep, { kind: "end" }> | undefined> {
    if (this.#held !== undefined) return await this.#heldStep(this.#held);
    const step = await this.#walker.next();
    if (step.kind === "end") return undefined;
    if (step.kind !== "frame") {
      this.#isInsideBatch = false;
      return step;
    }
    const continues = (step.frame.header.flags & FRAME_FLAG_BATCH_CONTINUES) !== 0;
    const mayBeOpen = continues && !this.#isInsideBatch && step.segment.isLast;
    this.#isInsideBatch = continues;
    if (!mayBeOpen || (await this.#walker.isBatchComplete(step.frame))) return step;
    this.#held = step;
    return await this.#heldStep(step);
  }

  /** The first frame of an open batch: delivered when the batch is complete, forgotten when the log goes on without it. */
  async #heldStep(held: HeldFrame): Promise<Exclude<LogStep, { kind: "end" }> | undefined> {
    if (!(await this.#walker.isBatchComplete(held.frame))) {
      if (!(await this.#walker.lookForSuccessor())) return undefined;
      if (this.#walker.openSegmentId !== held.segment.segmentId) {
        this.#held = undefined;
        return await this.#nextStep();
      }
    }
    this.#held = undefined;
    return { kind: "frame", ...held };
  }

  async #part(step: Exclude<LogStep, { kind: "end" }>): Promise<LogPart | undefined> {
    const { toLsn = Number.MAX_SAFE_INTEGER, toMs = Number.MAX_SAFE_INTEGER } = this.#options;
    switch (step.kind) {
      case "frame":
        return await this.#framePart(step.frame, step.segment);
      case "damage": {
        const { firstLsn, lastLsn } = step.damage;
        const isBefore = lastLsn !== undefined && lastLsn < this.#fromLsn;
        return isBefore || (firstLsn ?? 0) > toLsn ? undefined : step;
      }
      case "cut":
        return step.lastLsn < this.#deliveredLsn ? step : undefined;
      case "missed":
        return step.lastLsn < this.#fromLsn || step.firstLsn > toLsn ? undefined : step;
      case "segment": {
        const { firstLsn, createdAtMs } = step.segment.header;
        const begin = this.#walker.chain?.listing.checkpoint?.firstLsn ?? 1;
        this.#fromLsn = Math.max(this.#fromLsn, begin);
        this.#isOver = firstLsn > toLsn || createdAtMs > toMs;
        return undefined;
      }
      case "segment-end":
        return undefined;
    }
  }

  async #framePart(frame: ScannedFrame, segment: ChainedSegment): Promise<LogPart | undefined> {
    const { toLsn = Number.MAX_SAFE_INTEGER, fromMs = 0 } = this.#options;
    const { kind, firstLsn, recordCount, timeMs } = frame.header;
    const lastLsn = firstLsn + recordCount - 1;
    if (firstLsn > toLsn) {
      this.#isOver = true;
      return undefined;
    }
    if (recordCount === 0 || lastLsn < this.#fromLsn) return undefined;
    if (kind === FRAME_KIND.gap) return { kind: "gap", firstLsn, lastLsn };
    if (timeMs < fromMs || timeMs > (this.#options.toMs ?? timeMs)) return undefined;
    try {
      const body = await this.#readBody(frame, segment.path);
      const range = { fromLsn: this.#fromLsn, toLsn };
      this.#deliveredLsn = lastLsn;
      return recordsPart(frame, segment, recordsIn(body, frame, range));
    } catch (error) {
      if (!isWalError(error, "WAL_CORRUPT")) throw error;
      return {
        kind: "damage",
        damage: unreadable(frame, segment, String(error.details["reason"])),
      };
    }
  }
}

function recordsPart(
  frame: ScannedFrame,
  segment: ChainedSegment,
  records: readonly WalRecord[],
): LogRecords {
  const { timeMs, codecId, storedBytes, rawBytes } = frame.header;
  return {
    kind: "records",
    records,
    timeMs,
    segmentId: segment.segmentId,
    path: segment.path,
    offsetBytes: frame.offset,
    lengthBytes: frame.lengthBytes,
    codecId,
    storedBytes,
    rawBytes,
  };
}

function recordsIn(
  body: Uint8Array,
  frame: ScannedFrame,
  range: { readonly fromLsn: number; readonly toLsn: number },
): readonly WalRecord[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const records: WalRecord[] = [];
  let offset = 0;
  for (let index = 0; index < frame.header.recordCount; index++) {
    const head = view.getUint32(offset, true);
    const start = offset + RECORD_HEAD_BYTES;
    offset = start + recordLengthBytes(head);
    const lsn = frame.header.firstLsn + index;
    if (lsn < range.fromLsn || lsn > range.toLsn) continue;
    records.push({ lsn, kind: recordKind(head), payload: body.subarray(start, offset) });
  }
  return records;
}

function unreadable(frame: ScannedFrame, segment: ChainedSegment, reason: string): Damage {
  const { firstLsn, recordCount } = frame.header;
  return {
    kind: "records",
    path: segment.path,
    segmentId: segment.segmentId,
    offsetBytes: frame.offset,
    endOffsetBytes: frame.offset + frame.lengthBytes,
    ...lsnRange(firstLsn, firstLsn + recordCount),
    reason,
    vouchedBy: "the frame's own checksum",
  };
}
