/**
 * What is in the Parquet files, read by a program that shares nothing with the one that wrote them.
 *
 * hyparquet knows no ZSTD of its own and Node has it from 22.15 on; the values are therefore compared in
 * files written with Snappy, which differ in nothing else.
 */
import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import * as path from "node:path";
import { suite, test, type TestContext } from "node:test";
import { parquetMetadata, parquetReadObjects } from "hyparquet";
import { openParquetWriter } from "../../src/store/parquet-writer.ts";
import { MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS } from "../../src/store/timestamp-range.ts";
import type { TableBatch } from "../../src/ingest/table-batch.ts";
import {
  HOUR_NS,
  MemoryCatalogDisk,
  SOME_TIME_NS,
  batch,
  one,
  openTestStore,
  rows,
  table,
  temporaryDirectory,
} from "./store-fixture.ts";

type Row = Readonly<Record<string, unknown>>;

/** Flushes tables and reads every file back: path below the root to its rows. */
async function writtenFiles(
  t: TestContext,
  tables: readonly TableBatch[],
): Promise<ReadonlyMap<string, readonly Row[]>> {
  const directory = await temporaryDirectory(t);
  const { store } = await openTestStore(directory, new MemoryCatalogDisk(), {
    openParquetWriter: async () => await openParquetWriter({ compression: "snappy" }),
  });
  store.insert(3, store.admit(batch(...tables)));
  await store.close();
  return await readFiles(path.join(directory, "parquet"));
}

async function readFiles(root: string): Promise<ReadonlyMap<string, readonly Row[]>> {
  const names = (await readdir(root, { recursive: true })).filter((name) =>
    name.endsWith(".parquet"),
  );
  const files = new Map<string, readonly Row[]>();
  for (const name of names.sort()) {
    const { buffer, byteOffset, byteLength } = await readFile(path.join(root, name));
    const file = buffer.slice(byteOffset, byteOffset + byteLength);
    // Times stay nanoseconds: a Date would cut them.
    const parsers = { timestampFromNanoseconds: (nanos: bigint) => nanos };
    files.set(name.replaceAll(path.sep, "/"), await parquetReadObjects({ file, parsers }));
  }
  return files;
}

suite("Parquet files", () => {
  test("hold every type exactly, to an independent reader", async (t) => {
    const times = [MIN_TIMESTAMP_NS, MIN_TIMESTAMP_NS + 1n, MIN_TIMESTAMP_NS + 2n];
    const files = await writtenFiles(t, [
      table("db.all", times, {
        tag: ["tag", ["a", null, "ü\u{1f600}"]],
        text: ["string", [null, "", "a\u0000b"]],
        i: ["integer", [2n ** 63n - 1n, -(2n ** 63n), null]],
        u: ["unsigned", [2n ** 64n - 1n, 0n, null]],
        f: ["float", [0.1, null, -Infinity]],
        b: ["boolean", [true, false, null]],
        none: ["float", [null, null, null]],
      }),
    ]);
    assert.deepEqual([...files.keys()], ["db/all/1677/09/22/00/all_w1_3-3.parquet"]);
    const [found = []] = files.values();
    const expected: Row[] = [
      { time: times[0], tag: "a", i: 2n ** 63n - 1n, u: 2n ** 64n - 1n, f: 0.1, b: true },
      { time: times[1], text: "", i: -(2n ** 63n), u: 0n, b: false },
      { time: times[2], tag: "ü\u{1f600}", text: "a\u0000b", f: -Infinity },
    ];
    const present = found.map((row) =>
      Object.fromEntries(
        Object.entries(row).filter(([, value]) => value !== null && value !== undefined),
      ),
    );
    assert.deepEqual(present, expected);
    assert.deepEqual(Object.keys(found[0] ?? {}), [
      "time",
      "tag",
      "text",
      "i",
      "u",
      "f",
      "b",
      "none",
    ]);
  });

  test("hold the rows of their hour and no others, in time order, before 1970 too", async (t) => {
    const times = [
      2n * HOUR_NS,
      -1n,
      0n,
      HOUR_NS - 1n,
      HOUR_NS,
      -HOUR_NS,
      -HOUR_NS - 1n,
      0n,
      MAX_TIMESTAMP_NS,
    ];
    const files = await writtenFiles(t, [
      table("db.m", times, { n: ["integer", times.map((_, index) => index)] }),
    ]);
    const found = [...files].map(([name, content]) => [
      name,
      content.map((row) => Number(row["n"])),
    ]);
    assert.deepEqual(found, [
      ["db/m/1969/12/31/22/m_w1_3-3.parquet", [6]],
      ["db/m/1969/12/31/23/m_w1_3-3.parquet", [5, 1]],
      ["db/m/1970/01/01/00/m_w1_3-3.parquet", [2, 7, 3]],
      ["db/m/1970/01/01/01/m_w1_3-3.parquet", [4]],
      ["db/m/1970/01/01/02/m_w1_3-3.parquet", [0]],
      ["db/m/2262/04/11/23/m_w1_3-3.parquet", [8]],
    ]);
  });

  test("lie in safe places, whatever the names, and are found again", async (t) => {
    const directory = await temporaryDirectory(t);
    const disk = new MemoryCatalogDisk();
    const names = [
      ["..", "..", "..", ".."],
      ["a/b", "../../c"],
      ["my db", "cpu load"],
      ["ünï", "cødé \u{1f600}"],
      ["C:\\x", 'say "hi"'],
      ["it's", "a'b"],
      ["x".repeat(3000), "y".repeat(3000)],
      ["*", "?[a]{b}"],
      ["%2E", "%"],
      ["hive=1", "time"],
      ["line\nbreak", "tab\t"],
    ] as const;
    const { store } = await openTestStore(directory, disk);
    const tables = names.map(([database, measurement], index) => ({
      ...table("x.y", [SOME_TIME_NS], { n: ["integer", [index]], 'c "1" [/]': ["tag", ["t"]] }),
      database,
      measurement,
    }));
    store.insert(1, store.admit(batch(...tables)));
    const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;
    const check = async (which: typeof store): Promise<void> => {
      for (const [index, [database, measurement]] of names.entries()) {
        const sql = `SELECT n, "c ""1"" [/]" FROM ${quote(database)}.${quote(measurement)}`;
        assert.deepEqual(await one(which, sql), [index, "t"], sql.slice(0, 200));
      }
    };
    await check(store);
    await store.flush();
    await check(store);
    await store.close();
    assert.deepEqual(await readdir(directory), ["parquet"]);
    const paths = (await readdir(path.join(directory, "parquet"), { recursive: true })).filter(
      (name) => name.endsWith(".parquet"),
    );
    assert.equal(paths.length, names.length);
    for (const name of paths)
      assert.match(name.replaceAll(path.sep, "/"), /^[\w%.~-]+\/[\w%.~-]+\/\d{4}\//);
    const again = await openTestStore(directory, disk);
    assert.deepEqual(again.store.stats().audit, { removed: [], unknown: [] });
    await check(again.store);
    await again.store.close();
  });

  test("are compressed with ZSTD, have statistics and plain types", async (t) => {
    const directory = await temporaryDirectory(t);
    const { store } = await openTestStore(directory, new MemoryCatalogDisk());
    store.insert(1, rows("db.cpu", 5000, { stepNs: 1n }));
    await store.close();
    const root = path.join(directory, "parquet");
    const [name = ""] = (await readdir(root, { recursive: true })).filter((file) =>
      file.endsWith(".parquet"),
    );
    const { buffer, byteOffset, byteLength } = await readFile(path.join(root, name));
    const metadata = parquetMetadata(buffer.slice(byteOffset, byteOffset + byteLength));
    assert.equal(metadata.num_rows, 5000n);
    assert.deepEqual(
      metadata.schema.slice(1).map((field) => [field.name, field.type, field.repetition_type]),
      [
        ["time", "INT64", "OPTIONAL"],
        ["host", "BYTE_ARRAY", "OPTIONAL"],
        ["n", "INT64", "OPTIONAL"],
      ],
    );
    assert.deepEqual(metadata.schema[1]?.logical_type, {
      type: "TIMESTAMP",
      isAdjustedToUTC: false,
      unit: "NANOS",
    });
    for (const { meta_data: column } of metadata.row_groups[0]?.columns ?? []) {
      assert.equal(column?.codec, "ZSTD");
      assert.ok(column.statistics?.min_value !== undefined);
    }
  });
});
