import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { formatSegmentName, parseSegmentName } from "../../src/format/segment-name.ts";

suite("segment name", () => {
  for (const { segmentId, name } of [
    { segmentId: 1, name: "000000000001.wal" },
    { segmentId: 42, name: "000000000042.wal" },
    { segmentId: 999_999_999_999, name: "999999999999.wal" },
  ]) {
    test(`of ${segmentId} is ${name}`, () => {
      assert.equal(formatSegmentName(segmentId), name);
      assert.equal(parseSegmentName(name), segmentId);
    });
  }

  test("sorts as ids do", () => {
    const names = [1, 2, 9, 10, 11, 99, 100, 12_345].map(formatSegmentName);
    assert.deepEqual(names.toSorted(), names);
  });

  for (const name of [
    "",
    "1.wal",
    "0000000000001.wal",
    "00000000001.wal",
    "00000000000a.wal",
    "000000000001.wal.tmp",
    "000000000001.WAL",
    "x000000000001.wal",
    " 000000000001.wal",
    "000000000001.wal\n",
    "-00000000001.wal",
    "CHECKPOINT",
    "LOCK",
    "next.prewrite",
    "cursors",
  ]) {
    test(`is not ${JSON.stringify(name)}`, () => {
      assert.equal(parseSegmentName(name), undefined);
    });
  }
});
