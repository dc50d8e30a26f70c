import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import * as path from "node:path";
import { suite, test } from "node:test";
import { openTableStore } from "../../src/store/open-table-store.ts";
import { type TableStore } from "../../src/store/table-store.ts";
import { openWalCatalogLog } from "../../src/store/wal-catalog-log.ts";
import { one, rows, temporaryDirectory } from "./store-fixture.ts";

async function open(directory: string): Promise<TableStore> {
  return await openTableStore({
    directory,
    onBackgroundError: (error) => {
      throw error;
    },
  });
}

suite("catalog in a log of its own", () => {
  test("keeps appends, in order, over restarts, and releases what is not needed", async (t) => {
    const directory = path.join(await temporaryDirectory(t), "catalog");
    const options = { directory, durability: "fdatasync" } as const;
    const log = await openWalCatalogLog(options);
    assert.equal(await log.append([Uint8Array.of(1)]), 1);
    assert.equal(await log.append([Uint8Array.of(2), Uint8Array.of(3)]), 2);
    await log.seal();
    assert.equal(await log.append([Uint8Array.of(4)]), 4);
    await log.release(4);
    await log.close();
    const again = await openWalCatalogLog(options);
    const found: number[] = [];
    for await (const { lsn, payload } of again.read()) found.push(lsn, ...payload);
    assert.deepEqual(found, [4, 4]);
    assert.equal(await again.append([Uint8Array.of(5)]), 5);
    await again.close();
  });

  test("holds a whole store: rows, files and LSNs come back", async (t) => {
    const directory = await temporaryDirectory(t);
    for (let life = 0; life < 3; life++) {
      const store = await open(directory);
      assert.equal(store.replayFromLsn, life * 10 + 1);
      assert.equal(store.highestFlushedLsn, life * 10);
      for (let lsn = life * 10 + 1; lsn <= life * 10 + 10; lsn++) {
        store.insert(lsn, store.admit(rows("db.cpu", 10, { from: lsn * 10 })));
      }
      assert.deepEqual(await one(store, "SELECT count(*), count(DISTINCT n) FROM db.cpu"), [
        (life + 1) * 100,
        (life + 1) * 100,
      ]);
      await store.close();
    }
    assert.deepEqual((await readdir(directory)).sort(), ["catalog", "parquet"]);
  });

  test("has one owner", async (t) => {
    const directory = await temporaryDirectory(t);
    const store = await open(directory);
    await assert.rejects(open(directory), { code: "WAL_LOCKED" });
    await store.close();
    await (await open(directory)).close();
  });
});
