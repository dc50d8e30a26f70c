import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  nextLsnOf,
  segmentsUpTo,
  withLastClosed,
  withoutFirst,
  type LogState,
} from "../../src/log/log-state.ts";
import { closedAt, type ClosedSegment } from "../../src/segment/segment-info.ts";
import { segmentPath } from "../machine.ts";
import { buildSegment } from "../segment-builder.ts";

/** A closed segment of these LSNs. */
function closed(segmentId: number, firstLsn: number, lastLsn: number): ClosedSegment {
  const segment = buildSegment({ header: { segmentId, firstLsn } });
  const end = { offset: 64, nextLsn: lastLsn + 1, chain: segmentId };
  return closedAt(segment.infoFor(segmentPath(segmentId)), end);
}

const THREE: LogState = {
  closed: [closed(1, 1, 4), closed(2, 5, 9), closed(3, 10, 12)],
  active: undefined,
  firstLsn: 1,
};

function idsOf(segments: readonly ClosedSegment[]): number[] {
  return segments.map(({ segmentId }) => segmentId);
}

suite("nextLsnOf", () => {
  test("follows the last record, or is the first LSN of an empty log", () => {
    assert.equal(nextLsnOf(THREE), 13);
    assert.equal(nextLsnOf({ closed: [], active: undefined, firstLsn: 7 }), 7);
  });
});

suite("segmentsUpTo and withoutFirst", () => {
  for (const { lsn, released, firstLsn } of [
    { lsn: 0, released: [], firstLsn: 1 },
    { lsn: 3, released: [], firstLsn: 1 },
    { lsn: 4, released: [1], firstLsn: 5 },
    { lsn: 8, released: [1], firstLsn: 5 },
    { lsn: 9, released: [1, 2], firstLsn: 10 },
    // The last one stays: the header of its successor must name it.
    { lsn: 12, released: [1, 2], firstLsn: 10 },
  ]) {
    test(`lets ${released.length} segments go when ${lsn} is no longer needed`, () => {
      const gone = segmentsUpTo(THREE, lsn);
      const next = withoutFirst(THREE, gone.length);
      assert.deepEqual(idsOf(gone), released);
      assert.equal(next.firstLsn, firstLsn);
      assert.deepEqual(idsOf([...gone, ...next.closed]), [1, 2, 3]);
      assert.deepEqual(idsOf(THREE.closed), [1, 2, 3]);
    });
  }

  test("never moves the front back", () => {
    const truncated = { ...THREE, firstLsn: 7 };
    assert.equal(withoutFirst(truncated, 1).firstLsn, 7);
  });
});

suite("withLastClosed", () => {
  test("puts another segment at a place and drops those behind it", () => {
    const cut = withLastClosed(THREE, 1, closed(2, 5, 6));
    assert.deepEqual(idsOf(cut.closed), [1, 2]);
    assert.equal(nextLsnOf(cut), 7);
  });
});
