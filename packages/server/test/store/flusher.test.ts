import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import * as path from "node:path";
import { suite, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { openParquetWriter } from "../../src/store/parquet-writer.ts";
import {
  MemoryCatalogDisk,
  batch,
  interceptedFiles,
  one,
  openTestStore,
  rows,
  temporaryDirectory,
  type TestStore,
} from "./store-fixture.ts";

/** Waits until a condition holds; the test's time limit ends a wait in vain. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await nextTurn();
}

async function parquetFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(path.join(directory, "parquet"), { recursive: true });
  return names
    .filter((name) => name.endsWith(".parquet"))
    .map((name) => path.basename(name))
    .sort();
}

suite("Flusher", () => {
  test("flushes when there are enough rows, without waiting", async (t) => {
    const directory = await temporaryDirectory(t);
    const { store, flushedLsns } = await openTestStore(directory, new MemoryCatalogDisk(), {
      options: { flushRows: 100 },
    });
    store.insert(1, rows("db.cpu", 99));
    store.insert(2, rows("db.cpu", 1, { from: 99 }));
    store.insert(3, rows("db.cpu", 1, { from: 100 }));
    await until(() => flushedLsns.length > 0);
    assert.deepEqual(flushedLsns, [2]);
    assert.equal(store.flushedLsn, 2);
    assert.deepEqual(await parquetFiles(directory), ["cpu_w1_1-2.parquet"]);
    assert.equal(store.stats().rowsInMemory, 1);
    await store.close();
    assert.deepEqual(await parquetFiles(directory), ["cpu_w1_1-2.parquet", "cpu_w1_3-3.parquet"]);
  });

  test("flushes when the oldest row is old enough, counted from the first", async (t) => {
    const { store, clock, flushedLsns } = await openTestStore(
      await temporaryDirectory(t),
      new MemoryCatalogDisk(),
      { options: { flushAgeMs: 5000 } },
    );
    store.insert(1, rows("db.cpu", 1));
    clock.advance(4000);
    store.insert(2, rows("db.cpu", 1, { from: 1 }));
    assert.equal(store.stats().oldestUnflushedAgeMs, 4000);
    clock.advance(999);
    await nextTurn();
    assert.equal(store.stats().rowsInMemory, 2);
    clock.advance(1);
    await until(() => flushedLsns.length > 0);
    assert.deepEqual(flushedLsns, [2]);
    assert.equal(store.stats().oldestUnflushedAgeMs, 0);
    await store.close();
  });

  test("says only what every table has flushed", async (t) => {
    const { store, flushedLsns } = await openTestStore(
      await temporaryDirectory(t),
      new MemoryCatalogDisk(),
      { options: { flushRows: 10 } },
    );
    store.insert(1, rows("db.slow", 1));
    store.insert(2, rows("db.fast", 10));
    await until(() => flushedLsns.length > 0);
    // The table "slow" still has a row of LSN 1: the log must keep it.
    assert.deepEqual(flushedLsns, [0]);
    await store.flush();
    assert.equal(flushedLsns.at(-1), 2);
    await store.close();
  });

  test("takes several memtables at once when a table has fallen behind", async (t) => {
    const directory = await temporaryDirectory(t);
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const { store } = await openTestStore(directory, new MemoryCatalogDisk(), {
      options: { flushRows: 10 },
      openParquetWriter: async () => {
        const writer = await openParquetWriter();
        return {
          stage: async (rowSet) => {
            await held;
            return await writer.stage(rowSet);
          },
          close: () => writer.close(),
        };
      },
    });
    for (let lsn = 1; lsn <= 5; lsn++) store.insert(lsn, rows("db.cpu", 10, { from: lsn * 10 }));
    assert.deepEqual(await one(store, "SELECT count(*), count(DISTINCT n) FROM db.cpu"), [50, 50]);
    release();
    await store.flush();
    assert.deepEqual(await parquetFiles(directory), ["cpu_w1_1-1.parquet", "cpu_w1_2-5.parquet"]);
    assert.deepEqual(await one(store, "SELECT count(*), count(DISTINCT n) FROM db.cpu"), [50, 50]);
    await store.close();
  });

  test("tries again later and later while the disk fails, and then catches up", async (t) => {
    let isFull = true;
    let tries = 0;
    const { store, clock, errors } = await openTestStore(
      await temporaryDirectory(t),
      new MemoryCatalogDisk(),
      {
        options: { flushRows: 10 },
        files: interceptedFiles((operation) => {
          if (operation !== "syncFile") return;
          tries++;
          if (isFull) throw Object.assign(new Error("disk full"), { code: "ENOSPC" });
        }),
      },
    );
    store.insert(1, rows("db.cpu", 10));
    await until(() => errors.length === 1);
    for (const [index, delayMs] of [250, 500, 1000, 2000].entries()) {
      clock.advance(delayMs - 1);
      // More rows are no reason to hurry.
      store.insert(index + 2, rows("db.cpu", 10, { from: 10 * (index + 1) }));
      await nextTurn();
      assert.equal(tries, index + 1);
      clock.advance(1);
      await until(() => errors.length === index + 2);
    }
    const { failures, lastError } = store.stats().flushes;
    assert.deepEqual([failures, lastError], [5, "disk full"]);
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [50]);
    assert.equal(store.flushedLsn, 0);
    isFull = false;
    clock.advance(60_000);
    await until(() => store.flushedLsn === 5);
    assert.equal(store.stats().rowsInMemory, 0);
    assert.equal(store.stats().flushes.lastError, undefined);
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [50]);
    await store.close();
  });

  test("makes the log durable before it commits what came from it", async (t) => {
    const disk = new MemoryCatalogDisk();
    const steps: string[] = [];
    disk.beforeAppend = () => steps.push("commit");
    const { store } = await openTestStore(await temporaryDirectory(t), disk, {
      options: {
        makeLogDurable: async (lsn) => {
          await nextTurn();
          steps.push(`log ${lsn}`);
        },
      },
    });
    steps.length = 0;
    store.insert(7, rows("db.cpu", 10));
    await store.flush();
    assert.deepEqual(steps, ["log 7", "commit"]);
    await store.close();
  });

  test("flushes on close, and says so when it could not", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const first = await openTestStore(directory, disk);
    first.store.insert(1, rows("db.cpu", 10));
    await first.store.close();
    await first.store.close();
    assert.throws(() => first.store.insert(2, rows("db.cpu", 1)), { code: "SERVER_NOT_READY" });
    await assert.rejects(first.store.query("SELECT 1"), { code: "SERVER_NOT_READY" });

    const second: TestStore = await openTestStore(directory, disk, {
      files: interceptedFiles((operation) => {
        if (operation === "rename") throw new Error("no rename today");
      }),
    });
    assert.equal(second.store.replayFromLsn, 2);
    second.store.insert(2, rows("db.cpu", 10, { from: 10 }));
    await assert.rejects(second.store.close(), /no rename today/);

    const third = await openTestStore(directory, disk);
    assert.equal(third.store.replayFromLsn, 2);
    third.store.insert(2, rows("db.cpu", 10, { from: 10 }));
    assert.deepEqual(await one(third.store, "SELECT count(*) FROM db.cpu"), [20]);
    await third.store.close();
  });

  test("keeps each acknowledged row visible once while flushes commit", async (t) => {
    const { store, errors } = await openTestStore(
      await temporaryDirectory(t),
      new MemoryCatalogDisk(),
      { options: { flushRows: 500, concurrentQueries: 2 } },
    );
    let inserted = 0;
    let queries = 0;
    let lsn = 0;
    let isWriting = true;
    const writing = (async () => {
      for (let round = 0; round < 150; round++) {
        const count = 1 + ((round * 37) % 150);
        store.insert(
          ++lsn,
          store.admit(batch(...rows("db.cpu", count, { from: inserted }).tables)),
        );
        inserted += count;
        // In step with the readers, so that flushes and queries meet.
        const answered = queries;
        if (round % 5 === 0) await until(() => queries > answered);
      }
      isWriting = false;
    })();
    await until(() => inserted > 0);
    const reading = async (): Promise<void> => {
      while (isWriting) {
        const before = inserted;
        const [count, distinct, max] = await one(
          store,
          "SELECT count(*), count(DISTINCT n), max(n) FROM db.cpu",
        );
        assert.equal(count, distinct);
        assert.equal(max, Number(count) - 1);
        assert.ok(Number(count) >= before, `${String(count)} of ${before}`);
        queries++;
      }
    };
    await Promise.all([writing, reading(), reading()]);
    assert.ok(queries >= 30);
    await store.flush();
    assert.deepEqual(await one(store, "SELECT count(*), count(DISTINCT n) FROM db.cpu"), [
      inserted,
      inserted,
    ]);
    assert.deepEqual(errors, []);
    await store.close();
  });
});
