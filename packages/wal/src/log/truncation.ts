/**
 * Finds the place at which a log is cut when records are dropped at the back. Reads only.
 */
import type { CodecRegistry } from "../codec/codecs.ts";
import type { Keyring } from "../encryption/keyring.ts";
import { WalError } from "../errors.ts";
import { FRAME_KIND } from "../format/frame.ts";
import { RECORD_HEAD_BYTES, recordLengthBytes } from "../format/record.ts";
import { FrameScanner, type ScanPosition } from "../segment/frame-scanner.ts";
import type { ClosedSegment } from "../segment/segment-info.ts";
import type { Storage } from "../storage/storage.ts";
import type { FrameHead } from "./carry-frames.ts";
import { frameBody } from "./frame-body.ts";
import type { LogState } from "./log-state.ts";

/** Where the log is cut: frames of `segment` from `position` on go; of the first of them, the records in `head` stay. */
export interface Cut {
  /** Place of the segment in the list of closed ones; all behind it go. */
  readonly index: number;
  readonly segment: ClosedSegment;
  readonly position: ScanPosition;
  readonly head: FrameHead | undefined;
}

/** A cut was refused, by its cause, before anything was changed: the log goes on as it is. */
export class CutRefusedError extends Error {
  override readonly name = "CutRefusedError";
}

export interface FindCutOptions {
  readonly storage: Storage;
  readonly codecs: CodecRegistry;
  /** Needed only for a cut inside an encrypted frame. */
  readonly keyring?: Keyring | undefined;
}

/**
 * The cut behind `lastLsn` of a log whose records are all in closed segments.
 *
 * @throws {CutRefusedError} caused by `WAL_CORRUPT`, `WAL_CODEC_MISSING`, `WAL_KEY_MISSING`, `WAL_KEY_WRONG` or a failed read when the
 * frame cannot be read, by `WAL_LSN_TRUNCATED` when the log begins behind the cut
 */
export async function findCut(
  options: FindCutOptions,
  { closed, firstLsn }: Pick<LogState, "closed" | "firstLsn">,
  lastLsn: number,
): Promise<Cut> {
  try {
    // Something was released between the call and its turn.
    if (lastLsn < firstLsn - 1) throw releasedMeanwhile(lastLsn, firstLsn);
    const index = closed.findIndex((segment) => segment.lastLsn > lastLsn);
    const segment = closed[index];
    if (segment === undefined) throw new RangeError(`the log ends before LSN ${lastLsn + 1}`);
    return { index, segment, ...(await findInSegment(options, segment, lastLsn)) };
  } catch (cause) {
    throw new CutRefusedError(`cannot truncate behind LSN ${lastLsn}`, { cause });
  }
}

async function findInSegment(
  { storage, codecs, keyring }: FindCutOptions,
  segment: ClosedSegment,
  lastLsn: number,
): Promise<Pick<Cut, "position" | "head">> {
  const file = await storage.openFile(segment.path, "read");
  try {
    const scanner = new FrameScanner({
      file,
      saltSeed: segment.saltSeed,
      start: segment.index.seek(lastLsn + 1),
      limitOffset: segment.endOffset,
    });
    for (;;) {
      const position = scanner.position;
      const frame = await scanner.next();
      if (frame === undefined) throw damagedAt(segment.path, position);
      const { firstLsn, recordCount, timeMs, kind } = frame.header;
      if (firstLsn + recordCount <= lastLsn + 1) continue;
      if (firstLsn === lastLsn + 1) return { position, head: undefined };
      const kept = { firstLsn, recordCount: lastLsn - firstLsn + 1, timeMs };
      if (kind === FRAME_KIND.gap) return { position, head: { ...kept, body: undefined } };
      const body = await frameBody(frame, codecs, segment.path, keyring);
      return { position, head: { ...kept, body: firstRecords(body, kept.recordCount) } };
    }
  } finally {
    await file.close();
  }
}

function releasedMeanwhile(lastLsn: number, firstLsn: number): WalError {
  return new WalError(
    "WAL_LSN_TRUNCATED",
    `LSN ${lastLsn} has been released; the log begins with LSN ${firstLsn}`,
    { details: { lsn: lastLsn, firstLsn } },
  );
}

function damagedAt(path: string, { offset, nextLsn }: ScanPosition): WalError {
  return new WalError("WAL_CORRUPT", `${path}: damage at offset ${offset}, LSN ${nextLsn}`, {
    details: { path, offsetBytes: offset, firstLsn: nextLsn },
  });
}

function firstRecords(body: Uint8Array, count: number): Uint8Array {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let end = 0;
  for (let index = 0; index < count; index++) {
    end += RECORD_HEAD_BYTES + recordLengthBytes(view.getUint32(end, true));
  }
  return body.subarray(0, end);
}
