import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage, SimulatedDisk, WrappedStorage } from "@walnut/testkit";
import { isWalError, type Storage } from "@walnut/wal";
import { encodeCursorFile } from "../../src/format/cursor-file.ts";
import { CursorSet } from "../../src/log/cursors.ts";
import { flipBit } from "../every-bit.ts";
import { LOG_DIRECTORY, settle } from "../machine.ts";

const FOLDER = `${LOG_DIRECTORY}/cursors`;

async function newDisk(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await disk.ensureDirectory(LOG_DIRECTORY);
  return disk;
}

async function loaded(storage: Storage): Promise<CursorSet> {
  const cursors = new CursorSet(storage, LOG_DIRECTORY, () => 0);
  await cursors.load();
  return cursors;
}

/** What a restart after a power loss would find. */
async function restarted(disk: SimulatedDisk): Promise<CursorSet> {
  return await loaded(disk.onlyDurable());
}

suite("CursorSet", () => {
  test("holds nothing in a log without cursors", async () => {
    const cursors = await loaded(await newDisk());
    assert.deepEqual(cursors.positions(), []);
    assert.equal(cursors.lowestDurableLsn(), undefined);
    assert.equal(cursors.durableLsn("a"), undefined);
  });

  test("an answered ack survives a power loss, and never moves back", async () => {
    const disk = await newDisk();
    const cursors = await loaded(disk);
    cursors.create("b", 0);
    cursors.create("a", 0);
    await cursors.ack("b", 9);
    await cursors.ack("b", 4);
    await cursors.ack("a", 3);
    const again = await restarted(disk);
    assert.deepEqual(
      again.positions().map(({ name, ackedLsn, durableLsn }) => [name, ackedLsn, durableLsn]),
      [
        ["a", 3, 3],
        ["b", 9, 9],
      ],
    );
    assert.equal(again.lowestDurableLsn(), 3);
  });

  test("a new cursor holds from the moment it is made, and has its file before anything is released", async () => {
    const disk = await newDisk();
    const cursors = await loaded(disk);
    cursors.create("a", 5);
    cursors.create("a", 7);
    assert.equal(cursors.lowestDurableLsn(), 5);
    assert.deepEqual((await restarted(disk)).positions(), []);
    await cursors.persistAll();
    assert.equal((await restarted(disk)).durableLsn("a"), 5);
  });

  test("merges acks that come while one is being written", async () => {
    const disk = await newDisk();
    let renames = 0;
    const counting = new WrappedStorage(disk, {
      async intercept(call, proceed) {
        if (call.kind === "rename") renames++;
        return await proceed();
      },
    });
    const cursors = await loaded(counting);
    cursors.create("a", 0);
    await Promise.all(Array.from({ length: 50 }, (_, index) => cursors.ack("a", index + 1)));
    assert.ok(renames <= 3, `${renames} replacements`);
    assert.equal((await restarted(disk)).durableLsn("a"), 50);
  });

  test("clamps cursors that stand behind the end, also one that is being moved", async () => {
    const disk = await newDisk();
    const cursors = await loaded(disk);
    cursors.create("far", 0);
    cursors.create("near", 0);
    await cursors.ack("far", 9);
    await cursors.ack("near", 2);
    const moving = cursors.ack("far", 12);
    const clamped = await cursors.clampTo(5);
    await moving;
    assert.deepEqual(
      clamped.map(({ name, ackedLsn }) => [name, ackedLsn]),
      [["far", 12]],
    );
    const again = await restarted(disk);
    assert.deepEqual([again.durableLsn("far"), again.durableLsn("near")], [5, 2]);
  });

  test("raises cursors that stand before a new front", async () => {
    const disk = await newDisk();
    const cursors = await loaded(disk);
    cursors.create("slow", 1);
    cursors.create("far", 0);
    await cursors.ack("far", 9);
    const raised = await cursors.raiseTo(6);
    assert.deepEqual(
      raised.map(({ name, ackedLsn }) => [name, ackedLsn]),
      [["slow", 1]],
    );
    const again = await restarted(disk);
    assert.deepEqual([again.durableLsn("far"), again.durableLsn("slow")], [9, 6]);
  });

  test("forgets a cursor durably, also one that is being written", async () => {
    const disk = await newDisk();
    const cursors = await loaded(disk);
    cursors.create("a", 0);
    await cursors.ack("a", 3);
    const late = cursors.ack("a", 4);
    await cursors.remove("a");
    await late.catch(() => undefined);
    await cursors.remove("a");
    await cursors.remove("never there");
    await settle();
    assert.equal(cursors.lowestDurableLsn(), undefined);
    assert.deepEqual((await restarted(disk)).positions(), []);
  });

  test("refuses an ack of a cursor that was removed, and says which", async () => {
    const cursors = await loaded(await newDisk());
    cursors.create("a", 0);
    await cursors.remove("a");
    await assert.rejects(cursors.ack("a", 1), (error) => {
      assert.ok(isWalError(error, "WAL_CURSOR_REMOVED"));
      assert.equal(error.details["cursor"], "a");
      return true;
    });
    assert.deepEqual(cursors.positions(), []);
  });

  test("removes unfinished replacements and looks past other files", async () => {
    const disk = await newDisk();
    disk.plant(`${FOLDER}/a.cursor`, encodeCursorFile({ name: "a", ackedLsn: 7, writtenAtMs: 0 }));
    disk.plant(`${FOLDER}/a.cursor.tmp`, new Uint8Array(3));
    disk.plant(`${FOLDER}/reserve`, new Uint8Array(4096));
    const cursors = await loaded(disk);
    assert.equal(cursors.durableLsn("a"), 7);
    assert.equal(disk.peek(`${FOLDER}/a.cursor.tmp`), undefined);
    assert.equal(disk.peek(`${FOLDER}/reserve`)?.byteLength, 4096);
  });

  test("names a damaged file, one that was renamed, and one of a newer format", async () => {
    const valid = encodeCursorFile({ name: "a", ackedLsn: 7, writtenAtMs: 0 });
    for (const [fileName, bytes] of [
      ["a.cursor", flipBit(valid, 9, 1)],
      ["b.cursor", valid],
      ["a.cursor", new Uint8Array(0)],
    ] as const) {
      const disk = await newDisk();
      disk.plant(`${FOLDER}/${fileName}`, bytes);
      await assert.rejects(loaded(disk), (error) => {
        assert.ok(isWalError(error, "WAL_CORRUPT"));
        assert.equal(error.details["path"], `${FOLDER}/${fileName}`);
        return true;
      });
      assert.deepEqual(disk.openFiles, []);
    }
  });

  test("an ack that fails rejects, and the next one tries anew", async () => {
    const disk = await newDisk();
    const storage = new FaultyStorage(disk, [
      { kind: "syncAll", path: /cursor/, nth: 1, code: "EIO" },
    ]);
    const cursors = await loaded(storage);
    cursors.create("a", 0);
    await assert.rejects(cursors.ack("a", 3), { code: "EIO" });
    assert.equal(cursors.durableLsn("a"), 0);
    await cursors.ack("a", 4);
    assert.equal((await restarted(disk)).durableLsn("a"), 4);
  });

  test("makes its reserve as soon as there is room for it, so that a full disk does not stop it later", async () => {
    const disk = await newDisk();
    const reserve = `${FOLDER}/reserve`;
    const cursors = await loaded(disk);
    cursors.create("a", 0);
    disk.capacityBytes = disk.usedBytes + 200; // For a cursor's file, and the one that takes its place.
    await cursors.ack("a", 1);
    assert.equal(disk.peek(reserve), undefined);
    disk.capacityBytes = disk.usedBytes + 8192;
    await cursors.ack("a", 2);
    assert.equal(disk.peek(reserve)?.byteLength, 4096);
    disk.capacityBytes = disk.usedBytes;
    await cursors.ack("a", 4);
    assert.equal((await restarted(disk)).durableLsn("a"), 4);
  });
});
