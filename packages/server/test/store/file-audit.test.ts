import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import {
  MemoryCatalogDisk,
  one,
  openTestStore,
  rows,
  temporaryDirectory,
} from "./store-fixture.ts";

/** A store with one committed file of ten rows, LSN 5 to 5, closed. */
async function storeOnDisk(
  directory: string,
): Promise<{ readonly disk: MemoryCatalogDisk; readonly file: string; readonly root: string }> {
  const disk = new MemoryCatalogDisk();
  const { store } = await openTestStore(directory, disk);
  store.insert(5, rows("db.cpu", 10));
  await store.close();
  const root = path.join(directory, "parquet");
  const names = await readdir(root, { recursive: true });
  const [file = ""] = names.filter((name) => name.endsWith(".parquet"));
  return { disk, root, file: path.join(root, file) };
}

async function assertCorrupt(
  directory: string,
  disk: MemoryCatalogDisk,
  says: RegExp,
): Promise<void> {
  await assert.rejects(openTestStore(directory, disk), (error) => {
    assert.ok(error instanceof ServerError);
    assert.equal(error.code, "SERVER_STORAGE_CORRUPT");
    assert.match(error.message, says);
    return true;
  });
}

suite("file audit", () => {
  test("refuses to start without a file of the catalog, and names it and its rows", async (t) => {
    const directory = await temporaryDirectory(t);
    const { disk, file } = await storeOnDisk(directory);
    await rename(file, `${file}.away`);
    await assertCorrupt(directory, disk, /cpu_w1_5-5\.parquet \(db\.cpu, 10 rows\): missing/);
    await rename(`${file}.away`, file);
    const { store } = await openTestStore(directory, disk);
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [10]);
    await store.close();
  });

  test("refuses to start with a file of another size", async (t) => {
    const directory = await temporaryDirectory(t);
    const { disk, file } = await storeOnDisk(directory);
    const { size } = await stat(file);
    await truncate(file, size - 1);
    await assertCorrupt(directory, disk, new RegExp(`${size - 1} bytes instead of ${size}`));
    await truncate(file, 0);
    await assertCorrupt(directory, disk, /0 bytes/);
  });

  test("refuses to start when the catalog is lost, again and again, and removes nothing", async (t) => {
    const directory = await temporaryDirectory(t);
    const { file } = await storeOnDisk(directory);
    const empty = new MemoryCatalogDisk();
    await assertCorrupt(directory, empty, /catalog is empty/);
    await assertCorrupt(directory, empty, /catalog is empty/);
    assert.ok((await stat(file)).size > 0);
  });

  test("removes what a flush that died left behind, and nothing else", async (t) => {
    const directory = await temporaryDirectory(t);
    const { disk, file, root } = await storeOnDisk(directory);
    const hour = path.dirname(file);
    const other = path.join(root, "db", "new%20table", "2025", "10", "09", "08");
    await mkdir(other, { recursive: true });
    const leftovers = [
      path.join(hour, "cpu_w1_6-9.parquet"),
      path.join(hour, ".cpu_w1_6-9.parquet.1.tmp"),
      path.join(other, "new%20table_w1_2-3.parquet"),
      path.join(hour, "cpu_w1_2-5.1.parquet"), // Made of files that the catalog has seen.
      path.join(hour, ".cpu_w1_2-5.2.parquet.1.tmp"),
    ];
    const strangers = [
      path.join(hour, "cpu_w1_3-4.parquet"), // At or below the watermark: its rows are flushed.
      path.join(hour, "cpu_w1_4-9.parquet"),
      path.join(hour, "cpu_w1_4-9.1.parquet"), // Of files that a newer catalog knew: perhaps the only copy.
      path.join(hour, "cpu_w1_2-5.0.parquet"),
      path.join(hour, "mem_w1_6-9.parquet"),
      path.join(hour, "cpu_w1_6-9.parquet.bak"),
      path.join(hour, "notes.txt"),
      path.join(root, "cpu_w1_6-9.parquet"),
      path.join(root, "db", "cpu", "cpu_w1_6-9.parquet"),
      path.join(root, "db", "cpu", "2025", "10", "09", "xx.parquet"),
    ];
    for (const name of leftovers) await copyFile(file, name);
    for (const name of strangers) await writeFile(name, "not ours");
    const { store } = await openTestStore(directory, disk);
    const { removed, unknown } = store.stats().audit;
    const absolute = (names: readonly string[]): string[] =>
      names.map((name) => path.join(root, name)).sort();
    assert.deepEqual(absolute(removed), leftovers.sort());
    assert.deepEqual(absolute(unknown), strangers.sort());
    assert.deepEqual(await one(store, "SELECT count(*) FROM db.cpu"), [10]);
    await store.close();
    for (const name of strangers) assert.equal((await stat(name)).size, 8, name);
    for (const name of leftovers) await assert.rejects(stat(name), { code: "ENOENT" }, name);
  });

  test("does not look at files of other shards, and notices one whose shard is gone", async (t) => {
    const directory = await temporaryDirectory(t);
    const { disk, file } = await storeOnDisk(directory);
    const foreign = ["cpu_w2_1-9.parquet", ".cpu_w2_1-9.parquet.1.tmp"];
    for (const name of foreign) await copyFile(file, path.join(path.dirname(file), name));
    const { store } = await openTestStore(directory, disk, { options: { otherShards: [2] } });
    assert.deepEqual(store.stats().audit, { removed: [], unknown: [] });
    await store.close();
    await assertCorrupt(directory, disk, /cpu_w2_1-9\.parquet belongs to a shard/);
  });

  test("leaves files whose rows the log does not have any more", async (t) => {
    const directory = await temporaryDirectory(t);
    const { disk, file } = await storeOnDisk(directory);
    const newer = path.join(path.dirname(file), "cpu_w1_6-9.parquet");
    await copyFile(file, newer);
    const { store } = await openTestStore(directory, disk, { options: { oldestLogLsn: 8 } });
    assert.deepEqual(store.stats().audit.removed, []);
    assert.equal(store.stats().audit.unknown.length, 1);
    await store.close();
    assert.ok((await stat(newer)).size > 0);
  });

  test("begins with an empty or missing directory", async (t) => {
    const directory = await temporaryDirectory(t);
    await rm(directory, { recursive: true });
    const { store } = await openTestStore(directory, new MemoryCatalogDisk());
    assert.deepEqual([store.replayFromLsn, store.flushedLsn], [1, 0]);
    await store.close();
  });
});
