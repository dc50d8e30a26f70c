import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { SimulatedDisk, TracingStorage } from "@walnut/testkit";

suite("TracingStorage", () => {
  test("writes one line for each call with what came of it", async () => {
    const lines: string[] = [];
    const storage = new TracingStorage(new SimulatedDisk(), (line) => lines.push(line));
    await storage.ensureDirectory("/d");
    const lock = await storage.lockDirectory("/d");
    assert.equal(lock.kind, "held");
    await storage.lockDirectory("/d");
    const file = await storage.createFile("/d/tmp");
    await file.write([new Uint8Array(3), new Uint8Array(4)], 5);
    await file.writeDurable([new Uint8Array(1)], 0);
    await file.syncData();
    await file.syncAll();
    await file.truncate(10);
    await file.size();
    await file.read(new Uint8Array(20), 0, 20, 4);
    await file.close();
    await storage.rename("/d/tmp", "/d/f");
    await storage.syncDirectory("/d");
    await storage.listDirectory("/d");
    await (await storage.openFile("/d/f", "read")).close();
    await storage.remove("/d/f");
    await assert.rejects(storage.remove("/d/f"));
    if (lock.kind === "held") await lock.release();
    assert.deepEqual(lines, [
      "ensureDirectory /d",
      "lockDirectory /d = held",
      "lockDirectory /d = refused",
      "createFile /d/tmp",
      "write /d/tmp 5+7",
      "writeDurable /d/tmp 0+1",
      "syncData /d/tmp",
      "syncAll /d/tmp",
      "truncate /d/tmp 10",
      "size /d/tmp = 10",
      "read /d/tmp 4+20 = 6",
      "close /d/tmp",
      "rename /d/tmp -> /d/f",
      "syncDirectory /d",
      "listDirectory /d = [f]",
      "openFile /d/f read",
      "close /d/f",
      "remove /d/f",
      "remove /d/f ! ENOENT",
      "releaseLock /d",
    ]);
  });
});
