/** InfluxQL on a real server: what tools ask, in the shapes that they read. */
import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { openServer } from "../../src/server.ts";
import type { WalnutServer } from "../../src/walnut-server.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const TOKEN = "influxql-test-token";

async function startWithRows(context: TestContext): Promise<WalnutServer> {
  const dataDirectory = await temporaryDirectory();
  const server = await openServer({ port: 0, token: TOKEN, dataDirectory });
  context.after(() => server.close());
  await server.ready;
  const lines = [
    'cpu,host=a,"odd\\ tag"=x load=0.5,n=9007199254740993i,up=true,s="it\'s" 1000000001',
    "cpu,host=b load=1.5 2000000000",
    "cpu,host=a n=3i 3000000000",
    "mem,host=a used=18446744073709551615u 1",
  ];
  const response = await fetch(`${server.url}/write?db=db`, {
    method: "POST",
    headers: { authorization: `Bearer ${TOKEN}` },
    body: lines.join("\n"),
  });
  assert.equal(response.status, 204, await response.text());
  return server;
}

async function ask(
  server: WalnutServer,
  q: string,
  parameters: Readonly<Record<string, string>> = { db: "db", epoch: "ns" },
): Promise<{ readonly status: number; readonly text: string }> {
  const query = new URLSearchParams({ q, ...parameters });
  const response = await fetch(`${server.url}/query?${query.toString()}`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  return { status: response.status, text: await response.text() };
}

async function series(
  server: WalnutServer,
  q: string,
  parameters?: Record<string, string>,
): Promise<unknown> {
  const { status, text } = await ask(server, q, parameters);
  assert.equal(status, 200, `${q}: ${text}`);
  return (JSON.parse(text) as { results: { series?: unknown }[] }).results.map(
    (result) => result.series,
  );
}

suite("InfluxQL", () => {
  test("SHOW statements and CREATE DATABASE, several in one request", async (context) => {
    const server = await startWithRows(context);
    const names = (name: string, values: readonly string[]): unknown => [
      { name, columns: ["name"], values: values.map((value) => [value]) },
    ];
    assert.deepEqual(await series(server, "SHOW DATABASES; show measurements;"), [
      names("databases", ["db"]),
      names("measurements", ["cpu", "mem"]),
    ]);
    assert.deepEqual(await series(server, 'CREATE DATABASE "new one" WITH DURATION 1d', {}), [
      undefined,
    ]);
    assert.deepEqual(await series(server, "SHOW MEASUREMENTS ON other"), [undefined]);
    assert.deepEqual(await series(server, "SHOW FIELD KEYS ON db FROM cpu", {}), [
      [
        {
          name: "cpu",
          columns: ["fieldKey", "fieldType"],
          values: [
            ["load", "float"],
            ["n", "integer"],
            ["s", "string"],
            ["up", "boolean"],
          ],
        },
      ],
    ]);
    assert.deepEqual(await series(server, "SHOW TAG KEYS FROM mem"), [
      [{ name: "mem", columns: ["tagKey"], values: [["host"]] }],
    ]);
    assert.equal((await ask(server, "SHOW RETENTION POLICIES ON db")).status, 200);
  });

  test("simple SELECTs: order, times, filters, every digit", async (context) => {
    const server = await startWithRows(context);
    const rows = async (q: string, parameters?: Record<string, string>): Promise<unknown> => {
      const [tables] = (await series(server, q, parameters)) as [{ values: unknown }[]?];
      return tables?.[0]?.values;
    };
    assert.deepEqual(await rows("SELECT load FROM cpu"), [
      [1_000_000_001, 0.5],
      [2_000_000_000, 1.5],
    ]);
    assert.deepEqual(
      await rows("select time, load as l, host from cpu order by time desc limit 1"),
      [[2_000_000_000, 1.5, "b"]],
    );
    assert.deepEqual(
      await rows("SELECT load FROM db.autogen.cpu LIMIT 1 OFFSET 1", { epoch: "ms" }),
      [[2_000, 1.5]],
    );
    assert.deepEqual(await rows("SELECT load FROM db..cpu", {}), [
      ["1970-01-01T00:00:01.000000001Z", 0.5],
      ["1970-01-01T00:00:02Z", 1.5],
    ]);
    const filters = [
      ["host = 'a'", 2],
      ["host <> 'a'", 1],
      ["time > 1s AND time <= '1970-01-01T00:00:02Z'", 2],
      ["time >= 3000000000", 1],
      ["time > now() - 1h", undefined],
      ["(load > 1 OR n = 3) AND up != true", undefined],
      ["(load > 1 OR n = 3) AND time < now()", 2],
      ["s = 'it\\'s'", 1],
      ["load < -1.5", undefined],
    ] as const;
    for (const [where, count] of filters) {
      const found = (await rows(`SELECT * FROM cpu WHERE ${where}`)) as unknown[] | undefined;
      assert.equal(found?.length, count, where);
    }
    const { text } = await ask(server, "SELECT n FROM cpu LIMIT 1; SELECT used FROM mem");
    assert.ok(text.includes("[1000000001,9007199254740993]"), text);
    assert.ok(text.includes("[1,18446744073709551615]"), text);
    assert.deepEqual(
      await rows("SELECT count(load), mean(load), max(n) FROM cpu WHERE host = 'a'"),
      [[0, 1, 0.5, 2 ** 53]],
    );
    assert.deepEqual(await series(server, "SELECT v FROM nothing"), [undefined]);
  });

  test("what is not answered is refused with the place, and points to SQL", async (context) => {
    const server = await startWithRows(context);
    const refused = [
      "",
      ";",
      "DROP DATABASE db",
      "SELECT load FROM cpu GROUP BY host",
      "SELECT mean(load) FROM cpu WHERE time > 0 GROUP BY time(1m)",
      "SELECT derivative(load) FROM cpu",
      "SELECT load, count(n) FROM cpu",
      "SELECT time FROM cpu",
      "SELECT load FROM cpu WHERE host =~ /a/",
      "SELECT load FROM cpu WHERE load > now()",
      "SELECT load FROM cpu WHERE time > 'yesterday'",
      "SELECT load FROM cpu WHERE time > true",
      "SELECT load FROM cpu LIMIT x",
      "SELECT load FROM cpu; SELECT 'open",
      "SELECT load FROM cpu WHERE " + "(".repeat(5_000),
      "SELECT load INTO x FROM cpu",
    ];
    for (const statement of refused) {
      const { status, text } = await ask(server, statement);
      assert.equal(status, 400, `${statement}: ${text}`);
      assert.match(JSON.parse(text).code, /^SERVER_INVALID_QUERY$/, statement);
    }
    assert.equal((await ask(server, "SELECT load FROM cpu", {})).status, 400, "no database");
    assert.equal((await ask(server, "SHOW DATABASES", { epoch: "fortnight" })).status, 400);
  });

  test("names and texts cannot break out of the SQL that they become", async (context) => {
    const server = await startWithRows(context);
    const { status } = await ask(server, `SELECT "load"" FROM cpu; --" FROM cpu`);
    assert.equal(status, 400);
    const hostile = `SELECT load FROM cpu WHERE host = 'a\\' OR 1=1 --'`;
    assert.deepEqual(await series(server, hostile), [undefined]);
    const quoted = 'SELECT "x\\" FROM cpu" FROM cpu';
    assert.deepEqual(await series(server, quoted), [
      [
        {
          name: "cpu",
          columns: ["time", 'x" FROM cpu'],
          values: [
            [1_000_000_001, null],
            [2_000_000_000, null],
            [3_000_000_000, null],
          ],
        },
      ],
    ]);
  });
});
