import assert from "node:assert/strict";
import { suite, test, type TestContext } from "node:test";
import { ServerError } from "../src/errors.ts";
import { answerExportParts, holdTable } from "../src/export/export-parts.ts";
import type { ServerStorage } from "../src/server-storage.ts";
import { SingleWorker } from "../src/workers/worker-group.ts";
import {
  MemoryCatalogDisk,
  openTestStore,
  rows,
  temporaryDirectory,
} from "./store/store-fixture.ts";

const GRACE_MS = 60_000;
const TABLE = { database: "db", measurement: "cpu" };

async function fixture(t: TestContext) {
  const { store, clock } = await openTestStore(
    await temporaryDirectory(t),
    new MemoryCatalogDisk(),
    { options: { compactionMinFiles: 2 } },
  );
  t.after(async () => await store.close());
  for (let lsn = 1; lsn <= 3; lsn++) {
    store.insert(lsn, rows("db.cpu", 10, { from: lsn * 10 }));
    await store.flush();
  }
  const group = new SingleWorker();
  // The only part of a storage that exports ask for.
  const storage = { shards: [{ store }] } as unknown as ServerStorage;
  answerExportParts({ storage: () => storage, group });
  /** Files whose bytes wait, after the longest query. */
  const waiting = async (): Promise<number> => {
    clock.advance(GRACE_MS);
    await store.dataLife.removedFiles.settled();
    return store.stats().dataLife.removedFiles.waitingFiles;
  };
  return { store, group, waiting };
}

suite("files of an export", () => {
  test("are held until it is over, whatever replaces them, and for longer than a query takes", async (t) => {
    const { store, group, waiting } = await fixture(t);
    const losses: unknown[] = [];
    const held = await holdTable(group, TABLE, (reason) => losses.push(reason));
    assert.equal(held.table.groups.flatMap(({ files }) => files).length, 3);
    await store.dataLife.compactor.compactNow();
    assert.equal(await waiting(), 3);
    await held.release();
    assert.equal(await waiting(), 0);
    assert.equal(losses.length, 0);
  });

  test("are let go when nobody asks for them any more", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    const { store, group, waiting } = await fixture(t);
    const losses: unknown[] = [];
    const held = await holdTable(group, TABLE, (reason) => losses.push(reason));
    await store.dataLife.compactor.compactNow();
    // Renewed for as long as the export lasts.
    for (let turn = 0; turn < 10; turn++) {
      t.mock.timers.tick(15_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(await waiting(), 3);
    assert.equal(losses.length, 0);
    // The worker that exports and the one that holds do not reach each other any more.
    t.mock.method(group, "askAll", (): unknown => {
      const error = new ServerError("SERVER_WORKER_UNAVAILABLE", "gone");
      return Promise.resolve([{ worker: 1, kind: "failed", error }]);
    });
    t.mock.timers.tick(15_000);
    while (losses.length === 0) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(losses[0] instanceof ServerError && losses[0].code === "SERVER_WORKER_UNAVAILABLE");
    assert.equal(await waiting(), 3);
    t.mock.timers.tick(60_000);
    assert.equal(await waiting(), 0);
    await held.release();
  });

  test("of a table that is nowhere are an error, and nothing is held", async (t) => {
    const { store, group, waiting } = await fixture(t);
    const nowhere = holdTable(group, { database: "db", measurement: "x" }, () => undefined);
    await assert.rejects(nowhere, { code: "SERVER_NOT_FOUND" });
    await store.dataLife.compactor.compactNow();
    assert.equal(await waiting(), 0);
  });
});
