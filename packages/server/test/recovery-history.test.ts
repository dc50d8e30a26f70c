import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { suite, test } from "node:test";
import { MAX_STARTS, RecoveryHistory, type StartNote } from "../src/recovery-history.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

function start(startedAtMs: number, changes: Partial<StartNote> = {}): StartNote {
  return {
    startedAtMs,
    outcome: "recovered",
    durationMs: 5,
    segments: 1,
    records: 2,
    rows: 3,
    bytes: 4,
    tornTailBytes: 0,
    ...changes,
  };
}

suite("RecoveryHistory", () => {
  test("keeps starts over restarts, newest first", async () => {
    const directory = await temporaryDirectory();
    assert.deepEqual(await new RecoveryHistory(directory, 1).read(), []);
    await new RecoveryHistory(directory, 1).add(start(1));
    const failure = { code: "WAL_CORRUPT", message: "why" };
    await new RecoveryHistory(directory, 1).add(start(2, { outcome: "failed", failure }));
    assert.deepEqual(await new RecoveryHistory(directory, 1).read(), [
      start(2, { outcome: "failed", failure }),
      start(1),
    ]);
    assert.deepEqual(await new RecoveryHistory(directory, 2).read(), []);
  });

  test("is bounded: in starts and in the length of what a failure says", async () => {
    const history = new RecoveryHistory(await temporaryDirectory(), 1);
    const starts = Array.from({ length: MAX_STARTS }, (_, index) => start(MAX_STARTS - index));
    await history.add(start(0));
    await writeFile(history.path, JSON.stringify({ version: 1, starts }));
    const message = "x".repeat(100_000);
    await history.add(start(999, { outcome: "failed", failure: { code: "X", message } }));
    const kept = await history.read();
    assert.equal(kept.length, MAX_STARTS);
    assert.equal(kept[0]?.startedAtMs, 999);
    assert.equal(kept.at(-1)?.startedAtMs, 2);
    assert.ok((await readFile(history.path)).byteLength < 100_000);
  });

  test("sets a file that cannot be understood aside, and never calls it empty", async () => {
    const history = new RecoveryHistory(await temporaryDirectory(), 1);
    await history.add(start(1));
    await writeFile(history.path, "{");
    await assert.rejects(history.read());
    await history.add(start(2));
    assert.deepEqual(await history.read(), [start(2)]);
    assert.deepEqual((await readdir(dirname(history.path))).toSorted(), [
      "worker-1.json",
      "worker-1.json.damaged",
    ]);
  });
});
