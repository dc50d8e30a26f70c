import { mkdtemp, readdir, rm } from "node:fs/promises";
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";

import { FaultyStorage, storageContract } from "@walnut/testkit";
import { NodeStorage } from "@walnut/wal";

let temporary = "";

async function open(): Promise<{ storage: NodeStorage; directory: string }> {
  temporary = await mkdtemp(join(tmpdir(), "walnut-contract-"));
  return { storage: new NodeStorage(), directory: temporary };
}

async function close(): Promise<void> {
  await rm(temporary, { recursive: true });
}

storageContract("NodeStorage", { open, close });

storageContract("FaultyStorage on NodeStorage, without rules", {
  async open() {
    const { storage, directory } = await open();
    return { storage: new FaultyStorage(storage, []), directory };
  },
  close,
});

suite("NodeStorage: descriptors", { skip: process.platform !== "linux" }, () => {
  test("leaves none open, however durable writes and closes meet", async () => {
    const directory = await mkdtemp(join(tmpdir(), "walnut-contract-"));
    const storage = new NodeStorage();
    const openBefore = (await readdir("/proc/self/fd")).length;
    for (let round = 0; round < 5; round += 1) {
      const file = await storage.createFile(`${directory}/${round}`);
      await Promise.all([
        file.writeDurable([new Uint8Array(10)], 0),
        file.writeDurable([new Uint8Array(10)], 10),
        file.writeDurable([new Uint8Array(10)], 20),
      ]);
      await file.close();
    }
    assert.equal((await readdir("/proc/self/fd")).length, openBefore);
    await rm(directory, { recursive: true });
  });
});
