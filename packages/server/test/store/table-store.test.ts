import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
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

  test("skips what is in Parquet on replay, and refuses a new batch at such an LSN", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const first = await openTestStore(directory, disk, { options: { flushRows: 10 } });
    first.store.insert(4, rows("db.slow", 1));
    first.store.insert(5, rows("db.cpu", 10));
    // "cpu" is flushed, "slow" is not when the process dies: the log keeps both records.
    while (first.flushedLsns.length === 0) await nextTurn();

    for (const isReplay of [true, false]) {
      const { store } = await openTestStore(directory, disk);
      assert.deepEqual([store.replayFromLsn, store.highestFlushedLsn], [4, 5]);
      store.insert(4, rows("db.slow", 1));
      const again = rows("db.cpu", 10);
      if (isReplay) {
        store.insert(5, again);
        assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [10]);
      } else {
        assert.throws(() => store.insert(5, store.admit(again)), {
          code: "SERVER_STORAGE_CORRUPT",
        });
      }
    }
  });

  test("takes replay from any earlier record", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const first = await openTestStore(directory, disk);
    for (let lsn = 1; lsn <= 5; lsn++) first.store.insert(lsn, rows("db.cpu", 1, { from: lsn }));
    await first.store.close();
    for (const from of [1, 3, 5, 6]) {
      const { store } = await openTestStore(directory, disk);
      assert.equal(store.replayFromLsn, 6);
      for (let lsn = from; lsn <= 5; lsn++) store.insert(lsn, rows("db.cpu", 1, { from: lsn }));
      assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [5]);
      assert.equal(store.stats().rowsInMemory, 0);
      await store.close();
    }
  });

  test("refuses records out of order", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(2, rows("db.cpu", 1));
    assert.throws(() => store.insert(2, rows("db.cpu", 1)), RangeError);
    assert.throws(() => store.insert(1, rows("db.cpu", 1)), RangeError);
    assert.throws(() => store.insert(NaN, rows("db.cpu", 1)), RangeError);
    await store.close();
  });

  test("does not show columns that are only reserved", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(1, store.admit(rows("db.cpu", 1)));
    const inFlight = store.admit(batch(table("db.cpu", [1n], { extra: ["float", [1]] })));
    const names = async (): Promise<readonly string[]> =>
      (await store.query("SELECT * FROM db.cpu")).columns.map((column) => column.name);
    assert.deepEqual(await names(), ["time", "host", "n"]);
    await assert.rejects(store.query("SELECT extra FROM db.cpu"), { code: "SERVER_INVALID_QUERY" });
    store.insert(2, inFlight);
    assert.deepEqual(await names(), ["time", "host", "n", "extra"]);
    await store.close();
  });

  test("remembers column types over restarts, flushed or replayed", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const first = await openTestStore(directory, disk);
    first.store.insert(1, rows("db.cpu", 1));
    await first.store.close();
    const { store } = await openTestStore(directory, disk);
    const wrong = batch(table("db.cpu", [1n], { n: ["string", ["x"]] }));
    assert.throws(() => store.admit(wrong), { code: "SERVER_TYPE_CONFLICT" });
    store.insert(2, batch(table("db.cpu", [1n], { later: ["boolean", [true]] })));
    const late = batch(table("db.cpu", [1n], { later: ["float", [1]] }));
    assert.throws(() => store.admit(late), { code: "SERVER_TYPE_CONFLICT" });
    await store.close();
  });

  test("says what it holds", async (t) => {
    const { store, clock } = await openTestStore(
      await temporaryDirectory(t),
      new MemoryCatalogDisk(),
    );
    store.insert(1, rows("db.cpu", 100));
    store.insert(2, rows("db.mem", 50));
    clock.advance(100);
    const before = store.stats();
    assert.deepEqual(
      [before.insertedLsn, before.flushedLsn, before.rowsInMemory, before.oldestUnflushedAgeMs],
      [2, 0, 150, 100],
    );
    assert.ok(before.bytesInMemory > 150 * 16 && store.memoryBytes() === before.bytesInMemory);
    await store.flush();
    const after = store.stats();
    assert.deepEqual(
      [after.rowsInMemory, after.bytesInMemory, after.files, after.rowsOnDisk, after.flushedLsn],
      [0, 0, 2, 150, 2],
    );
    assert.deepEqual(after.flushes, {
      flushes: 2,
      flushedRows: 150,
      flushedFiles: 2,
      flushedBytes: after.bytesOnDisk,
      failures: 0,
      lastError: undefined,
    });
    assert.deepEqual(
      after.tables.map((found) => [
        found.database,
        found.measurement,
        found.rowsOnDisk,
        found.flushedLsn,
      ]),
      [
        ["db", "cpu", 100, 1],
        ["db", "mem", 50, 2],
      ],
    );
    await store.close();
  });

  test("refuses options that make no sense", async (t) => {
    const directory = await temporaryDirectory(t);
    const wrong: readonly object[] = [
      { flushRows: 0 },
      { flushRows: 1.5 },
      { flushAgeMs: -1 },
      { queryMemoryBytes: 1 },
      { queryTimeoutMs: Number.NaN },
      { concurrentQueries: 0 },
      { flushRow: 10 },
    ];
    for (const options of wrong) {
      await assert.rejects(openTestStore(directory, new MemoryCatalogDisk(), { options }), {
        code: "SERVER_INVALID_OPTION",
      });
    }
  });
});
