import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerMetrics } from "../src/server-metrics.ts";

/** Value of one line of the exposition. */
async function valueOf(metrics: ServerMetrics, series: string): Promise<number | undefined> {
  const text = await metrics.render();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

suite("ServerMetrics", () => {
  test("counts answers by route and status, and their times", async () => {
    const metrics = new ServerMetrics();
    metrics.observeRequest("write_v1", 204, 3);
    metrics.observeRequest("write_v1", 204, 30);
    metrics.observeRequest("write_v1", 400, 1);
    assert.equal(
      await valueOf(metrics, 'walnut_http_responses_total{route="write_v1",status="204"}'),
      2,
    );
    assert.equal(
      await valueOf(metrics, 'walnut_http_responses_total{route="write_v1",status="400"}'),
      1,
    );
    assert.equal(
      await valueOf(metrics, 'walnut_http_request_duration_seconds_count{route="write_v1"}'),
      3,
    );
  });

  test("counts rows and bytes of accepted writes, and errors by code", async () => {
    const metrics = new ServerMetrics();
    metrics.observeWrite("line_protocol", 5_000, 300_000);
    metrics.observeWrite("line_protocol", 1, 20);
    metrics.observeError("SERVER_INVALID_LINE");
    assert.equal(
      await valueOf(metrics, 'walnut_write_rows_total{protocol="line_protocol"}'),
      5_001,
    );
    assert.equal(
      await valueOf(metrics, 'walnut_write_bytes_total{protocol="line_protocol"}'),
      300_020,
    );
    assert.equal(await valueOf(metrics, 'walnut_errors_total{code="SERVER_INVALID_LINE"}'), 1);
  });

  test("reads sources when rendered, and rendering twice does not add up", async () => {
    const metrics = new ServerMetrics();
    let reads = 0;
    metrics.register([
      { kind: "counter", name: "a_total", help: "a", read: () => ++reads },
      { kind: "gauge", name: "b", help: "b", label: "table", read: () => new Map([["x", 4]]) },
      { kind: "gauge", name: "c", help: "c", read: () => undefined },
    ]);
    assert.equal(reads, 0);
    assert.equal(await valueOf(metrics, "walnut_a_total"), 1);
    assert.equal(await valueOf(metrics, "walnut_a_total"), 2);
    assert.equal(await valueOf(metrics, 'walnut_b{table="x"}'), 4);
  });

  test("keeps two servers of one process apart", async () => {
    const first = new ServerMetrics();
    const second = new ServerMetrics();
    first.observeError("SERVER_TOO_LARGE");
    assert.equal(await valueOf(second, 'walnut_errors_total{code="SERVER_TOO_LARGE"}'), undefined);
  });
});

suite("a histogram that is counted elsewhere", () => {
  const snapshot = { bounds: [1, 10], counts: [2, 1, 4], count: 7, sum: 500, max: 300 };

  test("is written out with cumulative buckets, in the metric's unit", async () => {
    const metrics = new ServerMetrics();
    metrics.register([
      { kind: "histogram", name: "x_seconds", help: "X", unit: 0.001, read: () => snapshot },
    ]);
    const text = await metrics.render();
    assert.ok(text.includes("# TYPE walnut_x_seconds histogram"));
    assert.equal(await valueOf(metrics, 'walnut_x_seconds_bucket{le="0.001"}'), 2);
    assert.equal(await valueOf(metrics, 'walnut_x_seconds_bucket{le="0.01"}'), 3);
    assert.equal(await valueOf(metrics, 'walnut_x_seconds_bucket{le="+Inf"}'), 7);
    assert.equal(await valueOf(metrics, "walnut_x_seconds_sum"), 0.5);
    assert.equal(await valueOf(metrics, "walnut_x_seconds_count"), 7);
  });

  test("has no lines while nothing is known", async () => {
    const metrics = new ServerMetrics();
    metrics.register([
      { kind: "histogram", name: "x_seconds", help: "X", unit: 1, read: () => undefined },
    ]);
    assert.ok(!(await metrics.render()).includes("walnut_x_seconds_bucket"));
  });
});
