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
