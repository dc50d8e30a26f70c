import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage, SimulatedDisk } from "@walnut/testkit";
import {
  keepReserve,
  listIfThere,
  readSmallFile,
  removeIfThere,
  replaceFile,
} from "../../src/storage/replace-file.ts";

const OLD = Uint8Array.of(1, 1, 1);
const NEW = Uint8Array.of(2, 2, 2, 2, 2);

async function diskWithOld(): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk();
  await disk.ensureDirectory("/d");
  disk.plant("/d/file", OLD);
  return disk;
}

function names(disk: SimulatedDisk): string[] {
  return disk.snapshot().map(([path]) => path);
}

suite("replaceFile", () => {
  test("makes and replaces a file, durably, and leaves nothing else behind", async () => {
    const disk = await diskWithOld();
    await replaceFile(disk, "/d", "file", NEW);
    await replaceFile(disk, "/d", "other", OLD);
    const after = disk.onlyDurable();
    assert.deepEqual(after.peek("/d/file"), NEW);
    assert.deepEqual(after.peek("/d/other"), OLD);
    assert.deepEqual(names(disk), ["/d/file", "/d/other"]);
    assert.deepEqual(disk.openFiles, []);
  });

  test("makes nothing of what an earlier crash left of it", async () => {
    const disk = await diskWithOld();
    disk.plant("/d/file.tmp", new Uint8Array(5000).fill(9));
    await replaceFile(disk, "/d", "file", NEW);
    assert.deepEqual(names(disk), ["/d/file"]);
    assert.deepEqual(disk.peek("/d/file"), NEW);
  });

  test("leaves the old bytes or the new ones when the power fails at any call", async () => {
    for (let event = 1; ; event++) {
      const disk = await diskWithOld();
      disk.crashBefore(disk.events + event);
      const isDone = await replaceFile(disk, "/d", "file", NEW).then(
        () => true,
        () => false,
      );
      for (const after of disk.enumerateCrashes(64)) {
        const found = Buffer.from(after.peek("/d/file") ?? []).toString("hex");
        const allowed = isDone ? [NEW] : [OLD, NEW];
        assert.ok(allowed.map((bytes) => Buffer.from(bytes).toString("hex")).includes(found));
      }
      if (isDone) break;
    }
  });

  test("takes the reserve's space when the disk is full, and gives it back", async () => {
    const disk = await diskWithOld();
    await keepReserve(disk, "/d");
    assert.equal(disk.peek("/d/reserve")?.byteLength, 4096);
    disk.capacityBytes = disk.usedBytes;
    await replaceFile(disk, "/d", "file", NEW);
    assert.deepEqual(disk.onlyDurable().peek("/d/file"), NEW);
    // What was replaced is too small to make a reserve of; it comes back when there is room again.
    disk.capacityBytes = disk.usedBytes + 8192;
    await replaceFile(disk, "/d", "file", OLD);
    await keepReserve(disk, "/d");
    assert.deepEqual(names(disk), ["/d/file", "/d/reserve"]);
    assert.deepEqual(disk.peek("/d/file"), OLD);
  });

  test("can be done again and again on a full disk, as long as each gives back what it took", async () => {
    const disk = await diskWithOld();
    await keepReserve(disk, "/d");
    disk.capacityBytes = disk.usedBytes + NEW.byteLength;
    for (let round = 0; round < 5; round++) {
      const bytes = Uint8Array.of(round, round, round);
      await replaceFile(disk, "/d", "file", bytes);
      assert.deepEqual(disk.onlyDurable().peek("/d/file"), bytes);
    }
  });

  test("without a reserve, or for more than it holds, fails on a full disk and keeps the old bytes", async () => {
    for (const [hasReserve, bytes] of [
      [false, NEW],
      [true, new Uint8Array(5000)],
    ] as const) {
      const disk = await diskWithOld();
      if (hasReserve) await keepReserve(disk, "/d");
      disk.capacityBytes = disk.usedBytes;
      await assert.rejects(replaceFile(disk, "/d", "file", bytes), { code: "ENOSPC" });
      assert.deepEqual(disk.onlyDurable().peek("/d/file"), OLD);
      assert.deepEqual(disk.openFiles, []);
    }
  });

  for (const kind of ["createFile", "write", "syncAll", "rename", "syncDirectory"] as const) {
    test(`passes on a failing ${kind} and leaves no handle`, async () => {
      const disk = await diskWithOld();
      const storage = new FaultyStorage(disk, [{ kind, nth: 1, code: "EIO" }]);
      await assert.rejects(replaceFile(storage, "/d", "file", NEW), { code: "EIO" });
      assert.deepEqual(disk.openFiles, []);
    });
  }
});

suite("keepReserve", () => {
  test("gives it its name when it is whole, and does not wait for another that makes it", async () => {
    const disk = await diskWithOld();
    const found = await Promise.all([keepReserve(disk, "/d"), keepReserve(disk, "/d")]);
    assert.deepEqual(found.toSorted(), [false, true]);
    assert.equal(await keepReserve(disk, "/d"), true);
    assert.deepEqual(await readSmallFile(disk, "/d/reserve"), new Uint8Array(4096));
    assert.deepEqual(names(disk), ["/d/file", "/d/reserve"]);
    assert.deepEqual([disk.openFiles, disk.violations], [[], []]);
  });

  test("leaves one that is there, and does without one where there is no room", async () => {
    const disk = await diskWithOld();
    disk.capacityBytes = disk.usedBytes + 100;
    await keepReserve(disk, "/d");
    assert.deepEqual(names(disk), ["/d/file"]);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await keepReserve(disk, "/d");
    await keepReserve(disk, "/d");
    assert.deepEqual(names(disk), ["/d/file", "/d/reserve"]);
    assert.deepEqual(disk.openFiles, []);
  });

  test("passes on any other failure", async () => {
    const disk = await diskWithOld();
    const storage = new FaultyStorage(disk, [{ kind: "createFile", nth: 1, code: "EIO" }]);
    await assert.rejects(keepReserve(storage, "/d"), { code: "EIO" });
  });
});

suite("small files", () => {
  test("are read as a whole, or are not there; other failures are thrown", async () => {
    const disk = await diskWithOld();
    assert.deepEqual(await readSmallFile(disk, "/d/file"), OLD);
    assert.equal(await readSmallFile(disk, "/d/none"), undefined);
    const open = new FaultyStorage(disk, [{ kind: "openFile", nth: 1, code: "EACCES" }]);
    await assert.rejects(readSmallFile(open, "/d/file"), { code: "EACCES" });
    const read = new FaultyStorage(disk, [{ kind: "read", nth: 1, code: "EIO" }]);
    await assert.rejects(readSmallFile(read, "/d/file"), { code: "EIO" });
    assert.deepEqual(disk.openFiles, []);
  });

  test("are removed whether or not they are there; other failures are thrown", async () => {
    const disk = await diskWithOld();
    await removeIfThere(disk, "/d/file");
    await removeIfThere(disk, "/d/file");
    assert.deepEqual(names(disk), []);
    const storage = new FaultyStorage(disk, [{ kind: "remove", nth: 1, code: "EACCES" }]);
    await assert.rejects(removeIfThere(storage, "/d/file"), { code: "EACCES" });
  });
});

suite("listIfThere", () => {
  test("tells a directory that is not there from one that is empty, and from one that cannot be read", async () => {
    const disk = await diskWithOld();
    await disk.ensureDirectory("/empty");
    assert.deepEqual(await listIfThere(disk, "/d"), ["file"]);
    assert.deepEqual(await listIfThere(disk, "/empty"), []);
    assert.equal(await listIfThere(disk, "/none"), undefined);
    const unreadable = new FaultyStorage(disk, [{ kind: "listDirectory", nth: 1, code: "EACCES" }]);
    await assert.rejects(listIfThere(unreadable, "/d"), { code: "EACCES" });
  });
});
