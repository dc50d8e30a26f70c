import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { CatalogFile } from "../../src/store/catalog-record.ts";
import { RemovedFiles, type RemovedFileList } from "../../src/store/removed-files.ts";
import { VirtualClock, interceptedFiles } from "./store-fixture.ts";

const GRACE_MS = 60_000;

function file(path: string): CatalogFile {
  return { path, rows: 1, bytes: 100, hour: "2025-10-09T08", minTime: "1", maxTime: "2" };
}

/** A list of removed files, and a disk that only writes down what it is asked. */
function fixture(paths: readonly string[]) {
  const removed = new Map(paths.map((path) => [path, file(path)]));
  const list: RemovedFileList = {
    get removedFiles() {
      return removed.values();
    },
    isRemoved: (path) => removed.has(path),
    forgetRemoved: (path) => void removed.delete(path),
  };
  const operations: string[] = [];
  const errors: unknown[] = [];
  const failing = { operation: "" };
  const files = {
    ...interceptedFiles(() => undefined),
    removeFile: async (path: string) => await step(`removeFile ${path}`),
    syncDirectory: async (path: string) => await step(`syncDirectory ${path}`),
  };
  async function step(operation: string): Promise<void> {
    await Promise.resolve();
    operations.push(operation);
    if (operation.startsWith(failing.operation) && failing.operation !== "")
      throw new Error("disk");
  }
  const clock = new VirtualClock();
  const removedFiles = new RemovedFiles({
    list,
    files,
    root: "/p",
    clock,
    graceMs: GRACE_MS,
    onError: (error) => errors.push(error),
  });
  return { removed, operations, errors, failing, clock, removedFiles };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

suite("RemovedFiles", () => {
  test("frees bytes after the time of grace and not before, and syncs before it forgets", async () => {
    const { removed, operations, clock, removedFiles } = fixture(["a/x", "a/y", "b/z"]);
    removedFiles.track();
    clock.advance(GRACE_MS - 1);
    await settle();
    assert.deepEqual(operations, []);
    assert.equal(removedFiles.stats.waitingBytes, 300);
    clock.advance(1);
    await settle();
    assert.deepEqual(operations, [
      "removeFile /p/a/x",
      "removeFile /p/a/y",
      "syncDirectory /p/a",
      "removeFile /p/b/z",
      "syncDirectory /p/b",
    ]);
    assert.equal(removed.size, 0);
    const { waitingFiles, freedFiles, freedBytes } = removedFiles.stats;
    assert.deepEqual([waitingFiles, freedFiles, freedBytes], [0, 3, 300]);
  });

  test("does not forget when the directory could not be synced (remove-1, remove-2), and tries again", async () => {
    for (const operation of ["removeFile /p/a/y", "syncDirectory"]) {
      const { removed, errors, failing, clock, removedFiles } = fixture(["a/x", "a/y"]);
      removedFiles.track();
      failing.operation = operation;
      clock.advance(GRACE_MS);
      await settle();
      assert.equal(removed.size, 2, operation);
      assert.equal(errors.length, 1, operation);
      failing.operation = "";
      clock.advance(GRACE_MS);
      await settle();
      assert.equal(removed.size, 0, operation);
    }
  });

  test("frees nothing while somebody holds the files, and all of it afterwards", async () => {
    const { removed, clock, removedFiles } = fixture(["a/x"]);
    removedFiles.track();
    const release = removedFiles.hold();
    const releaseOther = removedFiles.hold();
    clock.advance(10 * GRACE_MS);
    await settle();
    release();
    release();
    clock.advance(GRACE_MS);
    await settle();
    assert.equal(removed.size, 1);
    releaseOther();
    clock.advance(0);
    await settle();
    assert.equal(removed.size, 0);
  });

  test("grants each file its own time", async () => {
    const { removed, operations, clock, removedFiles } = fixture(["a/x"]);
    removedFiles.track();
    clock.advance(GRACE_MS / 2);
    removed.set("a/y", file("a/y"));
    removedFiles.track();
    clock.advance(GRACE_MS / 2);
    await settle();
    assert.deepEqual(operations, ["removeFile /p/a/x", "syncDirectory /p/a"]);
    clock.advance(GRACE_MS / 2);
    await settle();
    assert.equal(removed.size, 0);
  });

  test("leaves alone a file that is part of a table again, and everything after it was stopped", async () => {
    const { removed, operations, clock, removedFiles } = fixture(["a/x"]);
    removedFiles.track();
    removed.delete("a/x");
    clock.advance(GRACE_MS);
    await settle();
    assert.deepEqual(operations, []);
    assert.equal(removedFiles.stats.waitingFiles, 0);
    removed.set("a/y", file("a/y"));
    removedFiles.track();
    await removedFiles.stop();
    clock.advance(GRACE_MS);
    await settle();
    assert.deepEqual(operations, []);
  });
});
