import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { mapLog } from "../src/app/log-map.ts";
import type { SegmentOverview } from "../src/overview.ts";

function segment(changes: Partial<SegmentOverview>): SegmentOverview {
  return {
    firstLsn: 1,
    lastLsn: 10,
    sizeBytes: 100,
    createdAtMs: 0,
    isSealed: true,
    files: 1,
    ...changes,
  };
}

suite("mapLog", () => {
  const segments = [
    segment({}),
    segment({ firstLsn: 11, lastLsn: 20, sizeBytes: 60, isSealed: false }),
  ];

  test("lays out bytes to scale, with the room of the active segment behind them", () => {
    const map = mapLog({ segments }, 100);
    assert.deepEqual(
      map.segments.map(({ start, end }) => [start, end]),
      [
        [0, 0.5],
        [0.5, 0.8],
      ],
    );
  });

  test("finds an LSN inside its segment", () => {
    const { placeOf } = mapLog({ segments }, 100);
    assert.deepEqual([0, 5, 10, 15, 20, 99].map(placeOf), [0, 0.25, 0.5, 0.65, 0.8, 0.8]);
  });

  test("an empty log has no places", () => {
    assert.equal(mapLog({ segments: [] }, 100).placeOf(1), 0);
    const empty = segment({ lastLsn: 0, sizeBytes: 0, isSealed: false });
    assert.equal(mapLog({ segments: [empty] }, 100).placeOf(0), 0);
  });
});
