/**
 * Where the frames of an undamaged log lie, and which of them a damage has left as they were.
 */
import assert from "node:assert/strict";
import { decodeSegmentHeader, type SegmentHeader } from "../../src/format/segment-header.ts";
import { FRAME_KIND, type FrameHeader } from "../../src/format/frame.ts";
import { FrameScanner } from "../../src/segment/frame-scanner.ts";
import { firstPosition, segmentInfo } from "../../src/segment/segment-info.ts";
import { LOG_DIRECTORY } from "../machine.ts";
import { diskWith, segmentNames } from "../golden/golden-log.ts";
import type { LogFiles } from "./damage.ts";

export interface SurveyedFrame {
  readonly header: FrameHeader;
  readonly offset: number;
  readonly endOffset: number;
}

export interface SurveyedSegment {
  readonly name: string;
  readonly header: SegmentHeader;
  readonly frames: readonly SurveyedFrame[];
  readonly endOffset: number;
}

/** All segments of an undamaged log, ascending. */
export async function surveyLog(files: LogFiles): Promise<readonly SurveyedSegment[]> {
  const disk = diskWith(files);
  const segments: SurveyedSegment[] = [];
  for (const name of segmentNames(files)) {
    const bytes = files.get(name) ?? new Uint8Array(0);
    const result = decodeSegmentHeader(bytes);
    assert.ok(result.kind === "valid");
    const info = segmentInfo(name, result.header);
    const scanner = new FrameScanner({
      file: await disk.openFile(`${LOG_DIRECTORY}/${name}`, "read"),
      saltSeed: info.saltSeed,
      start: firstPosition(info.firstLsn, info.headerDigest),
      limitOffset: bytes.byteLength,
    });
    const frames: SurveyedFrame[] = [];
    for (let frame = await scanner.next(); frame !== undefined; frame = await scanner.next()) {
      const { header, offset, lengthBytes } = frame;
      frames.push({ header, offset, endOffset: offset + lengthBytes });
    }
    segments.push({ name, header: result.header, frames, endOffset: scanner.position.offset });
  }
  return segments;
}

/** Compares a damaged log with what it was. */
export class DamageSurvey {
  readonly segments: readonly SurveyedSegment[];
  readonly #before: LogFiles;
  readonly #after: LogFiles;

  constructor(segments: readonly SurveyedSegment[], before: LogFiles, after: LogFiles) {
    this.segments = segments;
    this.#before = before;
    this.#after = after;
  }

  isIntact(name: string, fromOffset: number, endOffset: number): boolean {
    const before = this.#before.get(name)?.subarray(fromOffset, endOffset);
    const after = this.#after.get(name)?.subarray(fromOffset, endOffset);
    if (before === undefined || after === undefined) return false;
    return Buffer.compare(before, after) === 0;
  }

  isFrameIntact(segment: SurveyedSegment, frame: SurveyedFrame): boolean {
    return this.isIntact(segment.name, frame.offset, frame.endOffset);
  }

  /** The header is as it was, or a mark is that carries a copy. */
  isReadable(segment: SurveyedSegment): boolean {
    if (this.isIntact(segment.name, 0, 64)) return true;
    return segment.frames.some(
      (frame) => frame.header.kind !== FRAME_KIND.data && this.isFrameIntact(segment, frame),
    );
  }

  /** The last segment that salvage can make sense of. */
  get lastReadable(): SurveyedSegment | undefined {
    return this.segments.findLast((segment) => this.isReadable(segment));
  }

  /** LSNs that a salvage cannot have lost: in whole frames of readable segments that another readable one follows. */
  lsnsThatMustBeThere(): Set<number> {
    const lsns = new Set<number>();
    const readable = this.segments.filter((segment) => this.isReadable(segment));
    for (const segment of readable.slice(0, -1)) {
      for (const frame of segment.frames) {
        if (this.isFrameIntact(segment, frame)) addLsns(lsns, frame);
      }
    }
    const last = readable.at(-1);
    for (const frame of last?.frames ?? []) {
      if (last === undefined || !this.isFrameIntact(last, frame)) break;
      // A batch without its end is cut as a whole.
      if ((frame.header.flags & 1) !== 0) break;
      addLsns(lsns, frame);
    }
    return lsns;
  }

  /** LSNs at the end that something still vouches for: their loss must not go unnamed. */
  lsnsVouchedForAtTheEnd(): Set<number> {
    const lsns = new Set<number>();
    const last = this.lastReadable;
    if (last === undefined) return lsns;
    for (const frame of last.frames) {
      const isVouched = last.frames.some(
        (later) => this.isFrameIntact(last, later) && later.header.durableOffset > frame.offset,
      );
      if (isVouched) addLsns(lsns, frame);
    }
    const seal = last.frames.at(-1);
    const isSealed = seal?.header.kind === FRAME_KIND.seal && this.isFrameIntact(last, seal);
    for (const segment of this.segments) {
      const isBehind = segment.header.segmentId > last.header.segmentId;
      const isSeen = isSealed || this.#after.has(segment.name);
      if (isBehind && isSeen) for (const frame of segment.frames) addLsns(lsns, frame);
    }
    return lsns;
  }
}

function addLsns(lsns: Set<number>, { header }: SurveyedFrame): void {
  for (let index = 0; index < header.recordCount; index++) lsns.add(header.firstLsn + index);
}
