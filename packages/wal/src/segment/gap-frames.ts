/**
 * Gap frames: what salvage puts in the place of frames that are lost. Pure.
 */
import { encodeGapFrame } from "../format/frame.ts";
import type { ScanPosition } from "./frame-scanner.ts";

/** Longest gap frame but the last, which is up to twice as long: a scan holds a whole frame in memory. */
const GAP_FRAME_BYTES = 1024 * 1024; // 1 MiB

/**
 * Gap frames that fill `[from, to)`, one behind the other; the first one carries all that is lost. Made one at a time: a header
 * may say that a gigabyte is missing.
 */
export function* gapFrames(
  seedOfSalt: number,
  from: ScanPosition,
  to: ScanPosition,
  timeMs: number,
): Generator<Uint8Array, undefined> {
  let { offset, nextLsn, chain } = from;
  while (offset < to.offset) {
    const left = to.offset - offset;
    // The last frame takes the rest, so that no piece is shorter than a header.
    const lengthBytes = left >= 2 * GAP_FRAME_BYTES ? GAP_FRAME_BYTES : left;
    const isLast = lengthBytes === left;
    yield encodeGapFrame(
      {
        lengthBytes,
        firstLsn: nextLsn,
        lostRecords: to.nextLsn - nextLsn,
        resumeChain: isLast ? to.chain : 0,
        chain,
        timeMs,
      },
      (seedOfSalt ^ offset) >>> 0,
    );
    offset += lengthBytes;
    nextLsn = to.nextLsn;
    chain = isLast ? to.chain : 0;
  }
  return undefined;
}
