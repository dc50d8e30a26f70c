import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  MemoryCatalogDisk,
  SOME_TIME_NS,
  batch,
  one,
  openTestStore,
  rows,
  table,
  temporaryDirectory,
} from "./store-fixture.ts";

suite("TableStore", () => {
  test("shows inserted rows to the next query, before and after the flush", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(1, store.admit(rows("db.cpu", 1000)));
    const sql = "SELECT count(*), sum(n), min(host), max(time) FROM db.cpu";
    const inMemory = await one(store, sql);
    assert.deepEqual(inMemory, [1000, 499_500, "host-0", "2025-10-09T08:53:20.999000000Z"]);
    assert.equal(store.flushedLsn, 0);
    await store.flush();
    assert.deepEqual(await one(store, sql), inMemory);
    assert.equal(store.flushedLsn, 1);
    assert.equal(store.stats().rowsInMemory, 0);
    assert.equal(store.stats().rowsOnDisk, 1000);
    store.insert(2, store.admit(rows("db.cpu", 10, { from: 1000 })));
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [1010]);
    await store.close();
  });

  test("returns every type exactly, from memory and from Parquet", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(
      1,
      store.admit(
        batch(
          table("db.all types", [SOME_TIME_NS + 123n, -1n], {
            tag: ["tag", ["a", null]],
            text: ["string", ["", "ü\u0000\u{1f600}"]],
            i: ["integer", [9_223_372_036_854_775_807n, -9_223_372_036_854_775_808n]],
            u: ["unsigned", [18_446_744_073_709_551_615n, null]],
            f: ["float", [0.1, NaN]],
            b: ["boolean", [true, null]],
          }),
        ),
      ),
    );
    const sql = `SELECT * FROM db."all types" ORDER BY time DESC`;
    const expected = [
      [
        "2025-10-09T08:53:20.000000123Z",
        "a",
        "",
        "9223372036854775807",
        "18446744073709551615",
        0.1,
        true,
      ],
      [
        "1969-12-31T23:59:59.999999999Z",
        null,
        "ü\u0000\u{1f600}",
        "-9223372036854775808",
        null,
        "NaN",
        null,
      ],
    ];
    const fromMemory = await store.query(sql);
    assert.deepEqual(fromMemory.rows, expected);
    assert.deepEqual(
      fromMemory.columns.map((column) => `${column.name} ${column.type}`),
      [
        "time TIMESTAMP_NS",
        "tag VARCHAR",
        "text VARCHAR",
        "i BIGINT",
        "u UBIGINT",
        "f DOUBLE",
        "b BOOLEAN",
      ],
    );
    await store.flush();
    const fromParquet = await store.query(sql);
    assert.deepEqual(fromParquet.rows, expected);
    assert.deepEqual(fromParquet.columns, fromMemory.columns);
    await store.close();
  });
});
