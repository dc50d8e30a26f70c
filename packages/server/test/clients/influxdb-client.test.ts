/** The client library of InfluxDB 2.x for JavaScript, unmodified: plain and gzip, retries, and its probe. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { InfluxDB, Point } from "@influxdata/influxdb-client";
import { rowsOf, startServer, TOKEN } from "./client-server.ts";

const POINTS = 5_000;

suite("@influxdata/influxdb-client", () => {
  for (const gzipThreshold of [1, Infinity]) {
    test(`writes ${POINTS} points, ${gzipThreshold === 1 ? "gzip" : "plain"}`, async (context) => {
      const server = await startServer(context);
      const client = new InfluxDB({ url: server.url, token: TOKEN });
      const api = client.getWriteApi("org", "bucket", "us", { gzipThreshold, batchSize: 700 });
      api.useDefaultTags({ location: "browser, = tab" });
      for (let id = 0; id < POINTS; id++) {
        const point = new Point("my cpu")
          .tag("h", `h ${id % 3}`)
          .floatField("f", id / 7)
          .intField("id", id)
          .uintField("u", "18446744073709551615")
          .stringField("s", `"${id}" \\ =,`)
          .booleanField("even", id % 2 === 0)
          .timestamp(String(1_700_000_000_000_000 + id));
        api.writePoint(point);
      }
      await api.close();
      const columns = "id, f, u, s, even, h, location, epoch_us(time)";
      const rows = await rowsOf(server, `SELECT ${columns} FROM bucket."my cpu" ORDER BY time`);
      const expected = Array.from({ length: POINTS }, (_, id) => [
        id,
        id / 7,
        "18446744073709551615",
        `"${id}" \\ =,`,
        id % 2 === 0,
        `h ${id % 3}`,
        "browser, = tab",
        1_700_000_000_000_000 + id,
      ]);
      assert.deepEqual(rows, expected);
    });
  }

  test("a wrong point is an error with our sentence; /health and /ping are what its users probe", async (context) => {
    const server = await startServer(context);
    const failures: string[] = [];
    const api = new InfluxDB({ url: server.url, token: TOKEN }).getWriteApi("o", "b", "ns", {
      maxRetries: 0,
      writeFailed: (error) => {
        failures.push(error.message);
        return Promise.resolve();
      },
    });
    api.writeRecord("m v=oops");
    await api.close();
    assert.equal(failures.length, 1);
    assert.match(failures[0] ?? "", /^line 1, byte 5/);
    const health = await fetch(`${server.url}/health`);
    const { status, name } = (await health.json()) as { status: string; name: string };
    assert.deepEqual([health.status, status, typeof name], [200, "pass", "string"]);
    const ping = await fetch(`${server.url}/ping`);
    assert.equal(ping.status, 204);
    assert.notEqual(ping.headers.get("x-influxdb-version"), null);
  });
});
