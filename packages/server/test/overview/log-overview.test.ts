import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { openWal } from "@walnut/wal";
import { logOverview, MAX_LISTED_SEGMENTS } from "../../src/overview/log-overview.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

suite("logOverview", () => {
  test("lists segments up to a bound, and the oldest ones as one", async () => {
    await using wal = await openWal({ directory: await temporaryDirectory() });
    await wal.append(new Uint8Array(10));
    const status = wal.status();
    const [segment] = status.segments;
    assert.ok(segment !== undefined);
    const many = Array.from({ length: MAX_LISTED_SEGMENTS + 50 }, (_, index) => ({
      ...segment,
      sizeBytes: 100,
      firstLsn: index * 10 + 1,
      lastLsn: index * 10 + 10,
    }));
    const facts = { shard: 1, metrics: wal.metrics(), flushedLsn: 0, freeBytes: undefined };
    const { segments, segmentCount } = logOverview({
      status: { ...status, segments: many },
      ...facts,
    });
    assert.equal(segmentCount, MAX_LISTED_SEGMENTS + 50);
    assert.equal(segments.length, MAX_LISTED_SEGMENTS);
    assert.deepEqual(
      [segments[0]?.files, segments[0]?.firstLsn, segments[0]?.lastLsn, segments[0]?.sizeBytes],
      [51, 1, 510, 5_100],
    );
    assert.equal(segments[1]?.firstLsn, 511);
    const few = logOverview({ status, ...facts });
    assert.equal(few.segments.length, 1);
    assert.equal(few.freeBytes, null);
  });
});
