import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { replayExtent } from "../src/replay-extent.ts";

const SEGMENTS = [
  { firstLsn: 1, lastLsn: 10, sizeBytes: 1_000 },
  { firstLsn: 11, lastLsn: 20, sizeBytes: 500 },
  { firstLsn: 21, lastLsn: 20, sizeBytes: 64 },
];

suite("replayExtent", () => {
  test("counts what has to be read, from the first record that is needed", () => {
    assert.deepEqual(replayExtent(SEGMENTS, { from: 1, next: 1 }), {
      segmentsDone: 0,
      segmentsTotal: 2,
      bytesDone: 0,
      bytesTotal: 1_500,
    });
    assert.deepEqual(replayExtent(SEGMENTS, { from: 6, next: 11 }), {
      segmentsDone: 1,
      segmentsTotal: 2,
      bytesDone: 500,
      bytesTotal: 1_000,
    });
    assert.deepEqual(replayExtent(SEGMENTS, { from: 16, next: 18 }), {
      segmentsDone: 0,
      segmentsTotal: 1,
      bytesDone: 100,
      bytesTotal: 250,
    });
  });

  test("ends with everything done, and grows all the way", () => {
    let before = -1;
    for (let next = 3; next <= 21; next++) {
      const { bytesDone } = replayExtent(SEGMENTS, { from: 3, next });
      assert.ok(bytesDone > before || next === 3);
      before = bytesDone;
    }
    const end = replayExtent(SEGMENTS, { from: 3, next: 21 });
    assert.deepEqual([end.bytesDone, end.segmentsDone], [end.bytesTotal, end.segmentsTotal]);
  });

  test("is nothing for a log that holds nothing of use", () => {
    const nothing = { segmentsDone: 0, segmentsTotal: 0, bytesDone: 0, bytesTotal: 0 };
    assert.deepEqual(replayExtent([], { from: 1, next: 1 }), nothing);
    assert.deepEqual(replayExtent(SEGMENTS, { from: 21, next: 21 }), nothing);
  });
});
