import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { ColumnSpec } from "./store-fixture.ts";
import {
  MemoryCatalogDisk,
  SOME_TIME_NS,
  batch,
  openTestStore,
  table,
  temporaryDirectory,
} from "./store-fixture.ts";

/** Sizes around DuckDB's chunk of 2,048 rows and the widths of its enum codes. */
const ROW_COUNTS = [1, 2047, 2048, 2049, 4097];
const VALUE_COUNTS = [1, 255, 256, 257, 65_535, 65_536, 65_537];

suite("rows in memory as a table of the engine", () => {
  test("come out as they went in, at every chunk boundary, with and without nulls", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    for (const [index, count] of ROW_COUNTS.entries()) {
      const numbers = Array.from({ length: count }, (_, row) => row);
      const sparse = (every: number, value: (row: number) => string | bigint | boolean | number) =>
        numbers.map((row) => (row % every === 0 ? null : value(row)));
      const columns: Readonly<Record<string, ColumnSpec>> = {
        n: ["integer", numbers],
        tag: ["tag", sparse(3, (row) => `t${row % 5}`)],
        text: ["string", sparse(7, (row) => `text ${row}`)],
        i: ["integer", sparse(2, (row) => BigInt(row) - 2n ** 62n)],
        u: ["unsigned", sparse(5, (row) => 2n ** 64n - 1n - BigInt(row))],
        f: ["float", sparse(11, (row) => row / 8)],
        b: ["boolean", sparse(13, (row) => row % 2 === 0)],
      };
      const times = numbers.map((row) => SOME_TIME_NS + BigInt(row));
      store.insert(index + 1, store.admit(batch(table(`db.m${count}`, times, columns))));
      const check = async (): Promise<void> => {
        const { rows } = await store.query(
          `SELECT n, tag, text, i, u, f, b FROM db.m${count} ORDER BY time`,
        );
        const expected = numbers.map((row) =>
          Object.values(columns).map(([, values]) => {
            const value = values[row] ?? null;
            const isUnsafe = typeof value === "bigint" && !Number.isSafeInteger(Number(value));
            return typeof value === "bigint" && !isUnsafe
              ? Number(value)
              : isUnsafe
                ? String(value)
                : value;
          }),
        );
        assert.deepEqual(rows, expected);
      };
      await check();
      await store.flush();
      await check();
    }
    await store.close();
  });

  test("have as many different texts as there are", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    for (const [index, valueCount] of VALUE_COUNTS.entries()) {
      // Three rows and more a value: few enough for an ENUM.
      const rowCount = valueCount * 3 + 5;
      const codes = Uint32Array.from({ length: rowCount }, (_, row) => row % valueCount);
      const dictionary = Array.from({ length: valueCount }, (_, value) => `value ${value}`);
      const timestamps = BigInt64Array.from(codes, (_, row) => SOME_TIME_NS + BigInt(row));
      const name = `m${valueCount}`;
      const column = { name: "s", type: "tag", validity: undefined, codes, dictionary } as const;
      const one = { database: "db", measurement: name, rowCount, timestamps, columns: [column] };
      store.insert(index + 1, store.admit({ tables: [one], rowCount }));
      const sql = `SELECT count(*), count(DISTINCT s),
        count(*) FILTER (s = 'value ' || ((epoch_ns(time) - ${SOME_TIME_NS}) % ${valueCount})) FROM db.${name}`;
      assert.deepEqual((await store.query(sql)).rows, [[rowCount, valueCount, rowCount]], name);
    }
    await store.close();
  });

  test("keep texts apart that an enum would make one", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    const cycle = ["a", "a\0b", "a\0", "", "\0"];
    const values = Array.from({ length: 50 }, (_, row) => cycle[row % cycle.length] ?? "");
    const broken = Array.from({ length: 50 }, (_, row) => (row % 2 === 0 ? "\ud800" : "\udc00"));
    const times = values.map((_, row) => SOME_TIME_NS + BigInt(row));
    store.insert(
      1,
      store.admit(
        batch(
          table("db.m", times, {
            s: ["tag", values],
            x: ["string", broken],
            none: ["tag", values.map(() => null)],
          }),
        ),
      ),
    );
    const sql = "SELECT s, count(*), any_value(x), count(none) FROM db.m GROUP BY s ORDER BY s";
    const expected = [...cycle].sort().map((text) => [text, 10, "\ufffd", 0]);
    assert.deepEqual((await store.query(sql)).rows, expected);
    await store.flush();
    assert.deepEqual((await store.query(sql)).rows, expected);
    await store.close();
  });
});
