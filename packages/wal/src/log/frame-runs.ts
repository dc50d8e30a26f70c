/**
 * Cuts the frames of a commit buffer into runs that go into one segment. Pure.
 */
import type { FrameSpan } from "../commit/commit-buffer.ts";
import { frameLengthBytes } from "../format/frame.ts";

/**
 * Bytes of the frame at `index`, with all frames of its batch when it begins one that spans frames.
 *
 * @param overheadBytes - by which encryption makes each body longer
 */
export function batchUnit(
  frames: readonly FrameSpan[],
  index: number,
  overheadBytes = 0,
): { readonly bytes: number; readonly frames: number } {
  let bytes = 0;
  let count = 0;
  for (;;) {
    const frame = frames[index + count];
    if (frame === undefined) break;
    bytes += frameLengthBytes(frame.bodyBytes + overheadBytes);
    count++;
    if (!frame.continues) break;
  }
  return { bytes, frames: count };
}

/** The longest prefix of `frames` that fits, at least one unit: a batch is never split over segments. */
export function runThatFits(
  frames: readonly FrameSpan[],
  roomBytes: number,
  overheadBytes = 0,
): readonly FrameSpan[] {
  let bytes = 0;
  let count = 0;
  while (count < frames.length) {
    const unit = batchUnit(frames, count, overheadBytes);
    if (count > 0 && bytes + unit.bytes > roomBytes) break;
    bytes += unit.bytes;
    count += unit.frames;
  }
  return count === frames.length ? frames : frames.slice(0, count);
}
