import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Catalog } from "../../src/store/catalog.ts";
import {
  decodeCatalogRecord,
  encodeCatalogRecord,
  type CatalogFile,
  type CatalogRecord,
  type FlushRecord,
} from "../../src/store/catalog-record.ts";
import { MemoryCatalogDisk } from "./store-fixture.ts";

function flushRecord(lsn: number, overrides: Partial<FlushRecord> = {}): FlushRecord {
  return {
    version: 1,
    kind: "flush",
    database: "db",
    measurement: "cpu",
    firstLsn: lsn,
    lastLsn: lsn,
    flushedLsn: lsn,
    schema: [
      { name: "host", type: "tag" },
      { name: "n", type: "integer" },
    ],
    columns: ["host", "n"],
    files: [file(`db/cpu/2025/10/09/08/cpu_${lsn}-${lsn}.parquet`)],
    ...overrides,
  };
}

function file(path: string): CatalogFile {
  return { path, rows: 10, bytes: 1000, hour: "2025-10-09T08", minTime: "1", maxTime: "2" };
}

async function open(disk: MemoryCatalogDisk, snapshotBytes = 1_000_000): Promise<Catalog> {
  const catalog = await Catalog.open({
    openLog: async () => await Promise.resolve(disk.open()),
    snapshotBytes,
    onSnapshotError: (error) => {
      throw error;
    },
  });
  await catalog.begin();
  return catalog;
}

/** What a catalog knows, to compare two of them. */
function contents(catalog: Catalog): unknown {
  return { flushedLsn: catalog.flushedLsn, tables: [...catalog.tables] };
}

const nothing = (): void => undefined;

suite("Catalog", () => {
  test("knows again what was committed", async () => {
    const disk = new MemoryCatalogDisk();
    const catalog = await open(disk);
    await catalog.commit(() => flushRecord(1), nothing);
    await catalog.commit(() => flushRecord(2, { columns: ["n"] }), nothing);
    await catalog.commit(() => flushRecord(2, { measurement: "mem", flushedLsn: 1 }), nothing);
    const reopened = await open(disk);
    assert.deepEqual(contents(reopened), contents(catalog));
    const table = reopened.table("db\0cpu");
    assert.deepEqual(
      [table?.lastLsn, table?.rows, table?.bytes, table?.fileCount],
      [2, 20, 2000, 2],
    );
    assert.deepEqual(
      table?.groups.map((group) => group.columns),
      [["host", "n"], ["n"]],
    );
    assert.equal(reopened.flushedLsn, 2);
  });

  test("makes a commit visible in one step with what the caller does", async () => {
    const catalog = await open(new MemoryCatalogDisk());
    let seen: number | undefined;
    await catalog.commit(
      () => flushRecord(1),
      () => (seen = catalog.table("db\0cpu")?.lastLsn),
    );
    assert.equal(seen, 1);
  });

  test("stays bounded: snapshots replace what came before", async () => {
    const disk = new MemoryCatalogDisk();
    const catalog = await open(disk, 2000);
    for (let lsn = 1; lsn <= 200; lsn++) {
      await catalog.commit(() => flushRecord(lsn, { files: [] }), nothing);
    }
    await catalog.commit(() => flushRecord(201), nothing);
    assert.ok(catalog.stats.snapshots > 5, String(catalog.stats.snapshots));
    assert.ok(disk.records.length < 30, String(disk.records.length));
    assert.deepEqual(contents(await open(disk)), contents(catalog));
  });

  test("is the same after a crash at each step of a snapshot (catalog-1, catalog-2, catalog-3)", async () => {
    for (const label of ["catalog-1", "catalog-2", "catalog-3"]) {
      const disk = new MemoryCatalogDisk();
      const real = disk.open.bind(disk);
      const errors: unknown[] = [];
      disk.open = () => {
        const log = real();
        const crash = async (): Promise<never> => await Promise.reject(new Error(label));
        let appends = 0;
        return {
          ...log,
          // The created record and the commit, then the snapshot.
          append: async (payloads) =>
            ++appends === 3 && label === "catalog-1" ? await crash() : await log.append(payloads),
          seal: async () => await log.seal(),
          release: async (lsn) => (label === "catalog-2" ? await crash() : await log.release(lsn)),
        };
      };
      const catalog = await Catalog.open({
        openLog: async () => await Promise.resolve(disk.open()),
        snapshotBytes: 1,
        onSnapshotError: (error) => errors.push(error),
      });
      await catalog.begin();
      await catalog.commit(() => flushRecord(1), nothing);
      assert.equal(errors.length, label === "catalog-3" ? 0 : 1, label);
      disk.open = real;
      const reopened = await open(disk);
      assert.deepEqual(contents(reopened), contents(catalog), label);
      await reopened.commit(() => flushRecord(2), nothing);
      assert.equal(reopened.table("db\0cpu")?.fileCount, 2, label);
    }
  });

  test("ignores a snapshot without its end, and a commit after it counts", async () => {
    const disk = new MemoryCatalogDisk();
    const catalog = await open(disk);
    await catalog.commit(() => flushRecord(1), nothing);
    const partial: readonly CatalogRecord[] = [
      { version: 1, kind: "snapshot", flushedLsn: 99 },
      { ...flushRecord(50), kind: "table" },
    ];
    await disk.open().append(partial.map(encodeCatalogRecord));
    const reopened = await open(disk);
    assert.deepEqual(contents(reopened), contents(catalog));
    await reopened.commit(() => flushRecord(2), nothing);
    assert.equal((await open(disk)).table("db\0cpu")?.lastLsn, 2);
    // An end without a beginning says nothing.
    const end: CatalogRecord = { version: 1, kind: "snapshot-end" };
    await disk.open().append([encodeCatalogRecord(end)]);
    assert.deepEqual(contents(await open(disk)), contents(reopened));
  });

  test("finds out by reading whether a failed commit is durable", async () => {
    for (const isDurable of [true, false]) {
      const disk = new MemoryCatalogDisk();
      const catalog = await open(disk);
      const fail = (): void => {
        throw new Error("lost power, perhaps");
      };
      if (isDurable) disk.afterAppend = fail;
      else disk.beforeAppend = fail;
      let visible = 0;
      await assert.rejects(
        catalog.commit(
          () => flushRecord(1),
          () => visible++,
        ),
      );
      disk.afterAppend = nothing;
      disk.beforeAppend = nothing;
      assert.equal(visible, 0);
      assert.equal(catalog.table("db\0cpu"), undefined);
      assert.ok(catalog.needsReload);
      await assert.rejects(
        catalog.commit(() => flushRecord(1), nothing),
        { code: "SERVER_INTERNAL" },
      );
      let reloaded = 0;
      await catalog.reload(() => reloaded++);
      await catalog.reload(() => reloaded++);
      assert.equal(reloaded, 1);
      assert.equal(catalog.table("db\0cpu")?.lastLsn, isDurable ? 1 : undefined);
      await catalog.commit(() => flushRecord(2), nothing);
      assert.equal(catalog.table("db\0cpu")?.lastLsn, 2);
    }
  });

  test("refuses a range that it has already", async () => {
    const disk = new MemoryCatalogDisk();
    const catalog = await open(disk);
    await catalog.commit(() => flushRecord(5), nothing);
    const doubled = encodeCatalogRecord(flushRecord(5));
    await disk.open().append([doubled]);
    await assert.rejects(open(disk), { code: "SERVER_STORAGE_CORRUPT" });
  });

  test("splits tables with many files over records", async () => {
    const disk = new MemoryCatalogDisk();
    const catalog = await open(disk, 1);
    const files = Array.from({ length: 4500 }, (_, index) => file(`db/cpu/${index}.parquet`));
    await catalog.commit(() => flushRecord(1, { files }), nothing);
    assert.equal(disk.records.length, 1 + 3 + 1);
    assert.deepEqual(contents(await open(disk)), contents(catalog));
  });
});

suite("catalog records", () => {
  test("survive encoding", () => {
    const record = flushRecord(2 ** 53 - 1, { database: "ü \u{1f600}", measurement: '"' });
    assert.deepEqual(decodeCatalogRecord(encodeCatalogRecord(record), 1), record);
  });

  test("are refused when they are not understood completely", () => {
    const texts = [
      "",
      "nonsense",
      "null",
      "[]",
      "{}",
      '{"version":2,"kind":"created"}',
      '{"version":1}',
      '{"version":1,"kind":"compacted"}',
      '{"version":1,"kind":"snapshot"}',
      '{"version":1,"kind":"flush"}',
      JSON.stringify(flushRecord(1, { lastLsn: -1 })),
      JSON.stringify(flushRecord(1, { flushedLsn: 1.5 })),
      JSON.stringify({ ...flushRecord(1), files: [{ path: "x" }] }),
      JSON.stringify({ ...flushRecord(1), schema: [{ name: "x", type: "decimal" }] }),
      JSON.stringify({ ...flushRecord(1), columns: [1] }),
    ];
    for (const text of texts) {
      assert.throws(
        () => decodeCatalogRecord(Buffer.from(text), 7),
        { code: "SERVER_STORAGE_CORRUPT" },
        text,
      );
    }
    const invalidUtf8 = Uint8Array.of(0x22, 0xff, 0x22);
    assert.throws(() => decodeCatalogRecord(invalidUtf8, 7), { code: "SERVER_STORAGE_CORRUPT" });
  });
});
