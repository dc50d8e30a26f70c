import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import * as path from "node:path";
import { suite, test } from "node:test";
import type { TableStore } from "../../src/store/table-store.ts";
import { CrashPoint, everyCrashPoint } from "./crash-point.ts";
import {
  HOUR_NS,
  MemoryCatalogDisk,
  SOME_TIME_NS,
  batch,
  interceptedFiles,
  one,
  openTestStore,
  rows,
  table,
  temporaryDirectory,
} from "./store-fixture.ts";

const CHECK = "SELECT count(*), count(DISTINCT n), sum(n), min(time), max(time) FROM db.cpu";

/** Writes `count` files of ten rows each, numbers from 0 on, all in one hour. */
async function writeFiles(store: TableStore, count: number, fromLsn = 1): Promise<void> {
  for (let index = 0; index < count; index++) {
    const lsn = fromLsn + index;
    store.insert(lsn, rows("db.cpu", 10, { from: (lsn - 1) * 10 }));
    await store.flush();
  }
}

async function parquetFiles(directory: string): Promise<readonly string[]> {
  const names = await readdir(path.join(directory, "parquet"), { recursive: true });
  return names.filter((name) => name.includes(".")).map((name) => path.basename(name));
}

suite("compaction", () => {
  test("merges small files of an hour, and answers stay the same, also after opening again", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const { store, clock, errors } = await openTestStore(directory, disk);
    await writeFiles(store, 12);
    const before = await one(store, CHECK);
    const run = await store.dataLife.compactor.compactNow();
    assert.deepEqual([run.compactions, run.sourceFiles, run.rows, run.failures], [1, 12, 120, 0]);
    assert.deepEqual(await one(store, CHECK), before);
    assert.equal(store.stats().files, 1);
    assert.equal((await store.dataLife.compactor.compactNow()).compactions, 0);
    // The bytes of the old files stay for queries that began before, then they go.
    assert.equal((await parquetFiles(directory)).length, 13);
    clock.advance(60_000);
    await store.dataLife.removedFiles.settled();
    const [left, ...others] = await parquetFiles(directory);
    assert.match(left ?? "", /^cpu_(w1_)?1-12\.1\.parquet$/);
    assert.equal(others.length, 0);
    assert.deepEqual(await one(store, CHECK), before);
    assert.deepEqual(errors, []);
    await store.close();
    const again = await openTestStore(directory, disk);
    assert.deepEqual(again.store.stats().audit, { removed: [], unknown: [] });
    assert.deepEqual(await one(again.store, CHECK), before);
    await again.store.close();
  });

  test("runs in a shard that answers no queries as well, and frees what it merged", async (t) => {
    const directory = await temporaryDirectory(t);
    const { store, clock } = await openTestStore(directory, new MemoryCatalogDisk(), {
      options: { answersQueries: false, compactionIntervalMs: 1_000, compactionMinFiles: 2 },
    });
    t.after(async () => await store.close());
    await writeFiles(store, 4);
    clock.advance(1_000);
    while (store.stats().files > 1) await new Promise((resolve) => setImmediate(resolve));
    await store.dataLife.compactor.settled();
    clock.advance(60_000);
    await store.dataLife.removedFiles.settled();
    assert.equal((await parquetFiles(directory)).length, 1);
  });

  test("merges files of different columns, keeps duplicates and the order of equal times", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk(), {
      options: { compactionMinFiles: 2 },
    });
    const times = [SOME_TIME_NS, SOME_TIME_NS + 5n, SOME_TIME_NS];
    const batches = [
      table("db.cpu", times, { n: ["integer", [1, 2, 3]], arrival: ["integer", [1, 4, 2]] }),
      table("db.cpu", times, { host: ["tag", ["a", null, "b"]], c0: ["float", [0.1, NaN, -0]] }),
      table("db.cpu", times, {
        Time2: ["boolean", [true, false, null]],
        n: ["integer", [1, 2, 3]],
      }),
      table("db.cpu", times, { big: ["unsigned", [2n ** 64n - 1n, 0, null]] }),
    ];
    for (const [index, part] of batches.entries()) {
      store.insert(index + 1, batch(part));
      await store.flush();
    }
    const all = "SELECT * FROM db.cpu ORDER BY ALL";
    const before = await store.query(all);
    assert.equal((await store.dataLife.compactor.compactNow()).sourceFiles, 4);
    const after = await store.query(all);
    assert.deepEqual([after.columns, after.rows], [before.columns, before.rows]);
    assert.equal(store.stats().files, 1);
    const order = await store.query("SELECT arrival, big, host FROM db.cpu");
    assert.deepEqual(
      order.rows.map((row) => row.map(String).join(" ")),
      [
        "1 null null",
        "2 null null",
        "null null a",
        "null null b",
        "null null null",
        "null null null",
        "null 18446744073709551615 null",
        "null null null",
        "4 null null",
        "null null null",
        "null null null",
        "null 0 null",
      ],
    );
    await store.close();
  });

  test("never changes an answer while it goes on, with new files coming in", async (t) => {
    const { store, clock } = await openTestStore(
      await temporaryDirectory(t),
      new MemoryCatalogDisk(),
      { options: { compactionMinFiles: 2, compactionIntervalMs: 10 } },
    );
    const state = { isOver: false, written: 0 };
    const reader = (async () => {
      let queries = 0;
      while (!state.isOver) {
        const least = state.written;
        const [count, distinct] = await one(store, CHECK);
        assert.equal(count, distinct);
        assert.ok(Number(count) >= least, `${String(count)} rows of ${least}`);
        queries++;
      }
      return queries;
    })();
    for (let lsn = 1; lsn <= 40; lsn++) {
      store.insert(lsn, rows("db.cpu", 10, { from: (lsn - 1) * 10 }));
      state.written += 10;
      await store.flush();
      clock.advance(10);
      if (lsn % 10 === 0) await store.dataLife.compactor.compactNow();
    }
    state.isOver = true;
    assert.ok((await reader) > 5);
    assert.ok(store.dataLife.compactor.stats.compactions >= 4);
    assert.deepEqual((await one(store, CHECK)).slice(0, 2), [400, 400]);
    await store.close();
  });

  test("loses and doubles nothing, whichever operation is the last (rewrite-1 to rewrite-6)", async (t) => {
    const seen = new Set<string>();
    await everyCrashPoint(async (at) => {
      const directory = await temporaryDirectory(t);
      const disk = new MemoryCatalogDisk();
      const point = new CrashPoint(at);
      const state = { isCompacting: false };
      const files = interceptedFiles((operation) => {
        if (state.isCompacting) point.step(LABELS.get(operation) ?? operation);
      });
      const first = await openTestStore(directory, disk, { files });
      await writeFiles(first.store, 9);
      state.isCompacting = true;
      disk.beforeAppend = () => point.step("rewrite-5 before the record");
      disk.afterAppend = () => point.step("rewrite-6 after the record");
      await first.store.dataLife.compactor.compactNow();
      disk.beforeAppend = () => undefined;
      disk.afterAppend = () => undefined;
      for (const operation of point.operations) seen.add(operation.slice(0, "rewrite-1".length));
      // Not closed: it is gone.
      const where = `${at}: ${point.operations.at(-1)}`;
      const second = await openTestStore(directory, disk);
      assert.deepEqual(second.store.stats().audit.unknown, [], where);
      assert.deepEqual((await one(second.store, CHECK)).slice(0, 3), [90, 90, 4005], where);
      await second.store.dataLife.compactor.compactNow();
      assert.deepEqual((await one(second.store, CHECK)).slice(0, 3), [90, 90, 4005], where);
      second.clock.advance(60_000);
      await second.store.dataLife.removedFiles.settled();
      assert.equal((await parquetFiles(directory)).length, 1, where);
      await second.store.close();
      return point.happened;
    });
    for (const label of LABELS.values()) assert.ok(seen.has(label.slice(0, 9)), label);
    for (const label of ["rewrite-5", "rewrite-6"]) assert.ok(seen.has(label), label);
  });

  test("lives on after a failure, whichever operation failed, and merges later", async (t) => {
    await everyCrashPoint(async (at) => {
      const directory = await temporaryDirectory(t);
      const disk = new MemoryCatalogDisk();
      const point = new CrashPoint(at);
      const state = { isFailing: false };
      const step = (name: string): void => {
        if (!state.isFailing) return;
        try {
          point.step(name);
        } catch (error) {
          state.isFailing = false;
          throw error;
        }
      };
      disk.beforeAppend = () => step("append");
      disk.afterAppend = () => step("appended");
      const { store, errors } = await openTestStore(directory, disk, {
        files: interceptedFiles((operation) => step(operation)),
      });
      await writeFiles(store, 9);
      state.isFailing = true;
      const run = await store.dataLife.compactor.compactNow();
      state.isFailing = false;
      assert.equal(run.failures, point.happened ? 1 : 0, `${at}`);
      assert.equal(errors.length, run.failures);
      await store.dataLife.compactor.compactNow();
      assert.deepEqual((await one(store, CHECK)).slice(0, 3), [90, 90, 4005], `${at}`);
      assert.equal(store.stats().files, 1, `${at}`);
      await writeFiles(store, 1, 10);
      assert.deepEqual((await one(store, CHECK)).slice(0, 2), [100, 100], `${at}`);
      await store.close();
      const again = await openTestStore(directory, disk);
      assert.deepEqual(again.store.stats().audit.unknown, [], `${at}`);
      assert.deepEqual((await one(again.store, CHECK)).slice(0, 2), [100, 100], `${at}`);
      await again.store.close();
      return point.happened;
    });
  });

  test("works in the background from time to time, and hours stay apart", async (t) => {
    const { store, clock } = await openTestStore(
      await temporaryDirectory(t),
      new MemoryCatalogDisk(),
      { options: { compactionIntervalMs: 1_000 } },
    );
    for (let lsn = 1; lsn <= 4; lsn++) {
      store.insert(lsn, rows("db.cpu", 10, { from: lsn * 10, stepNs: HOUR_NS / 20n }));
      await store.flush();
    }
    const [hours] = await one(store, "SELECT count(DISTINCT date_trunc('hour', time)) FROM db.cpu");
    assert.ok(store.stats().files > Number(hours));
    clock.advance(1_000);
    // Pauses between merges pass as well.
    for (let turn = 0; turn < 1_000 && store.stats().files > Number(hours); turn++) {
      clock.advance(10_000);
      assert.deepEqual((await one(store, CHECK)).slice(0, 2), [40, 40]);
    }
    assert.equal(store.stats().files, Number(hours));
    assert.deepEqual((await one(store, CHECK)).slice(0, 2), [40, 40]);
    await store.close();
  });
});

const LABELS: ReadonlyMap<string, string> = new Map([
  ["fileSizeBytes", "rewrite-1 written"],
  ["syncFile", "rewrite-2 sync of the file"],
  ["rename", "rewrite-3 rename"],
  ["syncDirectory", "rewrite-4 sync of a directory"],
]);
