/** Every route of a real server on a loopback port, as clients use them. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { InfluxDB, Point } from "@influxdata/influxdb-client";
import { pack } from "msgpackr";
import { ServerError } from "../src/errors.ts";
import { openServer } from "../src/server.ts";
import type { WalnutServer } from "../src/walnut-server.ts";
import type { ServerOptions } from "../src/server-options.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const TOKEN = "test-token";
const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

async function startServer(
  context: TestContext,
  options: ServerOptions = {},
): Promise<WalnutServer> {
  const dataDirectory = options.dataDirectory ?? (await temporaryDirectory());
  const server = await openServer({ port: 0, token: TOKEN, ...options, dataDirectory });
  context.after(() => server.close());
  await server.ready;
  return server;
}

interface Sent {
  readonly method?: string;
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

async function send(server: WalnutServer, path: string, init: Sent = {}): Promise<Answer> {
  const headers = { ...AUTHORIZATION, ...init.headers };
  const response = await fetch(server.url + path, { ...init, headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What a client is told that holds its form back until the server wants it. */
async function answerToHead(
  server: WalnutServer,
  { path, bodyBytes }: { readonly path: string; readonly bodyBytes: number },
): Promise<string> {
  const socket = connect(server.port, "127.0.0.1");
  socket.write(
    `POST ${path}?p=${TOKEN} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n` +
      `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${bodyBytes}\r\n\r\n`,
  );
  const [head] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return head.toString().slice(0, head.indexOf("\r\n"));
}

function write(
  server: WalnutServer,
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return send(server, path, { method: "POST", body, headers });
}

async function rows(server: WalnutServer, sql: string): Promise<unknown[][]> {
  const body = JSON.stringify({ sql });
  const answer = await send(server, "/api/v1/query", { method: "POST", body });
  assert.equal(answer.status, 200, answer.text);
  return (JSON.parse(answer.text) as { data: unknown[][] }).data;
}

suite("write routes", () => {
  test("InfluxDB 1.x: db and precision; the rows are visible to the next query", async (context) => {
    const server = await startServer(context);
    const answer = await write(
      server,
      "/write?db=a&precision=s&rp=x&consistency=all",
      "m v=1i 1\n",
    );
    assert.equal(answer.status, 204, answer.text);
    assert.equal(answer.headers.get("x-walnut-durability"), "fdatasync");
    assert.deepEqual(await rows(server, "SELECT v, time FROM a.m"), [
      [1, "1970-01-01T00:00:01.000000000Z"],
    ]);
  });

  test("InfluxDB 2.x: bucket, and org without meaning", async (context) => {
    const server = await startServer(context);
    const path = "/api/v2/write?org=o&bucket=b&precision=ms";
    assert.equal((await write(server, path, "m v=1 1500")).status, 204);
    assert.deepEqual(await rows(server, "SELECT epoch_ns(time) FROM b.m"), [[1_500_000_000]]);
  });

  test("line protocol and MessagePack with the database in a header, or the default one", async (context) => {
    const server = await startServer(context);
    const line = "/api/v1/write/line-protocol?precision=ns";
    assert.equal((await write(server, line, "m v=1 1", { "x-walnut-database": "w" })).status, 204);
    assert.equal((await write(server, line, "m v=1 1", { "x-arc-database": "c" })).status, 204);
    assert.equal((await write(server, line, "m v=1 1")).status, 204);
    const columns = { time: [1_700_000_000_000_000, 1_700_000_000_000_001], v: [1, 2] };
    const packed = pack({ m: "packed", columns });
    const headers = { "x-walnut-database": "w" };
    assert.equal((await write(server, "/api/v1/write/msgpack", packed, headers)).status, 204);
    for (const table of ["w.m", "c.m", '"default".m']) {
      assert.deepEqual(await rows(server, `SELECT count(*) FROM ${table}`), [[1]], table);
    }
    assert.deepEqual(await rows(server, "SELECT sum(v) FROM w.packed"), [[3]]);
  });

  test("a header wins over the parameter", async (context) => {
    const server = await startServer(context);
    await write(server, "/write?db=parameter", "m v=1 1", { "x-walnut-database": "header" });
    assert.deepEqual(await rows(server, "SELECT count(*) FROM header.m"), [[1]]);
  });

  test("gzip bodies, small and large", async (context) => {
    const server = await startServer(context);
    const lines = Array.from({ length: 50_000 }, (_, id) => `m,t=${Math.random()} id=${id}i ${id}`);
    const large = gzipSync(lines.join("\n"));
    assert.ok(large.byteLength > 100_000);
    const headers = { "content-encoding": "gzip" };
    assert.equal((await write(server, "/write?db=a", large, headers)).status, 204);
    const small = gzipSync("m,t=x id=50000i 50000");
    assert.equal((await write(server, "/write?db=a", small, headers)).status, 204);
    assert.deepEqual(await rows(server, "SELECT count(*), max(id) FROM a.m"), [[50_001, 50_000]]);
  });

  test("a bad line: 400 with line, offset, reason and text, and nothing of the request is kept", async (context) => {
    const server = await startServer(context);
    const answer = await write(server, "/write?db=a", "m v=1 1\n# comment\nm v=oops 2\nm v=3 3\n");
    assert.equal(answer.status, 400);
    const { success, code, details, error, message } = JSON.parse(answer.text);
    assert.equal(success, false);
    assert.equal(code, "SERVER_INVALID_LINE");
    assert.equal(details.line, 3);
    assert.equal(details.offsetBytes, "m v=1 1\n# comment\nm v=".length);
    assert.equal(details.text, "oops");
    assert.equal(typeof details.reason, "string");
    assert.equal(error, message);
    const query = JSON.stringify({ sql: "SELECT * FROM a.m" });
    const lookup = await send(server, "/api/v1/query", { method: "POST", body: query });
    assert.equal(lookup.status, 400);
    assert.equal(JSON.parse(lookup.text).code, "SERVER_INVALID_QUERY");
  });

  test("a type conflict: 400, and the table stays as it is", async (context) => {
    const server = await startServer(context);
    await write(server, "/write?db=a", "m v=1i 1");
    const answer = await write(server, "/write?db=a", 'other v=1 1\nm v="text" 2');
    assert.equal(answer.status, 400);
    assert.equal(JSON.parse(answer.text).code, "SERVER_TYPE_CONFLICT");
    assert.deepEqual(await rows(server, "SELECT v FROM a.m"), [[1]]);
  });

  test("requests that introduce one column with two types at once: one is refused", async (context) => {
    const server = await startServer(context);
    const bodies = Array.from(
      { length: 20 },
      (_, id) => `m v=${id % 2 === 0 ? "1i" : "true"} ${id}`,
    );
    const answers = await Promise.all(bodies.map((body) => write(server, "/write?db=a", body)));
    const accepted = answers.filter((answer) => answer.status === 204).length;
    assert.equal(accepted, 10);
    assert.deepEqual(await rows(server, "SELECT count(v) FROM a.m"), [[10]]);
  });

  test("bodies without rows: comments are accepted, empty ones as each InfluxDB line does", async (context) => {
    const server = await startServer(context);
    for (const path of ["/write?db=a", "/api/v2/write?bucket=a", "/api/v1/write/line-protocol"]) {
      assert.equal((await write(server, path, "# nothing\n\n")).status, 204, path);
    }
    assert.equal((await write(server, "/write?db=a", "")).status, 204);
    for (const path of ["/api/v2/write?bucket=a", "/api/v1/write/line-protocol"]) {
      assert.equal((await write(server, path, "")).status, 400, path);
    }
    assert.equal((await write(server, "/api/v1/write/msgpack", "")).status, 400);
  });

  test("missing database, unknown precision, damaged MessagePack: 400", async (context) => {
    const server = await startServer(context);
    const cases = [
      ["/write", "m v=1", "SERVER_INVALID_REQUEST"],
      ["/write?db=", "m v=1", "SERVER_INVALID_REQUEST"],
      ["/api/v2/write?org=o", "m v=1", "SERVER_INVALID_REQUEST"],
      ["/write?db=a&precision=fortnight", "m v=1", "SERVER_INVALID_REQUEST"],
      ["/api/v1/write/msgpack", "\u0001\u0002", "SERVER_INVALID_MESSAGEPACK"],
    ] as const;
    for (const [path, body, code] of cases) {
      const answer = await write(server, path, body);
      assert.equal(answer.status, 400, path);
      assert.equal(JSON.parse(answer.text).code, code, path);
    }
  });

  test("limits: 413 for the body as sent and as decompressed, 415 for unknown encodings", async (context) => {
    const limits = { maxBodyBytes: 2_000, maxDecodedBodyBytes: 4_000, maxInFlightBytes: 6_000 };
    const server = await startServer(context, limits);
    const path = "/write?db=a";
    assert.equal((await write(server, path, "#".repeat(2_000))).status, 204);
    assert.equal((await write(server, path, "#".repeat(2_001))).status, 413);
    const gzip = { "content-encoding": "gzip" };
    assert.equal((await write(server, path, gzipSync("#".repeat(4_000)), gzip)).status, 204);
    assert.equal((await write(server, path, gzipSync("#".repeat(4_001)), gzip)).status, 413);
    assert.equal((await write(server, path, "x", { "content-encoding": "br" })).status, 415);
  });

  test("rows beyond the memory limit: 503 with Retry-After, and accepted after the flush", async (context) => {
    const server = await startServer(context, { maxMemoryBytes: 1_048_576, flushRows: 20_000 });
    const body = Array.from(
      { length: 10_000 },
      (_, id) => `m id=${id}i,f=${id}.5,g=1.5 ${id}`,
    ).join("\n");
    let refused = 0;
    for (let round = 0; round < 20; round++) {
      const answer = await write(server, "/write?db=a", body);
      if (answer.status === 204) continue;
      assert.equal(answer.status, 503);
      assert.equal(JSON.parse(answer.text).code, "SERVER_OVERLOADED");
      assert.notEqual(answer.headers.get("retry-after"), null);
      refused++;
      round--;
    }
    assert.ok(refused > 0);
    assert.deepEqual(await rows(server, "SELECT count(*) FROM a.m"), [[200_000]]);
  });
});

suite("query route", () => {
  test("answers columns, types, data and counts", async (context) => {
    const server = await startServer(context);
    await write(server, "/write?db=a", 'm,t=x i=9007199254740993i,u=18446744073709551615u,s="q" 7');
    const sql = "SELECT t, i, u, s, time FROM a.m";
    const answer = await send(server, "/api/v1/query", {
      method: "POST",
      body: JSON.stringify({ sql }),
    });
    const { execution_time_ms: timeMs, ...body } = JSON.parse(answer.text);
    assert.equal(typeof timeMs, "number");
    assert.deepEqual(body, {
      success: true,
      columns: ["t", "i", "u", "s", "time"],
      types: ["VARCHAR", "BIGINT", "UBIGINT", "VARCHAR", "TIMESTAMP_NS"],
      data: [
        ["x", "9007199254740993", "18446744073709551615", "q", "1970-01-01T00:00:00.000000007Z"],
      ],
      row_count: 1,
    });
  });

  test("refuses what is no query", async (context) => {
    const server = await startServer(context);
    await write(server, "/write?db=a", "m v=1 1");
    const bodies = [
      ["not json", "SERVER_INVALID_REQUEST"],
      ["{}", "SERVER_INVALID_REQUEST"],
      ['{"sql": 5}', "SERVER_INVALID_REQUEST"],
      ['{"sql": " "}', "SERVER_INVALID_REQUEST"],
      ['{"sql": "SELEKT 1"}', "SERVER_INVALID_QUERY"],
      ['{"sql": "SELECT * FROM a.nothing"}', "SERVER_INVALID_QUERY"],
      ['{"sql": "DELETE FROM a.m"}', "SERVER_INVALID_QUERY"],
      ['{"sql": "SELECT 1; SELECT 2"}', "SERVER_INVALID_QUERY"],
      [`{"sql": "SELECT * FROM read_text('/etc/passwd')"}`, "SERVER_INVALID_QUERY"],
    ] as const;
    for (const [body, code] of bodies) {
      const answer = await send(server, "/api/v1/query", { method: "POST", body });
      assert.equal(answer.status, 400, body);
      assert.equal(JSON.parse(answer.text).code, code, body);
    }
  });

  test("a client that goes away takes its query with it", async (context) => {
    const server = await startServer(context);
    const abort = new AbortController();
    const sql = "SELECT count(*) FROM range(100000000000) a";
    const waiting = fetch(`${server.url}/api/v1/query`, {
      method: "POST",
      headers: AUTHORIZATION,
      body: JSON.stringify({ sql }),
      signal: abort.signal,
    });
    setTimeout(() => abort.abort(), 50);
    await assert.rejects(waiting);
    // Closing waits for requests in flight; were the query still running this would take its time limit.
    const startedMs = performance.now();
    await server.close();
    assert.ok(performance.now() - startedMs < 10_000);
  });
});

suite("InfluxDB tools", () => {
  test("ping answers with versions and without a token", async (context) => {
    const server = await startServer(context);
    for (const method of ["GET", "HEAD"]) {
      const response = await fetch(`${server.url}/ping`, { method });
      assert.equal(response.status, 204);
      assert.match(response.headers.get("x-influxdb-version") ?? "", /^1\.8\./);
      assert.equal(response.headers.get("x-influxdb-build"), "OSS");
    }
    assert.equal((await fetch(`${server.url}/ping?verbose=true`)).status, 200);
  });

  test("SHOW DATABASES and CREATE DATABASE, as parameter and as form", async (context) => {
    const server = await startServer(context);
    await write(server, "/write?db=b", "m v=1 1");
    await write(server, "/write?db=a", "m v=1 1");
    const expected = {
      results: [
        {
          statement_id: 0,
          series: [{ name: "databases", columns: ["name"], values: [["a"], ["b"]] }],
        },
      ],
    };
    const query = `q=${encodeURIComponent("SHOW DATABASES")}`;
    assert.deepEqual(JSON.parse((await send(server, `/query?${query}`)).text), expected);
    const form = { "content-type": "application/x-www-form-urlencoded" };
    assert.deepEqual(
      JSON.parse((await write(server, "/query?epoch=ns", query, form)).text),
      expected,
    );
    assert.match(await answerToHead(server, { path: "/query", bodyBytes: 70_000 }), / 413 /);
    const create = `/query?q=${encodeURIComponent('CREATE DATABASE "new"')}`;
    assert.equal((await send(server, create, { method: "POST" })).status, 200);
    const other = `/query?q=${encodeURIComponent("SELECT * FROM m")}`;
    assert.equal((await send(server, other)).status, 400);
    assert.equal((await fetch(`${server.url}/query?${query}`)).status, 401);
  });

  test("the unmodified 2.x client writes every type and reads nothing but success", async (context) => {
    const server = await startServer(context);
    const client = new InfluxDB({ url: server.url, token: TOKEN });
    const api = client.getWriteApi("org", "bucket", "ns", { maxRetries: 0, gzipThreshold: 0 });
    const count = 2_500;
    for (let id = 0; id < count; id++) {
      api.writePoint(
        new Point("odd name, really")
          .tag("tag key", "tag,value=1")
          .intField("id", id)
          .floatField("f", id / 3)
          .booleanField("b", id % 2 === 0)
          .stringField("s", `say "${id}"\\`)
          .timestamp(String(1_700_000_000_000_000_000n + BigInt(id))),
      );
    }
    await api.close();
    const table = '"bucket"."odd name, really"';
    assert.deepEqual(
      await rows(
        server,
        `SELECT count(*), count(DISTINCT id), max(f), min(epoch_ns(time)), max(epoch_ns(time)) FROM ${table}`,
      ),
      [[count, count, (count - 1) / 3, "1700000000000000000", "1700000000000002499"]],
    );
    assert.deepEqual(await rows(server, `SELECT "tag key", b, s FROM ${table} WHERE id = 7`), [
      ["tag,value=1", false, 'say "7"\\'],
    ]);
  });

  test("the client is told the reason when a write is refused", async (context) => {
    const server = await startServer(context);
    const client = new InfluxDB({ url: server.url, token: TOKEN });
    const errors: Error[] = [];
    const api = client.getWriteApi("org", "bucket", "ns", {
      maxRetries: 0,
      writeFailed: (error) => {
        errors.push(error);
        return Promise.resolve();
      },
    });
    api.writeRecord("m v=broken 1");
    await api.close().catch(() => undefined);
    assert.match(errors[0]?.message ?? "", /line 1/);
  });
});

suite("management routes", () => {
  test("answer under both prefixes, with a token only", async (context) => {
    const server = await startServer(context);
    await write(server, "/write?db=a", "m v=1 1");
    for (const name of ["status", "files", "health"]) {
      for (const prefix of ["/api/wal", "/api/v1/wal"]) {
        assert.equal((await send(server, `${prefix}/${name}`)).status, 200);
        assert.equal((await fetch(`${server.url}${prefix}/${name}`)).status, 401);
      }
    }
  });

  test("tell what is really there", async (context) => {
    const server = await startServer(context, { flushAgeMs: 3_600_000 });
    for (let id = 0; id < 3; id++) await write(server, "/write?db=a", `m v=${id} ${id}`);
    const status = JSON.parse((await send(server, "/api/wal/status")).text);
    assert.equal(status.stats.total_entries, 3);
    assert.equal(status.workers[0].positions.durableLsn, 3);
    assert.ok(status.stats.total_syncs >= 1);
    const files = JSON.parse((await send(server, "/api/wal/files")).text);
    assert.equal(files.active.length, 1);
    assert.ok(Math.abs(files.active[0].modified - Date.now() / 1_000) < 60);
    assert.deepEqual(files.recovered, []);
    assert.equal(files.active[0].path, status.configuration.current_file);
    const health = JSON.parse((await send(server, "/api/wal/health")).text);
    assert.equal(health.wal_enabled, true);
    assert.equal(health.stats_summary.unflushed_records, 3);
  });

  test("metrics are public or not, as configured, and count what happened", async (context) => {
    const open = await startServer(context);
    await write(open, "/write?db=a", "m v=1 1\nm v=2 2");
    const response = await fetch(`${open.url}/metrics`);
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain/);
    const text = await response.text();
    assert.match(text, /^walnut_write_rows_total\{protocol="line_protocol"\} 2$/m);
    assert.match(text, /^walnut_wal_records_total 1$/m);
    assert.match(text, /^walnut_phase\{phase="ready"\} 1$/m);
    const closed = await startServer(context, { publicMetrics: false });
    assert.equal((await fetch(`${closed.url}/metrics`)).status, 401);
    assert.equal((await send(closed, "/metrics")).status, 200);
  });
});

suite("bodies that share memory", () => {
  test("are never mixed up, whole or broken off", async (context) => {
    const server = await startServer(context);
    const lineCount = 2_000;
    const bodyOf = (id: number, seed: string): string =>
      Array.from({ length: lineCount - (id % 7) * 100 }, (_, row) => {
        return `m,id=${id} text="${seed.repeat(20)}${id}",row=${row}i ${row + 1}`;
      }).join("\n");
    const expected: [string, number, number][] = [];
    for (let round = 0; round < 3; round++) {
      const ids = Array.from({ length: 6 }, (_, index) => round * 10 + index);
      // Broken off in the middle: its memory goes to a later body, which is shorter.
      const broken = connect(server.port, "127.0.0.1");
      const body = bodyOf(999, "x");
      broken.write(
        `POST /write?db=d&p=${TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      broken.write(body.slice(0, body.length - 10));
      const answers = await Promise.all(
        ids.map((id) => write(server, "/write?db=d", bodyOf(id, "abc"))),
      );
      broken.destroy();
      for (const answer of answers) assert.equal(answer.status, 204, answer.text);
      for (const id of ids) {
        expected.push([String(id), lineCount - (id % 7) * 100, lineCount - (id % 7) * 100]);
      }
    }
    const sql =
      "SELECT id, count(*), count(*) FILTER (text = repeat('abc', 20) || id) FROM d.m " +
      "GROUP BY id ORDER BY id::INTEGER";
    assert.deepEqual(await rows(server, sql), expected);
  });
});

suite("openServer", () => {
  test("answers /health and /ready while recovery runs, and refuses the rest", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const server = await openServer({ port: 0, token: TOKEN, dataDirectory });
    context.after(() => server.close());
    // The port is open and recovery has only begun: nothing has been awaited in between.
    const [ready, health, early] = await Promise.all([
      fetch(`${server.url}/ready`),
      fetch(`${server.url}/health`),
      write(server, "/write?db=a", "m v=1 1"),
    ]);
    assert.equal(health.status, 200);
    assert.ok(ready.status === 503 || ready.status === 200);
    assert.ok(early.status === 503 || early.status === 204);
    await server.ready;
    assert.equal((await fetch(`${server.url}/ready`)).status, 200);
  });

  test("replays what is not in Parquet and says what it found", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const first = await startServer(context, { dataDirectory, flushAgeMs: 3_600_000 });
    for (let id = 0; id < 5; id++) await write(first, "/write?db=a", `m v=${id} ${id}\nn v=1 1`);
    await first.close();
    const second = await startServer(context, { dataDirectory });
    const { records, tornTailBytes } = await second.ready;
    assert.deepEqual([records, tornTailBytes], [0, 0], "a clean stop leaves nothing to replay");
    assert.deepEqual(await rows(second, "SELECT count(*), sum(v) FROM a.m"), [[5, 10]]);
  });

  for (const durability of ["fsync", "fdatasync", "interval", "async", "memory", "off"] as const) {
    test(`level ${durability}: rows and LSNs go on over restarts and a change of level`, async (context) => {
      const dataDirectory = await temporaryDirectory();
      const levels = [durability, "fdatasync", durability, durability] as const;
      for (const [round, level] of levels.entries()) {
        const server = await startServer(context, { dataDirectory, durability: level });
        for (let id = 0; id < 4; id++) {
          const answer = await write(server, "/write?db=a", `m v=1 ${round * 100 + id}`);
          assert.equal(answer.status, 204, answer.text);
          assert.equal(answer.headers.get("x-walnut-durability"), level);
        }
        assert.deepEqual(await rows(server, "SELECT count(*) FROM a.m"), [[4 * (round + 1)]]);
        await server.close();
      }
    });
  }

  test("a flush that fails leaves the rows to the next start", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const first = await openServer({ port: 0, token: TOKEN, dataDirectory, flushAgeMs: 3_600_000 });
    await first.ready;
    await write(first, "/write?db=a", "m v=1 1");
    // A file in the place of the table's directory: as root, permissions would not stop anybody.
    const parquet = join(dataDirectory, "parquet");
    await writeFile(join(parquet, "a"), "in the way");
    await assert.rejects(
      first.close(),
      (error: unknown) => error instanceof ServerError && error.code === "SERVER_FLUSH_FAILED",
    );
    await rm(join(parquet, "a"));
    const second = await startServer(context, { dataDirectory });
    assert.equal((await second.ready).records, 1);
    assert.deepEqual(await rows(second, "SELECT v FROM a.m"), [[1]]);
  });

  test("refuses bad options before it touches the disk", async () => {
    const root = await temporaryDirectory();
    const options = { dataDirectory: join(root, "data"), flushRows: 0 };
    await assert.rejects(
      openServer(options),
      (error: unknown) => error instanceof ServerError && error.code === "SERVER_INVALID_OPTION",
    );
    assert.deepEqual(await readdir(root), []);
  });

  test("closing twice, and while recovery runs, is fine", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const server = await openServer({ port: 0, token: TOKEN, dataDirectory });
    await Promise.all([server.close(), server.close()]);
    await assert.rejects(fetch(`${server.url}/health`));
    const again = await startServer(context, { dataDirectory });
    assert.equal((await fetch(`${again.url}/ready`)).status, 200);
  });
});
