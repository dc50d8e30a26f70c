import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DropCounter } from "../../src/capacity/drop-report.ts";

suite("DropCounter", () => {
  test("has nothing to report at first", () => {
    assert.deepEqual(new DropCounter().report, {
      oldestRecords: 0,
      oldestBytes: 0,
      oldestRanges: [],
      newestRecords: 0,
      newestBytes: 0,
    });
  });

  test("counts every range and keeps the newest hundred by name", () => {
    const counter = new DropCounter();
    const range = (index: number) => ({
      firstLsn: index * 10 + 1,
      lastLsn: index * 10 + 10,
      bytes: 100,
      timeMs: index,
      cursors: ["reader"],
    });
    for (let index = 0; index < 103; index++) counter.countOldest(range(index));
    const { oldestRecords, oldestBytes, oldestRanges } = counter.report;
    assert.deepEqual([oldestRecords, oldestBytes], [1030, 10_300]);
    assert.equal(oldestRanges.length, 100);
    assert.deepEqual([oldestRanges[0], oldestRanges.at(-1)], [range(3), range(102)]);
  });

  test("does not change a report that it has given", () => {
    const counter = new DropCounter();
    const before = counter.report;
    counter.countNewest(2, 30);
    counter.countOldest({ firstLsn: 1, lastLsn: 1, bytes: 100, timeMs: 0, cursors: [] });
    assert.deepEqual([before.newestRecords, before.oldestRanges.length], [0, 0]);
    assert.deepEqual([counter.report.newestRecords, counter.report.newestBytes], [2, 30]);
  });
});
