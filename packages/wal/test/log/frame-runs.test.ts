import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { FrameSpan } from "../../src/commit/commit-buffer.ts";
import { frameLengthBytes } from "../../src/format/frame.ts";
import { batchUnit, runThatFits } from "../../src/log/frame-runs.ts";

/** Frames of these body sizes, one behind the other; a batch is given as an array and spans its frames. */
function framesOf(bodies: readonly (number | readonly number[])[]): FrameSpan[] {
  const frames: FrameSpan[] = [];
  let start = 0;
  let firstLsn = 1;
  for (const unit of bodies) {
    const sizes = typeof unit === "number" ? [unit] : unit;
    for (const [index, bodyBytes] of sizes.entries()) {
      const continues = index < sizes.length - 1;
      frames.push({ start, bodyBytes, firstLsn: firstLsn++, recordCount: 1, continues });
      start += frameLengthBytes(bodyBytes);
    }
  }
  return frames;
}

const LENGTH = frameLengthBytes(100);

suite("batchUnit", () => {
  test("is one frame, or all frames of a batch that spans frames", () => {
    const frames = framesOf([100, [100, 100, 100], 100]);
    assert.deepEqual(batchUnit(frames, 0), { bytes: LENGTH, frames: 1 });
    assert.deepEqual(batchUnit(frames, 1), { bytes: 3 * LENGTH, frames: 3 });
    assert.deepEqual(batchUnit(frames, 4), { bytes: LENGTH, frames: 1 });
    assert.deepEqual(batchUnit(frames, 5), { bytes: 0, frames: 0 });
  });

  test("counts what encryption adds to each body, padding included", () => {
    const frames = framesOf([[100, 100]]);
    assert.equal(batchUnit(frames, 0, 44).bytes, 2 * frameLengthBytes(144));
  });
});

suite("runThatFits", () => {
  const frames = framesOf([100, [100, 100], 100]);

  for (const { roomBytes, count } of [
    { roomBytes: 4 * LENGTH, count: 4 },
    { roomBytes: 4 * LENGTH - 1, count: 3 },
    { roomBytes: 3 * LENGTH, count: 3 },
    { roomBytes: 3 * LENGTH - 1, count: 1 },
    { roomBytes: LENGTH, count: 1 },
  ]) {
    test(`takes ${count} of four frames into ${roomBytes} bytes, and splits no batch`, () => {
      assert.deepEqual(runThatFits(frames, roomBytes), frames.slice(0, count));
    });
  }

  test("takes one unit however little room there is: a batch can be larger than a segment", () => {
    assert.equal(runThatFits(frames, 0).length, 1);
    assert.equal(runThatFits(frames.slice(1), -5).length, 2);
  });
});
