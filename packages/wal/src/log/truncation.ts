/**
 * Finds the place at which a log is cut when records are dropped at the back. Reads only.
 */
import type { CodecRegistry } from "../codec/codecs.ts";
import type { Keyring } from "../encryption/keyring.ts";
import { WalError } from "../errors.ts";
import { RECORD_HEAD_BYTES, recordLengthBytes } from "../format/record.ts";
import { FrameScanner, type ScanPosition } from "../segment/frame-scanner.ts";
import type { ClosedSegment } from "../segment/segment-info.ts";
import type { Storage } from "../storage/storage.ts";
import type { FrameHead } from "./carry-frames.ts";
import { frameBody } from "./frame-body.ts";

/** Frames from `position` on go; of the first of them, the records in `head` stay. */
export interface Cut {
  readonly position: ScanPosition;
  readonly head: FrameHead | undefined;
}

/**
 * The cut behind `lastLsn` in the segment that holds the record after it.
 *
 * @param keyring - needed only for a cut inside an encrypted frame
 * @throws {WalError} `WAL_CORRUPT`, `WAL_CODEC_MISSING`, `WAL_KEY_MISSING`, `WAL_KEY_WRONG` when the frame cannot be read: then
 * nothing is cut
 */
export async function findCut(
  storage: Storage,
  codecs: CodecRegistry,
  segment: ClosedSegment,
  lastLsn: number,
  keyring?: Keyring,
): Promise<Cut> {
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
      if (frame === undefined) {
        throw new WalError(
          "WAL_CORRUPT",
          `${segment.path}: damage at offset ${position.offset}, LSN ${position.nextLsn}: cannot truncate behind LSN ${lastLsn}`,
          {
            details: {
              path: segment.path,
              offsetBytes: position.offset,
              firstLsn: position.nextLsn,
            },
          },
        );
      }
      const { firstLsn, recordCount, timeMs } = frame.header;
      if (firstLsn + recordCount <= lastLsn + 1) continue;
      if (firstLsn === lastLsn + 1) return { position, head: undefined };
      const kept = lastLsn - firstLsn + 1;
      const body = await frameBody(frame, codecs, segment.path, keyring);
      const head = { firstLsn, recordCount: kept, timeMs, body: firstRecords(body, kept) };
      return { position, head };
    }
  } finally {
    await file.close();
  }
}

function firstRecords(body: Uint8Array, count: number): Uint8Array {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let end = 0;
  for (let index = 0; index < count; index++) {
    end += RECORD_HEAD_BYTES + recordLengthBytes(view.getUint32(end, true));
  }
  return body.subarray(0, end);
}
