import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerMetrics } from "../../src/server-metrics.ts";

suite("requestCounts", () => {
  test("sums the write routes, in milliseconds, counts per bucket", async () => {
    const metrics = new ServerMetrics();
    metrics.observeRequest("write_v1", 204, 0.3);
    metrics.observeRequest("write_v2", 204, 0.3);
    metrics.observeRequest("write_v2", 503, 99_000);
    metrics.observeRequest("query", 200, 5);
    metrics.observeError("SERVER_OVERLOADED");
    metrics.observeWrite("line_protocol", 10, 300);
    const { writeMs, ...counts } = await metrics.requestCounts();
    assert.deepEqual(counts, {
      writes: 1,
      rows: 10,
      bytes: 300,
      byStatus: { "200": 1, "204": 2, "503": 1 },
      errors: { SERVER_OVERLOADED: 1 },
    });
    assert.equal(writeMs.count, 3);
    assert.equal(writeMs.counts.length, writeMs.bounds.length + 1);
    assert.equal(writeMs.counts[writeMs.bounds.indexOf(0.5)], 2);
    assert.equal(writeMs.counts.at(-1), 1);
    assert.ok(Math.abs(writeMs.sum - 99_000.6) < 0.001);
  });

  test("of a server that was asked nothing is empty", async () => {
    const { writeMs, byStatus } = await new ServerMetrics().requestCounts();
    assert.deepEqual([writeMs.count, byStatus], [0, {}]);
  });
});
