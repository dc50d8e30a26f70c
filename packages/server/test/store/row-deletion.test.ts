import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { IngestBatch } from "../../src/ingest/table-batch.ts";
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

const CPU = { database: "db", measurement: "cpu" };
const ALL = { tags: [] };

/** Six records of ten rows of cpu, an hour and more, and some of mem, which hold the log. */
const LOG: readonly IngestBatch[] = Array.from({ length: 6 }, (_, index) =>
  batch(
    ...rows("db.cpu", 10, { from: index * 10, stepNs: HOUR_NS / 40n }).tables,
    ...rows("db.mem", 2, { from: index * 2 }).tables,
  ),
);

function replay(store: TableStore): void {
  LOG.forEach((record, index) => {
    if (index + 1 >= store.replayFromLsn) store.insert(index + 1, record);
  });
}

async function numbers(store: TableStore): Promise<readonly number[]> {
  const { rows: answer } = await store.query("SELECT n FROM db.cpu ORDER BY n");
  return answer.map(([n]) => Number(n));
}

/** The numbers of LOG that a condition leaves. */
function numbersWithout(isDeleted: (n: number) => boolean): readonly number[] {
  return Array.from({ length: 60 }, (_, n) => n).filter((n) => !isDeleted(n));
}

suite("DELETE", () => {
  test("by time: drops whole files, rewrites others, keeps the rest, in files and in memory", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const { store } = await openTestStore(directory, disk);
    for (const [index, record] of LOG.entries()) {
      store.insert(index + 1, record);
      if (index < 4) await store.flush();
    }
    const startNs = SOME_TIME_NS + 7n * (HOUR_NS / 40n);
    const stopNs = SOME_TIME_NS + 47n * (HOUR_NS / 40n);
    const counts = await store.dataLife.deleteRows(CPU, { startNs, stopNs, tags: [] });
    assert.equal(counts.deletedRows, 40);
    assert.ok(counts.droppedFiles >= 1 && counts.rewrittenFiles >= 2);
    const expected = numbersWithout((n) => n >= 7 && n < 47);
    assert.deepEqual(await numbers(store), expected);
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.mem"), [12]);
    const nothing = { deletedRows: 0, droppedFiles: 0, rewrittenFiles: 0 };
    assert.deepEqual(await store.dataLife.deleteRows(CPU, { startNs, stopNs, tags: [] }), nothing);
    await store.close();
    const again = await openTestStore(directory, disk);
    LOG.forEach((record, index) => again.store.insert(index + 1, record));
    assert.deepEqual(await numbers(again.store), expected);
    await again.store.close();
  });

  test("by tag, also where a file has no such column or no value", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    const times = [1n, 2n, 3n];
    const parts = [
      table("db.cpu", times, { host: ["tag", ["a'\"\\", "b", null]], n: ["integer", [0, 1, 2]] }),
      table("db.cpu", times, { n: ["integer", [3, 4, 5]] }),
      table("db.cpu", times, { host: ["tag", ["b", "b", "b"]], n: ["integer", [6, 7, 8]] }),
    ];
    for (const [index, part] of parts.entries()) {
      store.insert(index + 1, batch(part));
      await store.flush();
    }
    const remove = async (name: string, value: string, stopNs?: bigint): Promise<number> => {
      const criteria = { tags: [{ name, value }], stopNs };
      return (await store.dataLife.deleteRows(CPU, criteria)).deletedRows;
    };
    assert.equal(await remove("host", "nobody"), 0);
    assert.equal(await remove("rack", "b"), 0);
    assert.equal(await remove("host", "a'\"\\"), 1);
    assert.equal(await remove("host", "b", 3n), 3);
    assert.deepEqual(await numbers(store), [2, 3, 4, 5, 8]);
    assert.equal(await remove("host", "", 2n), 1);
    assert.deepEqual(await numbers(store), [2, 4, 5, 8]);
    await assert.rejects(remove("n", "4"), { code: "SERVER_INVALID_REQUEST" });
    await store.close();
  });

  test("of a whole measurement: it is gone, and comes back with other types", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const { store } = await openTestStore(directory, disk);
    replay(store);
    assert.equal((await store.dataLife.deleteRows(CPU, ALL)).deletedRows, 60);
    await assert.rejects(store.query("SELECT * FROM db.cpu"), { code: "SERVER_INVALID_QUERY" });
    assert.deepEqual(
      store.stats().tables.map(({ measurement }) => measurement),
      ["mem"],
    );
    const changed = batch(
      table("db.cpu", [7n], { n: ["string", ["text"]], N2: ["boolean", [true]] }),
    );
    store.insert(7, store.admit(changed));
    assert.deepEqual((await store.query("SELECT * FROM db.cpu")).rows, [
      ["1970-01-01T00:00:00.000000007Z", "text", true],
    ]);
    await assert.rejects((async () => await Promise.resolve(store.admit(rows("db.cpu", 1))))(), {
      code: "SERVER_TYPE_CONFLICT",
    });
    await store.close();
    const again = await openTestStore(directory, disk);
    LOG.forEach((record, index) => again.store.insert(index + 1, record));
    again.store.insert(7, changed);
    assert.deepEqual(await one(again.store, "SELECT count(*), min(n) FROM db.cpu"), [1, "text"]);
    await again.store.close();
  });

  test("types stay while a batch with them is on its way to the log", async (t) => {
    const { store } = await openTestStore(await temporaryDirectory(t), new MemoryCatalogDisk());
    store.insert(1, rows("db.cpu", 10));
    const onItsWay = store.admit(rows("db.cpu", 1, { from: 99 }));
    await store.dataLife.deleteRows(CPU, ALL);
    const other = batch(table("db.cpu", [7n], { n: ["string", ["text"]] }));
    assert.throws(() => store.admit(other), { code: "SERVER_TYPE_CONFLICT" });
    store.insert(2, onItsWay);
    assert.deepEqual(await numbers(store), [99]);
    assert.throws(() => store.admit(other), { code: "SERVER_TYPE_CONFLICT" });
    await store.dataLife.deleteRows(CPU, ALL);
    store.abandon(store.admit(other));
    await store.close();
  });

  test("is all or nothing, and no row comes back, whichever operation is the last", async (t) => {
    const startNs = SOME_TIME_NS + 7n * (HOUR_NS / 40n);
    const stopNs = SOME_TIME_NS + 47n * (HOUR_NS / 40n);
    const whole = numbersWithout(() => false);
    const rest = numbersWithout((n) => n >= 7 && n < 47);
    await everyCrashPoint(async (at) => {
      const directory = await temporaryDirectory(t);
      const disk = new MemoryCatalogDisk();
      const point = new CrashPoint(at);
      const state = { isDeleting: false };
      const first = await openTestStore(directory, disk, {
        files: interceptedFiles((operation) => {
          if (state.isDeleting) point.step(operation);
        }),
      });
      replay(first.store);
      await first.store.flush();
      // A row of another table keeps the log from being released.
      first.store.insert(7, rows("db.mem", 1));
      state.isDeleting = true;
      disk.beforeAppend = () => point.step("before the record");
      disk.afterAppend = () => point.step("after the record");
      const answered = await first.store.dataLife
        .deleteRows(CPU, { startNs, stopNs, tags: [] })
        .then(
          () => true,
          () => false,
        );
      disk.beforeAppend = () => undefined;
      disk.afterAppend = () => undefined;
      const where = `${at}: ${point.operations.at(-1)}`;
      assert.equal(answered, !point.happened, where);
      const second = await openTestStore(directory, disk);
      LOG.forEach((record, index) => second.store.insert(index + 1, record));
      const isDeleted = answered || point.operations.at(-1) === "after the record";
      assert.deepEqual(await numbers(second.store), isDeleted ? rest : whole, where);
      assert.deepEqual(second.store.stats().audit.unknown, [], where);
      await second.store.dataLife.deleteRows(CPU, { startNs, stopNs, tags: [] });
      assert.deepEqual(await numbers(second.store), rest, where);
      await second.store.close();
      return point.happened;
    });
  });
});
