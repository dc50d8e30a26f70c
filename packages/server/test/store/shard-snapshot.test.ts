import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { suite, test } from "node:test";
import type { Column } from "../../src/ingest/table-batch.ts";
import { RowBuffer } from "../../src/store/row-buffer.ts";
import { uniteShards, type ShardSnapshot } from "../../src/store/shard-snapshot.ts";
import { decodeSnapshots, encodeSnapshots } from "../../src/store/snapshot-stream.ts";
import type { TableSnapshot } from "../../src/store/table-snapshot.ts";
import { table } from "./store-fixture.ts";

const FILE = { rows: 1, bytes: 9, hour: "2025-10-09T08", minTime: "1", maxTime: "1" };

function shard(name: string, part: Partial<TableSnapshot> = {}): ShardSnapshot {
  const [database = "", measurement = ""] = name.split(".");
  const empty = { schema: [], groups: [], rowSets: [] };
  return { near: [], tables: [{ database, measurement, ...empty, ...part }] };
}

const CPU = [{ database: "db", measurement: "cpu" }];

suite("uniteShards", () => {
  test("puts files, rows and columns of all shards together", () => {
    const rows = table("db.cpu", [1n], { a: ["float", [1]] });
    const [united, ...others] = uniteShards(CPU, [
      shard("db.cpu", {
        schema: [{ name: "a", type: "float" }],
        groups: [{ columns: ["a"], files: [{ ...FILE, path: "1" }] }],
        rowSets: [rows],
      }),
      { near: [], tables: [] },
      shard("db.cpu", {
        schema: [
          { name: "b", type: "tag" },
          { name: "a", type: "float" },
        ],
        groups: [{ columns: ["a"], files: [{ ...FILE, path: "2" }] }],
      }),
    ]);
    assert.deepEqual(others, []);
    assert.deepEqual(
      united?.schema.map(({ name }) => name),
      ["a", "b"],
    );
    assert.deepEqual(
      united?.groups.flatMap(({ files }) => files.map(({ path }) => path)),
      ["1", "2"],
    );
    assert.deepEqual(united?.rowSets, [rows]);
  });

  test("finds the table of exactly the name, else the only one that SQL takes for it", () => {
    const upper = shard("db.CPU");
    const names = (shards: readonly ShardSnapshot[]): readonly string[] =>
      uniteShards(CPU, shards).map(({ measurement }) => measurement);
    assert.deepEqual(names([upper, shard("db.cpu")]), ["cpu"]);
    assert.deepEqual(names([upper, upper]), ["CPU"]);
    assert.throws(() => names([upper, shard("db.Cpu")]), { code: "SERVER_INVALID_QUERY" });
    assert.throws(() => names([{ near: ["db.cpu2"], tables: [] }]), /did you mean db\.cpu2\?/);
  });

  test("refuses columns whose types do not agree", () => {
    const typed = (type: "float" | "integer"): ShardSnapshot =>
      shard("db.cpu", { schema: [{ name: "a", type }] });
    assert.throws(() => uniteShards(CPU, [typed("float"), typed("integer")]), {
      code: "SERVER_STORAGE_CORRUPT",
    });
  });
});

suite("snapshots as bytes", () => {
  async function roundTrip(shards: readonly ShardSnapshot[], chunkBytes: number): Promise<unknown> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of encodeSnapshots(shards)) chunks.push(chunk);
    const all = Buffer.concat(chunks);
    const parts = Array.from({ length: Math.ceil(all.length / chunkBytes) }, (_, index) =>
      all.subarray(index * chunkBytes, (index + 1) * chunkBytes),
    );
    return await decodeSnapshots(Readable.from(parts), 1_000_000);
  }

  test("are the same again, in pieces of any size, also while more rows come", async () => {
    const buffer = new RowBuffer();
    buffer.append(
      table("db.cpu", [1n, 2n, 3n], { a: ["float", [1, null, 3]], h: ["tag", ["x", "y", null]] }),
    );
    const rows = buffer.rowSet();
    const schema = [{ name: "a", type: "float" as const }];
    const snapshots = [shard("db.cpu", { schema, rowSets: [rows] }), shard("db.mem")];
    // The bits of these rows are in the same byte.
    buffer.append(table("db.cpu", [4n, 5n], { a: ["float", [4, 5]], h: ["tag", ["x", "y"]] }));
    for (const chunkBytes of [1, 7, 100_000]) {
      const [first, second] = (await roundTrip(snapshots, chunkBytes)) as readonly ShardSnapshot[];
      const [found] = first?.tables[0]?.rowSets ?? [];
      assert.equal(found?.rowCount, 3);
      assert.deepEqual([...(found?.timestamps ?? [])], [1n, 2n, 3n]);
      const validity = (column: Column | undefined): number => (column?.validity?.[0] ?? 255) & 255;
      assert.deepEqual(found?.columns.map(validity), [0b101, 0b011]);
      assert.deepEqual(second, snapshots[1]);
    }
  });

  test("cut anywhere are an error", async () => {
    const rows = table("db.cpu", [1n], { a: ["float", [1]] });
    const chunks: Uint8Array[] = [];
    for await (const chunk of encodeSnapshots([shard("db.cpu", { rowSets: [rows] })])) {
      chunks.push(chunk);
    }
    const all = Buffer.concat(chunks);
    for (let length = 0; length < all.length; length++) {
      const cut = all.subarray(0, length);
      await assert.rejects(decodeSnapshots(Readable.from([cut]), 1_000_000), `${length} bytes`);
    }
  });
});
