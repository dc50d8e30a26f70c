/**
 * Crashes of the flush protocol. A crash is simulated by an operation that throws, and all later ones with
 * it: what was done before stays on disk, memory is gone. Then the store is opened again and the log, which
 * outlived the crash, is replayed. Every row must be there once.
 */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import * as path from "node:path";
import { suite, test } from "node:test";
import type { IngestBatch } from "../../src/ingest/table-batch.ts";
import { openParquetWriter, type ParquetWriter } from "../../src/store/parquet-writer.ts";
import type { TableStore } from "../../src/store/table-store.ts";
import { Crash, CrashPoint, everyCrashPoint } from "./crash-point.ts";
import {
  HOUR_NS,
  MemoryCatalogDisk,
  batch,
  interceptedFiles,
  openTestStore,
  rows,
  temporaryDirectory,
} from "./store-fixture.ts";

/** The log that outlives the crash: two tables, several hours, several records. */
const LOG: readonly IngestBatch[] = Array.from({ length: 6 }, (_, index) =>
  batch(
    ...rows("db.cpu", 10, { from: index * 10, stepNs: HOUR_NS / 60n }).tables,
    ...(index % 2 === 0 ? rows("db.mem", 5, { from: index * 5 }).tables : []),
  ),
);
const CPU_ROWS = 60;
const MEM_ROWS = 15;

/** Inserts what the log holds from where the store wants it, as recovery does. */
function replay(store: TableStore, records: readonly IngestBatch[]): void {
  records.forEach((record, index) => {
    if (index + 1 >= store.replayFromLsn) store.insert(index + 1, record);
  });
}

/** A row is recognised by its number: each must be there once. */
async function assertExactlyOnce(store: TableStore, crashedAt: string): Promise<void> {
  const { rows: answer } = await store.query(`
    SELECT (SELECT count(*) FROM db.cpu), (SELECT count(DISTINCT n) FROM db.cpu),
           (SELECT count(*) FROM db.mem), (SELECT count(DISTINCT n) FROM db.mem)`);
  assert.deepEqual(answer, [[CPU_ROWS, CPU_ROWS, MEM_ROWS, MEM_ROWS]], crashedAt);
}

async function leftovers(directory: string): Promise<readonly string[]> {
  const names = await readdir(path.join(directory, "parquet"), { recursive: true });
  return names.filter((name) => name.includes("."));
}

/** A Parquet writer that dies before or in the middle of a file. */
function dyingWriter(point: CrashPoint, real: ParquetWriter): ParquetWriter {
  return {
    async stage(rowSet) {
      const staged = await real.stage(rowSet);
      return {
        ...staged,
        async write(hour, filePath) {
          point.step("flush-1 write");
          await staged.write(hour, filePath);
          point.step("flush-1 written");
        },
      };
    },
    close: () => real.close(),
  };
}

/** One life of a store that dies at the given operation of its flush, and the next life. */
async function crashAndRecover(directory: string, at: number): Promise<CrashPoint> {
  const point = new CrashPoint(at);
  const disk = new MemoryCatalogDisk();
  let isFlushing = false;
  const files = interceptedFiles((operation) => {
    if (isFlushing) point.step(LABELS.get(operation) ?? operation);
  });
  const first = await openTestStore(directory, disk, {
    files,
    openParquetWriter: async () => dyingWriter(point, await openParquetWriter()),
  });
  replay(first.store, LOG.slice(0, 4));
  isFlushing = true;
  disk.beforeAppend = () => point.step("flush-5 before the record");
  disk.afterAppend = () => point.step("flush-6 after the record");
  await first.store.flush().catch((error: unknown) => assert.ok(point.happened, String(error)));
  if (!point.happened) {
    await first.store.close();
    return point;
  }
  disk.beforeAppend = () => undefined;
  disk.afterAppend = () => undefined;
  // The first life is not closed: it is gone. What it had opened dies with its process.
  const crashedAt = `${at}: ${point.operations.at(-1)}`;
  const second = await openTestStore(directory, disk);
  assert.deepEqual(second.store.stats().audit.unknown, [], crashedAt);
  replay(second.store, LOG);
  await assertExactlyOnce(second.store, crashedAt);
  await second.store.flush();
  await assertExactlyOnce(second.store, crashedAt);
  assert.equal(second.store.flushedLsn, LOG.length, crashedAt);
  const { files: fileCount } = second.store.stats();
  assert.equal((await leftovers(directory)).length, fileCount, crashedAt);
  await second.store.close();
  if (at % 4 !== 0) return point;

  const third = await openTestStore(directory, disk);
  assert.equal(third.store.replayFromLsn, LOG.length + 1, crashedAt);
  assert.deepEqual(third.store.stats().audit, { removed: [], unknown: [] }, crashedAt);
  replay(third.store, LOG);
  await assertExactlyOnce(third.store, crashedAt);
  await third.store.close();
  return point;
}

const LABELS: ReadonlyMap<string, string> = new Map([
  ["syncFile", "flush-2 sync of the file"],
  ["rename", "flush-3 rename"],
  ["syncDirectory", "flush-4 sync of a directory"],
]);

suite("crash during a flush", () => {
  test("loses and doubles nothing, at every operation (flush-1 to flush-6)", async (t) => {
    const seen = new Set<string>();
    await everyCrashPoint(async (at) => {
      const point = await crashAndRecover(await temporaryDirectory(t), at);
      for (const operation of point.operations) seen.add(operation.slice(0, "flush-1".length));
      return point.happened;
    });
    for (const label of ["flush-1", "flush-2", "flush-3", "flush-4", "flush-5", "flush-6"]) {
      assert.ok(seen.has(label), label);
    }
  });

  test("after the commit and before the log is told: replay skips what is flushed (flush-7)", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const first = await openTestStore(directory, disk);
    replay(first.store, LOG);
    await first.store.flush();
    // The cursor never moved: everything is replayed, from the first record.
    const second = await openTestStore(directory, disk);
    LOG.forEach((record, index) => second.store.insert(index + 1, record));
    assert.equal(second.store.stats().rowsInMemory, 0);
    await assertExactlyOnce(second.store, "flush-7");
    await second.store.close();
  });

  test("with one table committed and the other not: only the other is replayed", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const first = await openTestStore(directory, disk);
    replay(first.store, LOG);
    let commits = 0;
    disk.beforeAppend = () => {
      if (++commits === 2) throw new Crash();
    };
    await assert.rejects(first.store.flush(), Crash);
    disk.beforeAppend = () => undefined;
    const second = await openTestStore(directory, disk);
    assert.equal(second.store.replayFromLsn, 1);
    replay(second.store, LOG);
    const { rowsInMemory, rowsOnDisk } = second.store.stats();
    assert.equal(rowsInMemory + rowsOnDisk, CPU_ROWS + MEM_ROWS);
    assert.ok(rowsOnDisk > 0 && rowsInMemory > 0);
    await assertExactlyOnce(second.store, "between two commits");
    await second.store.close();
  });
});

suite("a store that lives on after a failure", () => {
  test("keeps rows visible and flushes them later, whichever operation failed", async (t) => {
    await everyCrashPoint(async (at) => {
      const directory = await temporaryDirectory(t);
      const point = new CrashPoint(at);
      let isFailing = false;
      const step = (name: string): void => {
        if (!isFailing) return;
        try {
          point.step(name);
        } catch (error) {
          isFailing = false;
          throw error;
        }
      };
      const disk = new MemoryCatalogDisk();
      disk.beforeAppend = () => step("before the record");
      disk.afterAppend = () => step("after the record");
      const { store, clock, errors } = await openTestStore(directory, disk, {
        files: interceptedFiles((operation) => step(operation)),
      });
      replay(store, LOG);
      isFailing = true;
      const failed = await store.flush().then(
        () => false,
        () => true,
      );
      const name = `${at}: ${point.operations.at(-1)}`;
      assert.equal(failed, point.happened, name);
      if (!point.happened) {
        await store.close();
        return false;
      }
      // Two when both tables waited for the same directory.
      assert.ok(errors.length === 1 || errors.length === 2, name);
      assert.equal(store.stats().flushes.failures, errors.length, name);
      assert.ok(store.stats().flushes.lastError !== undefined, name);
      await assertExactlyOnce(store, name);
      assert.ok(store.flushedLsn < LOG.length, name);
      clock.advance(60_000);
      await store.flush();
      await assertExactlyOnce(store, name);
      assert.equal(store.flushedLsn, LOG.length, name);
      assert.equal(store.stats().flushes.lastError, undefined, name);
      await store.close();
      const again = await openTestStore(directory, disk);
      assert.deepEqual(again.store.stats().audit, { removed: [], unknown: [] }, name);
      await assertExactlyOnce(again.store, name);
      await again.store.close();
      return true;
    });
  });
});
