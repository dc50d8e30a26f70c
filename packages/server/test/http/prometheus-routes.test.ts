/** Remote-write as Prometheus speaks it, against a real server: what is stored, and which status it sees. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { compressSync } from "snappy";
import { openServer } from "../../src/server.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import { series, writeRequest } from "../ingest/remote-write-writer.ts";
import { queryRows } from "../process/server-process.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const TOKEN = "prometheus-test-token";
const TYPE_V2 = "application/x-protobuf;proto=io.prometheus.write.v2.Request";

async function startServer(context: TestContext): Promise<WalnutServer> {
  const dataDirectory = await temporaryDirectory();
  const server = await openServer({ port: 0, token: TOKEN, dataDirectory });
  context.after(() => server.close());
  await server.ready;
  return server;
}

async function write(
  server: WalnutServer,
  path: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly code: string | null }> {
  const response = await fetch(server.url + path, {
    method: "POST",
    body: new Uint8Array(body),
    headers: {
      authorization: `Bearer ${TOKEN}`,
      "content-type": "application/x-protobuf",
      "content-encoding": "snappy",
      "x-prometheus-remote-write-version": "0.1.0",
      ...headers,
    },
  });
  await response.arrayBuffer();
  return { status: response.status, code: response.headers.get("x-walnut-error") };
}

const BODY = compressSync(
  writeRequest([
    series({ __name__: "up", job: "a" }, [1_700_000_000_123, 1], [1_700_000_000_124, NaN]),
  ]),
);

suite("remote-write routes", () => {
  test("both paths; the database is a parameter or a header, else the default one", async (context) => {
    const server = await startServer(context);
    const targets = [
      ["/api/v1/write", {}, '"default"'],
      ["/api/v1/write?db=a", {}, "a"],
      ["/api/v1/prom/write?db=b", {}, "b"],
      ["/api/v1/write?db=x", { "x-walnut-database": "c" }, "c"],
    ] as const;
    for (const [path, headers, database] of targets) {
      assert.deepEqual(await write(server, path, BODY, headers), { status: 204, code: null });
      const sql = `SELECT time, job, value FROM ${database}.up ORDER BY time`;
      assert.deepEqual(await queryRows(server.url, TOKEN, sql), [
        ["2023-11-14T22:13:20.123000000Z", "a", 1],
        ["2023-11-14T22:13:20.124000000Z", "a", "NaN"],
      ]);
    }
  });

  test("NaN and infinities come back from Parquet as they went in", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const options = { port: 0, token: TOKEN, dataDirectory };
    const first = await openServer(options);
    await first.ready;
    const samples = [NaN, Infinity, -Infinity, 0.1].map((value, index) => [index, value] as const);
    const body = compressSync(writeRequest([series({ __name__: "m" }, ...samples)]));
    assert.equal((await write(first, "/api/v1/write?db=a", body)).status, 204);
    await first.close();
    const second = await openServer(options);
    context.after(() => second.close());
    assert.equal((await second.ready).records, 0, "everything is in Parquet");
    assert.deepEqual(await queryRows(second.url, TOKEN, "SELECT value FROM a.m ORDER BY time"), [
      ["NaN"],
      ["Infinity"],
      ["-Infinity"],
      [0.1],
    ]);
  });

  test("what must not be sent again is 4xx: damage 400, another protocol 415", async (context) => {
    const server = await startServer(context);
    const path = "/api/v1/write";
    const bad = compressSync(writeRequest([series({ job: "a" }, [1, 1])]));
    assert.deepEqual(await write(server, path, bad), {
      status: 400,
      code: "SERVER_INVALID_REMOTE_WRITE",
    });
    const damaged = Buffer.from("nothing of the kind");
    assert.deepEqual(await write(server, path, damaged), {
      status: 400,
      code: "SERVER_INVALID_REQUEST",
    });
    assert.equal((await write(server, path, Buffer.alloc(0))).status, 400);
    const refused = [
      { "content-type": TYPE_V2 },
      { "content-type": "text/plain" },
      { "content-encoding": "zstd" },
    ];
    for (const headers of refused) {
      assert.deepEqual(await write(server, path, BODY, headers), {
        status: 415,
        code: "SERVER_UNSUPPORTED_ENCODING",
      });
    }
    const named = { "content-type": "application/x-protobuf;proto=prometheus.WriteRequest" };
    assert.equal((await write(server, path, BODY, named)).status, 204);
  });

  test("stale markers are accepted, counted and not stored", async (context) => {
    const server = await startServer(context);
    const bytes = Buffer.from(writeRequest([series({ __name__: "m" }, [1, 7], [2, 8])]));
    const seven = Buffer.alloc(8);
    seven.writeDoubleLE(7);
    Buffer.from("020000000000f07f", "hex").copy(bytes, bytes.indexOf(seven));
    assert.equal((await write(server, "/api/v1/write?db=a", compressSync(bytes))).status, 204);
    assert.deepEqual(await queryRows(server.url, TOKEN, "SELECT value FROM a.m"), [[8]]);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    assert.match(metrics, /^walnut_write_dropped_total\{kind="stale_marker"\} 1$/m);
    assert.match(metrics, /^walnut_write_rows_total\{protocol="remote_write"\} 1$/m);
  });
});
