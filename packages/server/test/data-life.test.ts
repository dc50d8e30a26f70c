/** Compaction, DELETE, retention, export and import of a real server on a loopback port, as clients use them. */
import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { openParquetExport } from "../src/export/parquet-export.ts";
import { openServer } from "../src/server.ts";
import type { WalnutServer } from "../src/walnut-server.ts";
import type { ServerOptions } from "../src/server-options.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const TOKEN = "test-token";

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

async function send(
  server: WalnutServer,
  method: string,
  path: string,
  body?: string,
): Promise<Answer> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const init = body === undefined ? { method, headers } : { method, headers, body };
  const response = await fetch(server.url + path, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

async function write(server: WalnutServer, lines: string): Promise<void> {
  const answer = await send(server, "POST", "/api/v2/write?bucket=db", lines);
  assert.equal(answer.status, 204, answer.text);
}

async function query(server: WalnutServer, sql: string): Promise<unknown[][]> {
  const answer = await send(server, "POST", "/api/v1/query", JSON.stringify({ sql }));
  assert.equal(answer.status, 200, answer.text);
  return (JSON.parse(answer.text) as { data: unknown[][] }).data;
}

suite("compaction over HTTP", () => {
  test("merges on demand, and tells what was merged", async (context) => {
    const server = await startServer(context, { compactionEnabled: false, flushRows: 2 });
    for (let n = 0; n < 20; n += 2) {
      await write(server, `cpu n=${n}i ${n}\ncpu n=${n + 1}i ${n + 1}`);
      await query(server, "SELECT 1");
    }
    await write(server, "cpu n=20i 20\ncpu n=21i 21");
    // Flushes of full memtables are under way; DELETE of nothing waits for them.
    await send(server, "DELETE", "/api/v1/databases/db/measurements/cpu?stop=-1");
    const answer = await send(server, "POST", "/api/v1/compaction");
    assert.equal(answer.status, 200, answer.text);
    const run = JSON.parse(answer.text) as { success: boolean; workers: { shards: object[] }[] };
    assert.equal(run.success, true);
    const stats = await send(server, "GET", "/api/v1/compaction");
    const { workers } = JSON.parse(stats.text) as typeof run;
    assert.deepEqual(workers, [
      { worker: 1, shards: [{ ...run.workers[0]?.shards[0], last_error: null }] },
    ]);
    assert.deepEqual(await query(server, "SELECT count(*), sum(n) FROM db.cpu"), [[22, 231]]);
    const metrics = await send(server, "GET", "/metrics");
    assert.match(metrics.text, /^walnut_compactions_total [1-9]/m);
  });
});

suite("DELETE over HTTP", () => {
  const LINES = "cpu,host=a n=1i 1\ncpu,host=b n=2i 2\ncpu,host=a n=3i 3\nc\\ p/u n=4i 4";

  test("as InfluxDB 2.x has it: start, stop and predicate, both ends included", async (context) => {
    const server = await startServer(context);
    await write(server, LINES);
    const body = JSON.stringify({
      start: "1970-01-01T00:00:00Z",
      stop: "1970-01-01T00:00:00.000000003Z",
      predicate: '_measurement="cpu" AND host="a"',
    });
    const answer = await send(server, "POST", "/api/v2/delete?org=o&bucket=db", body);
    assert.equal(answer.status, 204, answer.text);
    assert.equal(answer.headers.get("x-walnut-deleted-rows"), "2");
    assert.deepEqual(await query(server, "SELECT n FROM db.cpu"), [[2]]);
    const all = JSON.stringify({ start: "1970-01-01T00:00:00Z", stop: "2100-01-01T00:00:00Z" });
    assert.equal((await send(server, "POST", "/api/v2/delete?bucket=db", all)).status, 204);
    assert.equal((await send(server, "POST", "/api/v2/delete?bucket=other", all)).status, 204);
    const { text } = await send(server, "GET", "/query?q=SHOW+DATABASES");
    assert.doesNotMatch(text, /"db"/);
  });

  test("of a measurement by its path; afterwards its types are free, over a restart too", async (context) => {
    const dataDirectory = await temporaryDirectory();
    const server = await startServer(context, { dataDirectory });
    await write(server, LINES);
    const path = "/api/v1/databases/db/measurements";
    const part = await send(
      server,
      "DELETE",
      `${path}/cpu?start=1&stop=1970-01-01T00:00:00.000000003Z`,
    );
    assert.equal(
      part.text,
      '{"success":true,"deleted_rows":2,"dropped_files":0,"rewritten_files":1}',
    );
    const odd = await send(server, "DELETE", `${path}/c%20p%2Fu`);
    assert.equal(
      odd.text,
      '{"success":true,"deleted_rows":1,"dropped_files":1,"rewritten_files":0}',
    );
    await send(server, "DELETE", `${path}/cpu`);
    await write(server, 'cpu n="text" 5');
    await server.close();
    const again = await startServer(context, { dataDirectory });
    assert.deepEqual(await query(again, "SELECT * FROM db.cpu"), [
      ["1970-01-01T00:00:00.000000005Z", "text"],
    ]);
  });

  test("refuses what is not understood, and changes nothing", async (context) => {
    const server = await startServer(context);
    await write(server, LINES);
    const path = "/api/v1/databases/db/measurements/cpu";
    const range = { start: "1970-01-01T00:00:00Z", stop: "2100-01-01T00:00:00Z" };
    const bad: readonly (readonly [string, string, string | undefined])[] = [
      ["DELETE", `${path}?start=yesterday`, undefined],
      ["DELETE", `${path}?start=5&stop=4`, undefined],
      ["DELETE", `${path}?predicate=_measurement=mem`, undefined],
      ["DELETE", `${path}?predicate=n=1`, undefined],
      ["DELETE", "/api/v1/databases/db/measurements/%ff", undefined],
      ["POST", "/api/v2/delete?bucket=db", "{}"],
      ["POST", "/api/v2/delete?bucket=db", "no json"],
      ["POST", "/api/v2/delete", JSON.stringify(range)],
      ["POST", "/api/v2/delete?bucket=db", JSON.stringify({ ...range, predicate: "host>1" })],
    ];
    for (const [method, target, body] of bad) {
      const answer = await send(server, method, target, body);
      assert.equal(answer.status, 400, `${target}: ${answer.text}`);
    }
    assert.deepEqual(await query(server, "SELECT count(*) FROM db.cpu"), [[3]]);
  });
});

suite("retention over HTTP", () => {
  const DAY_NS = 86_400_000_000_000n;

  test("removes what is too old by the rule that says most, and shows it first", async (context) => {
    const server = await startServer(context, { retentionDefaultDays: 100 });
    const now = BigInt(Date.now()) * 1_000_000n;
    const at = (days: bigint): bigint => now - days * DAY_NS;
    await write(
      server,
      `cpu n=1i ${at(200n)}\ncpu n=2i ${at(50n)}\ncpu n=3i ${at(1n)}\ncpu n=4i ${at(-1000n)}\n` +
        `mem n=1i ${at(200n)}\nlog n=1i ${at(200n)}\nlog n=2i ${at(5n)}`,
    );
    const rules = [
      { database: "db", keep_days: 30 },
      { database: "db", measurement: "mem", keep_days: null },
      { database: "db", measurement: "log", keep_days: 3 },
      { database: "other", keep_days: 1 },
    ];
    const put = await send(server, "PUT", "/api/v1/retention", JSON.stringify({ rules }));
    assert.equal(put.status, 200, put.text);
    const shown = await send(server, "GET", "/api/v1/retention");
    assert.deepEqual(JSON.parse(shown.text), { success: true, default_days: 100, rules });
    // Rows in memory are too young to be looked at: a compaction of nothing puts nothing into files either.
    await send(server, "DELETE", "/api/v1/databases/db/measurements/cpu?stop=-1");
    await send(server, "DELETE", "/api/v1/databases/db/measurements/mem?stop=-1");
    await send(server, "DELETE", "/api/v1/databases/db/measurements/log?stop=-1");
    const dry = await send(server, "POST", "/api/v1/retention/run?dry_run=true");
    const run = await send(server, "POST", "/api/v1/retention/run");
    interface Run {
      workers: { result: { dry_run: boolean; tables: { measurement: string; rows: number }[] } }[];
    }
    const tablesOf = ({ text }: Answer): unknown =>
      (JSON.parse(text) as Run).workers[0]?.result.tables.map((table) => [
        table.measurement,
        table.rows,
      ]);
    assert.deepEqual(tablesOf(dry), [
      ["cpu", 2],
      ["log", 2],
    ]);
    assert.deepEqual(tablesOf(run), tablesOf(dry));
    assert.deepEqual(tablesOf(await send(server, "POST", "/api/v1/retention/run")), []);
    assert.deepEqual(await query(server, "SELECT n FROM db.cpu ORDER BY n"), [[3], [4]]);
    assert.deepEqual(await query(server, "SELECT n FROM db.mem"), [[1]]);
    // Empty, and still there with its columns.
    assert.deepEqual(await query(server, "SELECT n FROM db.log"), []);
  });

  test("a look that cannot read its rules is no success", async (context) => {
    const server = await startServer(context);
    await send(server, "PUT", "/api/v1/retention", '{"rules":[{"database":"db","keep_days":1}]}');
    await writeFile(join(server.dataDirectory, "retention", "rules.json"), "no json");
    for (const [method, path] of [
      ["POST", "/api/v1/retention/run"],
      ["POST", "/api/v1/retention/run?dry_run=true"],
      ["GET", "/api/v1/retention"],
    ] as const) {
      const { status, text } = await send(server, method, path);
      const { code } = JSON.parse(text) as { code?: string };
      assert.deepEqual([status >= 500, code], [true, "SERVER_RETENTION_UNAVAILABLE"], path);
    }
  });

  test("refuses rules that are not understood, and keeps those it has", async (context) => {
    const server = await startServer(context);
    const bad = [
      "no json",
      "{}",
      '{"rules":[{"database":"db"}]}',
      '{"rules":[{"database":"db","keep_days":0}]}',
      '{"rules":[{"database":"db","keep_days":-1}]}',
      '{"rules":[{"database":"db","keep_days":1,"colour":1}]}',
      '{"rules":[{"database":"db","keep_days":1},{"database":"db","keep_days":2}]}',
    ];
    for (const body of bad) {
      assert.equal((await send(server, "PUT", "/api/v1/retention", body)).status, 400, body);
    }
    assert.equal((await send(server, "POST", "/api/v1/retention/run?dry_run=perhaps")).status, 400);
    const shown = await send(server, "GET", "/api/v1/retention");
    assert.deepEqual(JSON.parse(shown.text), { success: true, default_days: 0, rules: [] });
  });
});

suite("export over HTTP", () => {
  const LINES = [
    String.raw`c\ p\,u,host=a\ b,rack=\=1 n=1i,u=18446744073709551615u,f=0.1,t="q\"\\ü",b=true 1`,
    String.raw`c\ p\,u,host=b f=-0,n=-9223372036854775808i 3600000000000`,
    String.raw`c\ p\,u t="",b=false -1`,
    String.raw`c\ p\,u t="two` + "\n" + String.raw`lines" 2`,
  ];
  // Columns come in the order in which they were seen first.
  const SQL = 'SELECT time, host, rack, n, u, f, t, b FROM db."c p,u" ORDER BY time';

  test("line protocol into a fresh server gives the same rows", async (context) => {
    const server = await startServer(context);
    await write(server, LINES.join("\n"));
    const path = `/api/v1/export?db=db&measurement=${encodeURIComponent("c p,u")}`;
    const exported = await send(server, "GET", path);
    assert.equal(exported.status, 200, exported.text);
    const other = await startServer(context);
    await write(other, exported.text);
    assert.deepEqual(await query(other, SQL), await query(server, SQL));
    assert.equal((await query(other, SQL)).length, 4);
    const part = await send(server, "GET", `${path}&start=0&stop=1970-01-01T00:30:00Z`);
    assert.equal((await send(server, "GET", `${path}&start=5&stop=6`)).text, "");
    assert.match(part.text, /host=a\\ b/);
    assert.doesNotMatch(part.text, /host=b/);
  });

  test("JSON lines and CSV hold what line protocol holds", async (context) => {
    const server = await startServer(context);
    await write(server, 'm,host=a\\,b n=9007199254740993i,t="" 1\nm f=1.5 2');
    const path = "/api/v1/export?db=db&measurement=m&format=";
    assert.equal(
      (await send(server, "GET", `${path}jsonl`)).text,
      '{"time":"1970-01-01T00:00:00.000000001Z","host":"a,b","n":"9007199254740993","t":""}\n' +
        '{"time":"1970-01-01T00:00:00.000000002Z","f":1.5}\n',
    );
    assert.equal(
      (await send(server, "GET", `${path}csv`)).text,
      'time,host,n,t,f\n1970-01-01T00:00:00.000000001Z,"a,b",9007199254740993,"",\n' +
        "1970-01-01T00:00:00.000000002Z,,,,1.5\n",
    );
  });

  test("refuses what is not there or not understood", async (context) => {
    const server = await startServer(context);
    await write(server, "m n=1i 1");
    const path = "/api/v1/export?db=db";
    assert.equal((await send(server, "GET", `${path}&measurement=x`)).status, 404);
    for (const wrong of ["", "&measurement=m&format=xml", "&measurement=m&start=x"]) {
      assert.equal((await send(server, "GET", path + wrong)).status, 400, wrong);
    }
  });

  test("annotated, JSON lines and CSV tell measurement and types", async (context) => {
    const server = await startServer(context);
    await write(server, 'm\\,x,host=a n=1i,u=2u,f=3,t="4",b=true 1');
    const path = "/api/v1/export?db=db&measurement=m%2Cx&annotate=true&format=";
    const [head = ""] = (await send(server, "GET", `${path}jsonl`)).text.split("\n");
    const { walnut } = JSON.parse(head) as { walnut: { measurement: string; columns: object[] } };
    assert.equal(walnut.measurement, "m,x");
    assert.deepEqual(walnut.columns[0], { name: "host", type: "tag" });
    assert.deepEqual((await send(server, "GET", `${path}csv`)).text.split("\n").slice(0, 3), [
      '#constant measurement,"m,x"',
      "#datatype dateTime:RFC3339Nano,tag,long,unsignedLong,double,string,boolean",
      "time,host,n,u,f,t,b",
    ]);
  });

  test("Parquet is one file with its types, and leaves nothing behind", async (context) => {
    const dataDirectory = await temporaryDirectory();
    await mkdir(join(dataDirectory, "exports"));
    await writeFile(join(dataDirectory, "exports", "worker-1-7.parquet"), "of a process that died");
    const server = await startServer(context, { dataDirectory });
    await write(server, LINES.join("\n"));
    const path = "/api/v1/export?db=db&format=parquet&measurement=c%20p%2Cu";
    const headers = { authorization: `Bearer ${TOKEN}` };
    const answer = await fetch(`${server.url}${path}&stop=1970-01-01T00:30:00Z`, { headers });
    assert.equal(answer.headers.get("content-type"), "application/vnd.apache.parquet");
    const file = join(dataDirectory, "answer.parquet");
    await writeFile(file, new Uint8Array(await answer.arrayBuffer()));
    const { columns, rows } = await openParquetExport(file);
    assert.deepEqual(columns.map(({ type }) => type).toSorted(), [
      "boolean",
      "float",
      "integer",
      "string",
      "tag",
      "tag",
      "unsigned",
    ]);
    const times: bigint[] = [];
    for await (const [time] of rows) times.push(time);
    assert.deepEqual(
      times.toSorted((a, b) => Number(a - b)),
      [-1n, 1n, 2n],
    );
    assert.deepEqual(await readdir(join(dataDirectory, "exports")), []);
  });

  test("the last nanosecond that a row can have is inside of a range without an end", async (context) => {
    const server = await startServer(context);
    const last = 9_223_372_036_854_775_806n;
    await write(server, `m n=1i ${last}\nm n=2i ${last - 1n}\nm n=3i -9223286400000000000`);
    const path = "/api/v1/export?db=db&measurement=m";
    for (const [range, rows] of [
      ["start=1600&stop=9999-12-31T00:00:00Z", 2],
      ["start=0001-01-01T00:00:00Z&stop=9999-12-31T00:00:00Z", 3],
      [`stop=${last}`, 2],
      [`start=${last}`, 1],
      ["start=9999-12-31T00:00:00Z", 0],
    ] as const) {
      const { status, text } = await send(server, "GET", `${path}&${range}`);
      assert.equal(status, 200, text);
      assert.equal(text.split("\n").length - 1, rows, range);
    }
    const body = JSON.stringify({ start: "1970-01-01T00:00:00Z", stop: "9999-12-31T00:00:00Z" });
    await send(server, "POST", "/api/v2/delete?bucket=db", body);
    assert.deepEqual(await query(server, "SELECT n FROM db.m"), [[3]]);
  });
});
