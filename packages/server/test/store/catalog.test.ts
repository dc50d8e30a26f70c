import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Catalog } from "../../src/store/catalog.ts";
import {
  decodeCatalogRecord,
  encodeCatalogRecord,
  type CatalogFile,
  type CatalogRecord,
  type FlushRecord,
  type ReplaceRecord,
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

function replaceRecord(overrides: Partial<ReplaceRecord> = {}): ReplaceRecord {
  return {
    version: 1,
    kind: "replace",
    database: "db",
    measurement: "cpu",
    schema: flushRecord(1).schema,
    removed: [],
    added: [],
    ...overrides,
  };
}

/** Commits flushes of a table that nobody looks at until the catalog has written a snapshot. */
async function untilSnapshot(catalog: Catalog, flushedLsn: number): Promise<void> {
  const before = catalog.stats.snapshots;
  for (let lsn = 1; catalog.stats.snapshots === before; lsn++) {
    const other = { measurement: "other", files: [file(`db/other/${lsn}.parquet`)], flushedLsn };
    await catalog.commit(() => flushRecord(lsn, other), nothing);
  }
}

/** The path of the file that `flushRecord(lsn)` adds. */
function pathOf(lsn: number): string {
  return `db/cpu/2025/10/09/08/cpu_${lsn}-${lsn}.parquet`;
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
  const { flushedLsn, tables, removedFiles } = catalog;
  return { flushedLsn, tables: [...tables], removed: [...removedFiles] };
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

suite("Catalog: files that take the place of others", () => {
  const merged = {
    columns: ["host", "n"],
    files: [file("db/cpu/2025/10/09/08/cpu_1-2.1.parquet")],
  };

  test("exchanges files in one step, and knows it again, from records and from a snapshot", async () => {
    for (const snapshotBytes of [1_000_000, 1]) {
      const disk = new MemoryCatalogDisk();
      const catalog = await open(disk, snapshotBytes);
      await catalog.commit(() => flushRecord(1), nothing);
      await catalog.commit(() => flushRecord(2, { columns: ["n"] }), nothing);
      let seen: number | undefined;
      await catalog.commit(
        () => replaceRecord({ removed: [pathOf(1), pathOf(2)], added: [merged] }),
        () => (seen = catalog.table("db\0cpu")?.fileCount),
      );
      assert.equal(seen, 1);
      const table = catalog.table("db\0cpu");
      assert.deepEqual(table?.groups, [merged]);
      assert.deepEqual([table?.rows, table?.bytes, table?.lastLsn], [10, 1000, 2]);
      const removed = [...catalog.removedFiles].map(({ path }) => path);
      assert.deepEqual(removed, [pathOf(1), pathOf(2)]);
      assert.deepEqual(contents(await open(disk, snapshotBytes)), contents(catalog));
    }
  });

  test("forgets a removed file when its bytes are gone, and a snapshot keeps the others", async () => {
    const disk = new MemoryCatalogDisk();
    const catalog = await open(disk, 1);
    await catalog.commit(() => flushRecord(1), nothing);
    await catalog.commit(() => flushRecord(2), nothing);
    await catalog.commit(() => replaceRecord({ removed: [pathOf(1), pathOf(2)] }), nothing);
    catalog.forgetRemoved(pathOf(1));
    await untilSnapshot(catalog, 2);
    const reopened = await open(disk, 1);
    assert.deepEqual([catalog.isRemoved(pathOf(1)), catalog.isRemoved(pathOf(2))], [false, true]);
    assert.deepEqual(contents(reopened), contents(catalog));
  });

  test("an empty table keeps its columns and its mark for replay", async () => {
    for (const snapshotBytes of [1_000_000, 1]) {
      const disk = new MemoryCatalogDisk();
      const catalog = await open(disk, snapshotBytes);
      await catalog.commit(() => flushRecord(7), nothing);
      await catalog.commit(() => replaceRecord({ removed: [pathOf(7)] }), nothing);
      const table = (await open(disk, snapshotBytes)).table("db\0cpu");
      assert.deepEqual(table?.schema, flushRecord(1).schema);
      assert.deepEqual([table?.lastLsn, table?.fileCount, table?.groups], [7, 0, []]);
    }
  });

  test("a table that is gone keeps its mark until nothing below it can be replayed", async () => {
    for (const flushedLsn of [3, 7]) {
      const disk = new MemoryCatalogDisk();
      const catalog = await open(disk, 1);
      await catalog.commit(() => flushRecord(7, { flushedLsn: 3 }), nothing);
      await catalog.commit(() => replaceRecord({ removed: [pathOf(7)], schema: [] }), nothing);
      await untilSnapshot(catalog, flushedLsn);
      const lastLsn = (await open(disk, 1)).table("db\0cpu")?.lastLsn;
      assert.equal(lastLsn, flushedLsn < 7 ? 7 : undefined);
    }
  });

  test("a path that is removed and added is described anew, and nobody removes its bytes", async () => {
    const disk = new MemoryCatalogDisk();
    const catalog = await open(disk);
    await catalog.commit(() => flushRecord(1), nothing);
    const again = { columns: ["n"], files: [{ ...file(pathOf(1)), bytes: 5 }] };
    await catalog.commit(() => replaceRecord({ removed: [pathOf(1)], added: [again] }), nothing);
    assert.deepEqual(catalog.table("db\0cpu")?.groups, [again]);
    assert.deepEqual([...catalog.removedFiles], []);
    assert.deepEqual(contents(await open(disk)), contents(catalog));
  });

  test("refuses what does not fit before it is written, and goes on", async () => {
    const disk = new MemoryCatalogDisk();
    const catalog = await open(disk);
    await catalog.commit(() => flushRecord(1), nothing);
    await catalog.commit(() => flushRecord(2), nothing);
    await catalog.commit(() => replaceRecord({ removed: [pathOf(2)] }), nothing);
    const written = disk.records.length;
    const cases: Readonly<Record<string, Partial<ReplaceRecord>>> = {
      "unknown table": { measurement: "mem" },
      "removes what is not there": { removed: [pathOf(9)] },
      "removes twice": { removed: [pathOf(1), pathOf(1)] },
      "adds what is there": { added: [{ columns: [], files: [file(pathOf(1))] }] },
      "adds what was removed": { added: [{ columns: [], files: [file(pathOf(2))] }] },
      "adds twice": { added: [{ columns: [], files: [file("x"), file("x")] }] },
    };
    for (const [name, overrides] of Object.entries(cases)) {
      await assert.rejects(
        catalog.commit(() => replaceRecord(overrides), nothing),
        { code: "SERVER_INTERNAL" },
        name,
      );
    }
    assert.equal(disk.records.length, written);
    await catalog.commit(() => flushRecord(3), nothing);
    // The same in a log that somebody tampered with.
    await disk.open().append([encodeCatalogRecord(replaceRecord({ removed: [pathOf(9)] }))]);
    await assert.rejects(open(disk), { code: "SERVER_STORAGE_CORRUPT" });
  });
});

suite("catalog records", () => {
  test("survive encoding", () => {
    const record = flushRecord(2 ** 53 - 1, { database: "ü \u{1f600}", measurement: '"' });
    assert.deepEqual(decodeCatalogRecord(encodeCatalogRecord(record), 1), record);
    const replace = replaceRecord({
      removed: ["a"],
      added: [{ columns: ["n"], files: [file("b")] }],
    });
    assert.deepEqual(decodeCatalogRecord(encodeCatalogRecord(replace), 1), replace);
    const removed: CatalogRecord = { version: 1, kind: "removed", files: [file("a")] };
    assert.deepEqual(decodeCatalogRecord(encodeCatalogRecord(removed), 1), removed);
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
      '{"version":1,"kind":"replace"}',
      JSON.stringify({ ...replaceRecord(), removed: [1] }),
      JSON.stringify({ ...replaceRecord(), added: [{ columns: ["n"] }] }),
      JSON.stringify({ ...replaceRecord(), added: [null] }),
      JSON.stringify({ ...replaceRecord(), schema: undefined }),
      '{"version":1,"kind":"removed","files":[{"path":"x"}]}',
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
