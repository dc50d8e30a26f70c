import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { findShards, shardsOfWorker } from "../../src/workers/shard.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

suite("shards", () => {
  test("are found by their log or their catalog, in order, and nothing else is one", async () => {
    const directory = await temporaryDirectory();
    assert.deepEqual(await findShards(directory), []);
    const names = [
      "wal/worker-10",
      "wal/worker-2",
      "catalog/worker-2",
      "catalog/worker-3",
      "wal/worker-1-before-repair-20260101",
      "wal/worker-01",
      "wal/other",
    ];
    for (const name of names) await mkdir(join(directory, name), { recursive: true });
    assert.deepEqual(await findShards(directory), [2, 3, 10]);
  });

  test("with a number that no server gives out stop the start", async () => {
    const directory = await temporaryDirectory();
    await mkdir(join(directory, "wal/worker-65"), { recursive: true });
    await assert.rejects(findShards(directory), { code: "SERVER_STORAGE_CORRUPT" });
  });

  test("belong to exactly one worker, whatever the number of workers was and is", () => {
    for (let workers = 1; workers <= 6; workers++) {
      const existing = [1, 2, 3, 5, 9, 64];
      const shards = Array.from({ length: workers }, (_, index) =>
        shardsOfWorker(index + 1, { workers, existing }),
      );
      shards.forEach((list, index) => assert.equal(list[0], index + 1, "its own comes first"));
      const wanted = new Set([...existing, ...shards.map((_, index) => index + 1)]);
      assert.deepEqual(
        shards.flat().toSorted((a, b) => a - b),
        [...wanted].toSorted((a, b) => a - b),
      );
    }
  });
});
