import assert from "node:assert/strict";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { suite, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ServerError } from "../../src/errors.ts";
import { systemStoreClock } from "../../src/store/store-environment.ts";
import type { TableStore } from "../../src/store/table-store.ts";
import {
  HOUR_NS,
  MemoryCatalogDisk,
  SOME_TIME_NS,
  batch,
  one,
  openTestStore,
  rows,
  table,
  temporaryDirectory,
} from "./store-fixture.ts";

/** What the table of refusals needs of a store. */
interface Refusal {
  readonly name: string;
  readonly sql: string;
  readonly code?: string;
}

async function assertRefused(store: TableStore, refusal: Refusal): Promise<void> {
  const { code = "SERVER_INVALID_QUERY" } = refusal;
  await assert.rejects(
    store.query(refusal.sql),
    (error) => error instanceof ServerError && error.code === code,
    `${refusal.name}: ${refusal.sql}`,
  );
}

suite("queries", () => {
  test("join tables of several databases, with aliases, CTEs, subqueries and comments", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(
      1,
      store.admit(batch(...rows("db.cpu", 10).tables, ...rows("other.mem", 5).tables)),
    );
    await store.flush();
    store.insert(2, store.admit(rows("db.cpu", 10, { from: 10 })));
    const queries: readonly (readonly [string, readonly unknown[]])[] = [
      ["SELECT count(*) FROM db.cpu", [20]],
      [`SELECT count(*) FROM "db"."cpu"`, [20]],
      ["SELECT count(*) FROM DB.Cpu", [20]],
      ["SELECT count(db.cpu.n), sum(cpu.n) FROM db.cpu", [20, 190]],
      ["SELECT sum(c.n) FROM db.cpu c JOIN other.mem m USING (n)", [10]],
      ["SELECT sum(c.n) FROM db.cpu AS c, other.mem AS m WHERE c.n = m.n", [10]],
      ["WITH big AS (SELECT * FROM db.cpu WHERE n > 17) SELECT count(*) FROM big", [2]],
      ["SELECT (SELECT max(n) FROM db.cpu), (SELECT max(n) FROM other.mem)", [19, 4]],
      ["SELECT count(*) FROM db.cpu WHERE n IN (FROM other.mem SELECT n)", [5]],
      ["/* ü */ SELECT 'é', count(*) -- db.x\nFROM db.cpu;", ["é", 20]],
      ["FROM db.cpu SELECT min(n)", [0]],
      ["SELECT count(*) FROM (FROM db.cpu UNION ALL FROM db.cpu)", [40]],
      ["SELECT count(*) FROM range(5), db.cpu", [100]],
      ["SELECT count(*) FROM db.cpu WHERE time >= '2025-10-09T08:53:20.010Z'", [10]],
      ["SELECT count(*) FROM db.cpu WHERE time < now()", [20]],
      [
        "SELECT time_bucket(INTERVAL 1 hour, time) FROM db.cpu LIMIT 1",
        ["2025-10-09T08:00:00.000000Z"],
      ],
      [
        "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < 9) SELECT max(i) FROM t",
        [9],
      ],
      ["SELECT 1 + 1", [2]],
    ];
    for (const [sql, expected] of queries) assert.deepEqual(await one(store, sql), expected, sql);
    const described = await store.query("DESCRIBE db.cpu");
    assert.deepEqual(
      described.rows.map((row) => row.slice(0, 2)),
      [
        ["time", "TIMESTAMP_NS"],
        ["host", "VARCHAR"],
        ["n", "BIGINT"],
      ],
    );
    await store.close();
  });

  test("read databases that are called like the engine's own", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    const names = ["system", "temp", "memory", "main", "q17", "select", "walnut_q1", "walnut_q2"];
    const tables = names.map((name, index) =>
      table(`${name}.${name}`, [SOME_TIME_NS], { n: ["integer", [index]] }),
    );
    store.insert(1, store.admit(batch(...tables)));
    for (const [index, name] of names.entries()) {
      assert.deepEqual(await one(store, `SELECT "${name}".n FROM "${name}"."${name}"`), [index]);
    }
    await store.close();
  });

  test("are one SELECT and nothing else", async (t) => {
    const directory = await temporaryDirectory(t);
    const { store } = await openTestStore(directory, new MemoryCatalogDisk());
    store.insert(1, store.admit(rows("db.cpu", 1)));
    await store.flush();
    const [hour = ""] = (
      await readdir(path.join(directory, "parquet"), { recursive: true })
    ).filter((name) => name.endsWith(".parquet"));
    const file = path.join(directory, "parquet", hour);
    await mkdir(path.join(directory, "outside"));
    await writeFile(path.join(directory, "outside", "secret.csv"), "a,b\n1,2\n");
    const outside = path.join(directory, "outside", "secret.csv");
    const refusals: readonly Refusal[] = [
      { name: "no statement", sql: "" },
      { name: "only a comment", sql: "-- nothing" },
      { name: "two statements", sql: "SELECT 1; SELECT 2" },
      { name: "a statement behind a SELECT", sql: "SELECT 1; DROP TABLE db.cpu" },
      { name: "no SQL", sql: "SELEC 1" },
      { name: "NUL", sql: "SELECT 1\0" },
      { name: "CREATE", sql: "CREATE TABLE x AS SELECT 1" },
      { name: "INSERT", sql: "INSERT INTO db.cpu VALUES (1)" },
      { name: "DELETE", sql: "DELETE FROM db.cpu" },
      { name: "DROP", sql: "DROP VIEW db.cpu" },
      { name: "COPY TO", sql: `COPY (SELECT 1) TO '${file}.csv'` },
      { name: "COPY FROM", sql: `COPY db.cpu FROM '${outside}'` },
      { name: "EXPORT", sql: `EXPORT DATABASE '${directory}/parquet/x'` },
      { name: "ATTACH", sql: `ATTACH '${directory}/parquet/x.db'` },
      { name: "ATTACH elsewhere", sql: "ATTACH '/tmp/x.db' AS x" },
      { name: "DETACH", sql: "DETACH memory" },
      { name: "USE", sql: "USE memory" },
      { name: "PRAGMA", sql: "PRAGMA database_list" },
      { name: "PRAGMA with effect", sql: "PRAGMA enable_profiling" },
      { name: "SET", sql: "SET memory_limit='100GB'" },
      { name: "SET lock", sql: "SET lock_configuration=false" },
      { name: "RESET", sql: "RESET memory_limit" },
      { name: "INSTALL", sql: "INSTALL httpfs" },
      { name: "LOAD", sql: "LOAD httpfs" },
      { name: "CALL", sql: "CALL pragma_version()" },
      { name: "EXPLAIN", sql: "EXPLAIN SELECT 1" },
      { name: "EXPLAIN ANALYZE", sql: "EXPLAIN ANALYZE SELECT 1" },
      { name: "PREPARE", sql: "PREPARE p AS SELECT 1" },
      { name: "EXECUTE", sql: "EXECUTE p" },
      { name: "BEGIN", sql: "BEGIN" },
      { name: "CHECKPOINT", sql: "CHECKPOINT" },
      { name: "VACUUM", sql: "VACUUM" },
      { name: "MACRO", sql: "CREATE MACRO f() AS 1" },
      { name: "SHOW TABLES", sql: "SHOW TABLES" },
      { name: "SHOW ALL TABLES", sql: "FROM (SHOW ALL TABLES)" },
      { name: "parameter", sql: "SELECT $1" },
      { name: "file by name", sql: "FROM '/etc/passwd'" },
      { name: "CSV by name", sql: `FROM '${outside}'` },
      { name: "own Parquet by name", sql: `FROM '${file}'` },
      {
        name: "file as CTE out of scope",
        sql: `SELECT (WITH "${file}" AS (SELECT 1) SELECT 1), * FROM "${file}"`,
      },
      ...[
        "duckdb_views",
        "DuckDB_Databases",
        "pg_settings",
        "sqlite_master",
        "pragma_database_list",
      ].map((name) => ({
        name: `${name} as CTE out of scope`,
        sql: `SELECT * FROM ${name}, (WITH ${name} AS (SELECT 1) SELECT * FROM ${name})`,
      })),
      { name: "read_csv", sql: `FROM read_csv('${outside}')` },
      { name: "read_parquet", sql: `FROM read_parquet('${file}')` },
      { name: "parquet_scan", sql: `FROM parquet_scan('${file}')` },
      { name: "read_text", sql: "FROM read_text('/etc/passwd')" },
      { name: "read_blob", sql: `FROM read_blob('${file}')` },
      { name: "read_json", sql: `FROM read_json('${outside}')` },
      { name: "glob", sql: "FROM glob('/etc/*')" },
      { name: "sniff_csv", sql: `FROM sniff_csv('${outside}')` },
      { name: "parquet_metadata", sql: `FROM parquet_metadata('${file}')` },
      { name: "query", sql: "FROM query('SELECT 1')" },
      { name: "query_table", sql: `FROM query_table('${file}')` },
      { name: "json_execute_serialized_sql", sql: "FROM json_execute_serialized_sql('{}')" },
      { name: "duckdb_settings", sql: "FROM duckdb_settings()" },
      { name: "duckdb_functions", sql: "FROM duckdb_functions()" },
      { name: "duckdb_secrets", sql: "FROM duckdb_secrets()" },
      { name: "pragma as function", sql: "FROM pragma_database_size()" },
      { name: "enable_logging", sql: "FROM enable_logging()" },
      { name: "table macro", sql: "FROM duckdb_logs_parsed('QueryLog')" },
      { name: "walnut_rows", sql: "FROM walnut_rows('x')" },
      { name: "qualified function", sql: `FROM system.main.read_text('/etc/passwd')` },
      {
        name: "function in a subquery",
        sql: `SELECT (SELECT content FROM read_text('/etc/passwd'))`,
      },
      { name: "function in a CTE", sql: `WITH x AS (FROM glob('/*')) SELECT 1` },
      { name: "function in a lateral join", sql: `FROM db.cpu, LATERAL (FROM glob(host))` },
      { name: "information_schema", sql: "FROM information_schema.tables" },
      { name: "pg_catalog", sql: "FROM pg_catalog.pg_tables" },
      { name: "sqlite_master", sql: "FROM sqlite_master" },
      { name: "another catalog", sql: "FROM system.information_schema.tables" },
      { name: "duckdb_views", sql: "FROM duckdb_views" },
      { name: "unknown table", sql: "FROM db.cpux" },
      { name: "unknown column", sql: "SELECT nope FROM db.cpu" },
      { name: "getenv", sql: "SELECT getenv('HOME')" },
      { name: "time travel", sql: "FROM db.cpu AT (VERSION => 1)" },
      { name: "bad cast", sql: "SELECT host::INTEGER FROM db.cpu" },
      { name: "PIVOT statement", sql: "PIVOT db.cpu ON host USING sum(n)" },
    ];
    for (const refusal of refusals) await assertRefused(store, refusal);
    // Nothing of it had an effect.
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [1]);
    const left = await readdir(path.join(directory, "parquet"), { recursive: true });
    assert.equal(left.filter((name) => /\.(csv|db)$/.test(name)).length, 0);
    await store.close();
  });

  test("names tables that may have been meant", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(
      1,
      store.admit(batch(...rows("db.cpu", 1).tables, ...rows("db.memory", 1).tables)),
    );
    await assert.rejects(store.query("FROM db.cpus"), { message: /db\.cpu/ });
    await assert.rejects(store.query("FROM cpu"), { message: /database\.measurement/ });
    await store.close();
  });

  test("keep tables apart that differ only in case", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(1, store.admit(batch(...rows("db.cpu", 1).tables, ...rows("db.CPU", 2).tables)));
    await store.flush();
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [1]);
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.CPU"), [2]);
    await assertRefused(store, { name: "neither", sql: "FROM db.Cpu" });
    await assertRefused(store, { name: "both", sql: "SELECT 1 FROM db.cpu, db.CPU" });
    await store.close();
  });

  test("stop at their time limit, when the client gives up and when they need too much memory", async (t) => {
    const { store, clock } = await openTestStore(
      await temporaryDirectory(t),
      new MemoryCatalogDisk(),
      { options: { queryTimeoutMs: 1000, queryMemoryBytes: 64 * 1024 * 1024 } },
    );
    const endless = "SELECT count(*) FROM range(1000000000000) WHERE range % 7 = 8";
    const late = store.query(endless);
    const moving = setInterval(() => clock.advance(100), 5);
    await assert.rejects(late, { code: "SERVER_QUERY_FAILED", message: /1000 ms/ });
    clearInterval(moving);

    const controller = new AbortController();
    const aborted = store.query(endless, { signal: controller.signal });
    const moving2 = setInterval(() => clock.advance(5), 5);
    setTimeout(() => controller.abort(), 20);
    await assert.rejects(aborted, { code: "SERVER_QUERY_FAILED", message: /aborted/ });
    clearInterval(moving2);
    await assert.rejects(store.query("SELECT 1", { signal: AbortSignal.abort() }), {
      code: "SERVER_QUERY_FAILED",
    });

    const large = store.query(
      "SELECT range % 100000000, count(*) FROM range(100000000) GROUP BY 1",
    );
    await assert.rejects(large, {
      code: "SERVER_QUERY_FAILED",
      message: /query\.memory_bytes/,
      details: { memoryBytes: 64 * 1024 * 1024 },
    });
    assert.deepEqual(await one(store, "SELECT 1"), [1]);
    await store.close();
  });

  test("end when the store closes, those that wait too", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk(), {
      clock: systemStoreClock,
      options: { concurrentQueries: 2 },
    });
    store.insert(1, store.admit(rows("db.cpu", 20_000)));
    const endless = "SELECT count(*) FROM db.cpu a, db.cpu b, db.cpu c WHERE a.n * b.n + c.n = -1";
    const queries = [endless, endless, "SELECT 1", "SELECT * FROM db.cpu"].map((sql) =>
      store.query(sql),
    );
    const settled = Promise.allSettled(queries);
    // The first one is under way when its database has been attached; any moment will do.
    for (let turn = 0; turn < 200; turn++) await nextTurn();
    await store.close();
    for (const outcome of await settled) {
      assert.ok(outcome.status === "rejected");
      assert.equal((outcome.reason as ServerError).code, "SERVER_NOT_READY");
    }
    assert.equal(store.stats().rowsInMemory, 0);
  });

  test("answer completely or not at all", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk(), {
      options: { queryMaxRows: 5000, queryMaxResultBytes: 100_000 },
    });
    assert.equal((await store.query("FROM range(5000)")).rowCount, 5000);
    await assertRefused(store, { name: "rows", sql: "FROM range(5001)" });
    await assertRefused(store, { name: "bytes", sql: "SELECT repeat('x', 1000) FROM range(200)" });
    await store.close();
  });

  test("wait for their turn, a bounded number of them", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk(), {
      options: { concurrentQueries: 1 },
    });
    const answers = Array.from({ length: 100 }, async (_, index) => {
      try {
        return (await one(store, `SELECT ${index}`))[0];
      } catch (error) {
        return error instanceof ServerError ? error.code : error;
      }
    });
    const settled = await Promise.all(answers);
    assert.deepEqual(
      settled.slice(0, 65),
      Array.from({ length: 65 }, (_, index) => index),
    );
    assert.deepEqual(new Set(settled.slice(65)), new Set(["SERVER_OVERLOADED"]));
    await store.close();
  });

  test("give every value exactly, in JSON", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    const cases: readonly (readonly [string, string, unknown])[] = [
      ["9007199254740991", "BIGINT", 9_007_199_254_740_991],
      ["9007199254740992", "BIGINT", "9007199254740992"],
      ["-9007199254740992", "BIGINT", "-9007199254740992"],
      [
        "170141183460469231731687303715884105727::HUGEINT",
        "HUGEINT",
        "170141183460469231731687303715884105727",
      ],
      ["1.50::DECIMAL(10,2)", "DECIMAL(10,2)", "1.50"],
      ["0.1::DOUBLE", "DOUBLE", 0.1],
      ["'nan'::DOUBLE", "DOUBLE", "NaN"],
      ["'-inf'::DOUBLE", "DOUBLE", "-Infinity"],
      ["-0.0::DOUBLE", "DOUBLE", -0],
      ["NULL::INTEGER", "INTEGER", null],
      [
        "TIMESTAMP_NS '1969-12-31 23:59:59.999999999'",
        "TIMESTAMP_NS",
        "1969-12-31T23:59:59.999999999Z",
      ],
      ["TIMESTAMP '2020-01-01 00:00:00'", "TIMESTAMP", "2020-01-01T00:00:00.000000Z"],
      ["TIMESTAMP_MS '2020-01-01 00:00:00.5'", "TIMESTAMP_MS", "2020-01-01T00:00:00.500Z"],
      ["TIMESTAMP_S '1960-02-29 01:02:03'", "TIMESTAMP_S", "1960-02-29T01:02:03Z"],
      [
        "TIMESTAMPTZ '2020-01-01 02:00:00+02'",
        "TIMESTAMP WITH TIME ZONE",
        "2020-01-01T00:00:00.000000Z",
      ],
      ["'infinity'::TIMESTAMP", "TIMESTAMP", "infinity"],
      ["DATE '2020-02-29'", "DATE", "2020-02-29"],
      ["TIME '01:02:03.5'", "TIME", "01:02:03.5"],
      ["[1, NULL, 3]", "INTEGER[]", [1, null, 3]],
      [
        "{'a': 1, 'b': [9007199254740993]}",
        'STRUCT("a" INTEGER, "b" BIGINT[])',
        { a: 1, b: ["9007199254740993"] },
      ],
      ["MAP {'k': 2}", "MAP(VARCHAR, INTEGER)", [{ key: "k", value: 2 }]],
      ["'\\x00\\xFF'::BLOB", "BLOB", "AP8="],
      ["true", "BOOLEAN", true],
      ["''", "VARCHAR", ""],
    ];
    for (const [expression, type, value] of cases) {
      const answer = await store.query(`SELECT ${expression} AS v`);
      assert.deepEqual(
        [answer.columns, answer.rows],
        [[{ name: "v", type }], [[value]]],
        expression,
      );
    }
    const { rows: years } = await store.query("SELECT make_date(290000, 1, 1)::TIMESTAMP");
    assert.match(JSON.stringify(years), /290000/);
    await store.close();
  });

  test("say where in the client's text a mistake is", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(1, store.admit(rows("db.cpu", 3)));
    const marked = [
      "SELECT 'é🎉',\n  ~nothing FROM db.cpu",
      "SELECT 'é🎉' FROM db.cpu WHERE ~WHERE",
      "SELECT c.n, ~nope(c.n) FROM db.cpu AS c",
    ];
    for (const text of marked) {
      const offsetBytes = Buffer.byteLength(text.slice(0, text.indexOf("~")));
      await assert.rejects(store.query(text.replace("~", "")), (error) => {
        assert.ok(error instanceof ServerError);
        assert.equal(error.details["offsetBytes"], offsetBytes, text);
        return true;
      });
    }
    await store.close();
  });

  test("see all columns, whichever files and rows have them", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    const columns = Array.from({ length: 40 }, (_, index) => `c${index}`);
    for (const [index, column] of columns.entries()) {
      const time = SOME_TIME_NS + BigInt(index) * HOUR_NS;
      const part = table("db.wide", [time], {
        [column]: ["float", [index]],
        common: ["tag", ["x"]],
      });
      store.insert(index + 1, store.admit(batch(part)));
      if (index < 20 || index === 30) await store.flush();
    }
    const { columns: found, rows: all } = await store.query("SELECT * FROM db.wide ORDER BY time");
    assert.equal(found.length, 42);
    assert.deepEqual(
      found.map((column) => column.name),
      ["time", "c0", "common", ...columns.slice(1)],
    );
    all.forEach((row, index) => {
      const values = found.map((column, at) => [column.name, row[at]]).slice(1);
      const expected = found
        .slice(1)
        .map(({ name }) => [name, name === "common" ? "x" : name === `c${index}` ? index : null]);
      assert.deepEqual(values, expected);
    });
    await store.close();
  });
});
