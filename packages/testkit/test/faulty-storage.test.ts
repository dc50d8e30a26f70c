import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { FaultyStorage, LoseAllChooser, SimulatedDisk } from "@walnut/testkit";

const OLD = Buffer.from("old!");
const NEW = Buffer.from("new!");

function diskWithFile(): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.plant("/d/f", OLD);
  return disk;
}

function text(disk: SimulatedDisk, path = "/d/f"): string | undefined {
  const bytes = disk.peek(path);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}

suite("FaultyStorage", () => {
  test("fails the n-th call of a kind, that one only", async () => {
    const disk = diskWithFile();
    const faulty = new FaultyStorage(disk, [{ kind: "write", nth: 2, code: "EIO" }]);
    const file = await faulty.openFile("/d/f", "write");
    await file.write([NEW], 0);
    await assert.rejects(file.write([NEW], 4), { code: "EIO", syscall: "write", path: "/d/f" });
    await file.write([NEW], 8);
    assert.equal(text(disk), "new!\0\0\0\0new!");
    assert.equal(faulty.fired.length, 1);
    assert.equal(faulty.callCounts.get("write"), 3);
  });

  test("stays broken for as many calls as it is told", async () => {
    const faulty = new FaultyStorage(diskWithFile(), [
      { kind: "any", nth: 2, count: Number.POSITIVE_INFINITY, code: "EIO" },
    ]);
    const file = await faulty.openFile("/d/f", "write");
    await assert.rejects(file.size(), { code: "EIO" });
    await assert.rejects(faulty.listDirectory("/d"), { code: "EIO" });
  });

  test("fails on matching paths only", async () => {
    const disk = diskWithFile();
    disk.plant("/d/g", OLD);
    const faulty = new FaultyStorage(disk, [
      { kind: "openFile", nth: 1, path: /g$/u, code: "EMFILE" },
    ]);
    await faulty.openFile("/d/f", "read");
    await assert.rejects(faulty.openFile("/d/g", "read"), { code: "EMFILE" });
  });

  test("puts half of a short write down", async () => {
    const disk = diskWithFile();
    const faulty = new FaultyStorage(disk, [
      { kind: "writeDurable", nth: 1, code: "ENOSPC", effect: "short" },
    ]);
    const file = await faulty.openFile("/d/f", "write");
    await assert.rejects(file.writeDurable([NEW], 0), { code: "ENOSPC" });
    assert.equal(text(disk), "ned!");
  });

  test("reports a failure of what happened all the same, and leaves no handle or lock behind", async () => {
    const disk = diskWithFile();
    const faulty = new FaultyStorage(disk, [
      { kind: "rename", nth: 1, code: "EIO", effect: "after" },
      { kind: "createFile", nth: 1, code: "EIO", effect: "after" },
      { kind: "lockDirectory", nth: 1, code: "EIO", effect: "after" },
    ]);
    await assert.rejects(faulty.rename("/d/f", "/d/g"), { code: "EIO" });
    assert.equal(text(disk, "/d/g"), "old!");
    await assert.rejects(faulty.createFile("/d/h"), { code: "EIO" });
    assert.equal(text(disk, "/d/h"), "");
    assert.deepEqual(disk.openFiles, []);
    await assert.rejects(faulty.lockDirectory("/d"), { code: "EIO" });
    assert.deepEqual(disk.lockedDirectories, []);
  });

  test("a failed sync leaves bytes that no later sync writes", async () => {
    const disk = diskWithFile();
    const faulty = new FaultyStorage(disk, [{ kind: "syncData", nth: 1, code: "EIO" }]);
    const file = await faulty.openFile("/d/f", "write");
    await file.write([NEW], 0);
    await assert.rejects(file.syncData(), { code: "EIO" });
    await file.syncData();
    assert.equal(text(disk), "new!");
    assert.equal(text(disk.afterPowerLoss(new LoseAllChooser())), "old!");
  });
});
