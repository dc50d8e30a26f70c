import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SegmentIndex } from "../../src/segment/segment-index.ts";

const SPACING = 64 * 1024;
const FIRST = { offset: 64, nextLsn: 100, chain: 1 };

suite("SegmentIndex", () => {
  test("leads to the first frame when nothing else is known", () => {
    const index = new SegmentIndex(FIRST);
    for (const lsn of [0, 99, 100, 101, 1_000_000]) assert.deepEqual(index.seek(lsn), FIRST);
  });

  test("leads to the last noted position at or before an LSN", () => {
    const index = new SegmentIndex(FIRST);
    for (let step = 1; step <= 20; step++) index.note(64 + step * SPACING, 100 + step * 10, step);
    for (let lsn = 100; lsn < 320; lsn++) {
      const step = Math.min(20, Math.floor((lsn - 100) / 10));
      assert.equal(index.seek(lsn).nextLsn, 100 + step * 10, `LSN ${lsn}`);
    }
  });

  test("keeps one position in a spacing, and the first when positions come again", () => {
    const index = new SegmentIndex(FIRST);
    index.note(64 + SPACING - 1, 150, 2);
    assert.deepEqual(index.seek(150), FIRST);
    index.note(64 + SPACING, 160, 3);
    assert.equal(index.seek(160).chain, 3);
    index.note(64, 100, 99);
    index.note(64 + SPACING, 160, 99);
    index.note(64 + SPACING + 8, 161, 99);
    assert.equal(index.seek(161).chain, 3);
    assert.equal(index.seek(100).chain, 1);
  });
});
