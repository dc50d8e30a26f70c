/** The command line of InfluxDB 1.x, as Debian ships it: writes, imports, looks around, reads back. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import type { WalnutServer } from "../../src/walnut-server.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { rowsOf, startServer, TOKEN } from "./client-server.ts";
import { missingPrograms, run, type Finished } from "./foreign-program.ts";

const skip = missingPrograms(["influx"], "influxdb-client");

function influx(server: WalnutServer, ...words: readonly string[]): Promise<Finished> {
  const { port } = server;
  const login = ["-username", "u", "-password", TOKEN];
  return run("influx", ["-host", "127.0.0.1", "-port", `${port}`, ...login, ...words]);
}

suite("influx command line", { skip }, () => {
  test("insert, then SHOW and SELECT", async (context) => {
    const server = await startServer(context);
    const inserts = [
      `insert cpu,host=a\\ b load=0.1,n=9007199254740993i,s="x\\"y",up=t 1700000000000000001`,
      `insert cpu,host=c load=2 1700000000000000002`,
    ];
    for (const statement of inserts) {
      const { code, stdout, stderr } = await influx(
        server,
        "-database",
        "db",
        "-execute",
        statement,
      );
      assert.equal(code, 0, stdout + stderr);
    }
    assert.deepEqual(
      await rowsOf(server, "SELECT host, load, n, s, up, epoch_ns(time) FROM db.cpu ORDER BY time"),
      [
        ["a b", 0.1, "9007199254740993", 'x"y', true, "1700000000000000001"],
        ["c", 2, null, null, null, "1700000000000000002"],
      ],
    );
    const answers = [
      ["SHOW DATABASES", "name,name\ndatabases,db\n"],
      ["SHOW MEASUREMENTS", "name,name\nmeasurements,cpu\n"],
      ["SHOW TAG KEYS", "name,tagKey\ncpu,host\n"],
      [
        "SHOW FIELD KEYS",
        "name,fieldKey,fieldType\ncpu,load,float\ncpu,n,integer\ncpu,s,string\ncpu,up,boolean\n",
      ],
      [
        "SELECT load, n FROM cpu WHERE host = 'a b'",
        "name,time,load,n\ncpu,1700000000000000001,0.1,9007199254740993\n",
      ],
    ] as const;
    for (const [statement, expected] of answers) {
      const words = ["-database", "db", "-format", "csv", "-execute", statement];
      const { code, stdout, stderr } = await influx(server, ...words);
      assert.equal(code, 0, stdout + stderr);
      assert.equal(stdout, expected, statement);
    }
  });

  test("an import of 20,000 lines", async (context) => {
    const server = await startServer(context);
    const file = join(await temporaryDirectory(), "import.txt");
    const lines = Array.from({ length: 20_000 }, (_, id) => `m,host=h${id % 7} id=${id}i ${id}`);
    const head = "# DDL\nCREATE DATABASE imp\n# DML\n# CONTEXT-DATABASE: imp\n\n";
    await writeFile(file, `${head}${lines.join("\n")}\n`);
    const { code, stdout, stderr } = await influx(
      server,
      "-import",
      "-path",
      file,
      "-precision",
      "ns",
    );
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout + stderr, /Processed 20000 inserts/);
    assert.match(stdout + stderr, /Failed 0 inserts/);
    assert.deepEqual(
      await rowsOf(server, "SELECT count(*), sum(id), max(epoch_ns(time)) FROM imp.m"),
      [[20_000, 199_990_000, 19_999]],
    );
  });

  test("what is not answered ends with a clear word", async (context) => {
    const server = await startServer(context);
    const words = ["-database", "db", "-execute", "SELECT mean(v) FROM m GROUP BY host"];
    const { code, stdout, stderr } = await influx(server, ...words);
    assert.notEqual(code, 0);
    assert.match(stdout + stderr, /POST \/api\/v1\/query/);
    const bad = await influx(server, "-database", "db", "-execute", "insert m v=oops");
    assert.match(bad.stdout + bad.stderr, /line 1/);
  });
});
