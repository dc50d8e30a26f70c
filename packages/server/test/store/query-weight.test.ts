import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import { MAX_JOINS, MAX_MADE_SIZE, MAX_SET_OPERATIONS } from "../../src/store/query-weight.ts";
import type { TableStore } from "../../src/store/table-store.ts";
import { MemoryCatalogDisk, one, openTestStore, temporaryDirectory } from "./store-fixture.ts";

async function assertTooHeavy(store: TableStore, sql: string): Promise<void> {
  await assert.rejects(
    store.query(sql),
    (error) => error instanceof ServerError && error.code === "SERVER_INVALID_QUERY",
    sql.slice(0, 200),
  );
}

function unions(count: number): string {
  return Array.from({ length: count + 1 }, () => "SELECT 1").join(" UNION ALL ");
}

function joins(count: number): string {
  const tables = Array.from({ length: count + 1 }, (_, index) => `range(1) t${index}`);
  return `SELECT count(*) FROM ${tables.join(", ")}`;
}

suite("the weight of a query", () => {
  test("one value cannot be made large out of nothing", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    const beyond = MAX_MADE_SIZE + 1;
    for (const sql of [
      "SELECT repeat('x', 2000000000)",
      `SELECT length(Repeat('x', ${beyond}))`,
      `SELECT 'x'.repeat(${beyond})`,
      "SELECT repeat('x', 1000 * 1000 * 1000)",
      "SELECT repeat('x', range) FROM range(1000000000, 1000000001)",
      "SELECT repeat(repeat('x', 1000), 1000)",
      "WITH a AS (SELECT repeat('x', 1000) s) SELECT repeat(s, 1000) FROM a",
      "SELECT repeat([1, 2, 3], 500000000)",
      "SELECT range(1000000000)",
      "SELECT generate_series(-1000000000, 0)",
      "SELECT * FROM unnest(range(1000000000))",
      "SELECT list_transform(range(1000), x -> repeat('x', 1000))",
      "SELECT lpad('x', 2000000000, 'y'), rpad('x', 2000000000, 'y')",
      "SELECT bitstring('1', 2000000000)",
      "SELECT list_resize([1], 1000000000, 0)",
      "SELECT format('{:2000000000}', 1)",
      "SELECT format('{:{}}', 1, 2000000000)",
      "SELECT printf('%2000000000d', 1)",
      "SELECT printf('%*d', 2000000000, 1)",
      "SELECT bar(1, 0, 2, 1000000000)",
    ]) {
      await assertTooHeavy(store, sql);
    }
    await store.close();
  });

  test("functions that cannot be interrupted are refused", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    for (const sql of [
      "SELECT sleep_ms(86400000)",
      'SELECT Main."SLEEP_MS"(86400000)',
      "SELECT 86400000.sleep_ms()",
      "SELECT list_transform([86400000], x -> sleep_ms(x))",
      "SELECT * FROM range(1) WHERE sleep_ms(86400000) IS NULL",
      "SELECT damerau_levenshtein(a, a) FROM (SELECT repeat('ab', 40000) a)",
      "SELECT levenshtein(a, a), editdist3(a, a) FROM (SELECT repeat('ab', 40000) a)",
      "SELECT write_log(repeat('x', 90000)) FROM range(1000000)",
    ]) {
      await assertTooHeavy(store, sql);
    }
    await store.close();
  });

  test("what people write is light", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    const queries: readonly (readonly [string, readonly unknown[]])[] = [
      [`SELECT length(repeat('x', ${MAX_MADE_SIZE}))`, [MAX_MADE_SIZE]],
      [
        "SELECT range(3), range(5, 1, -2), generate_series(1, 2)",
        [
          [0, 1, 2],
          [5, 3],
          [1, 2],
        ],
      ],
      ["SELECT lpad('7', 3, '0'), rpad('7', 3, '.')", ["007", "7.."]],
      ["SELECT format('{:05.1f} {}', 2.25, 'a'), printf('%05d', 42)", ["002.2 a", "00042"]],
      ["SELECT bar(1, 0, 2, 4)", ["██  "]],
      ["SELECT count(*), sum(range) FROM range(1000000)", [1_000_000, 499_999_500_000]],
      ["SELECT count(*) FROM repeat('x', 500000)", [500_000]],
      [
        "SELECT count(*) FROM generate_series(TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-02', INTERVAL 1 hour)",
        [25],
      ],
    ];
    for (const [sql, expected] of queries) assert.deepEqual(await one(store, sql), expected, sql);
    await store.close();
  });

  test("joins and set operations have a limit in number", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    assert.equal((await store.query(unions(MAX_SET_OPERATIONS))).rowCount, MAX_SET_OPERATIONS + 1);
    assert.deepEqual(await one(store, joins(MAX_JOINS)), [1]);
    await assertTooHeavy(store, unions(MAX_SET_OPERATIONS + 1));
    await assertTooHeavy(store, unions(10_000));
    await assertTooHeavy(store, `SELECT [${"1,".repeat(140_000)}1]`);
    await assertTooHeavy(store, joins(MAX_JOINS + 1));
    await store.close();
  });
});
