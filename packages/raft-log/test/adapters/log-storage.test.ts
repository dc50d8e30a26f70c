import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  isRaftLogError,
  logStorageOf,
  openRaftLogWith,
  type LogStorage,
  type MetaStorage,
  type StoredCommand,
} from "@walnut/raft-log";
import { Machine } from "../machine.ts";

async function open(
  machine: Machine,
): Promise<{ readonly log: LogStorage; readonly meta: MetaStorage }> {
  const log = await openRaftLogWith(machine.environment, {
    storageRootDirectory: "/node",
    clusterId: 1,
    peerId: 1,
  });
  return logStorageOf(log, { members: ["a", "b"] });
}

function commands(first: number, last: number, term: number): readonly StoredCommand[] {
  return Array.from({ length: last - first + 1 }, (_, at) => ({
    index: first + at,
    term,
    command: { set: first + at },
  }));
}

const refused = (error: unknown): boolean => isRaftLogError(error, "RAFT_OUT_OF_ORDER");

suite("an asynchronous log storage on this storage", () => {
  test("keeps entries and bounds over a power loss", async () => {
    const machine = new Machine();
    const { log } = await open(machine);
    await log.open();
    assert.ok(log.isOpen());
    assert.deepEqual(await log.readMeta(), {
      snapshotIndex: 0,
      snapshotTerm: 0,
      lastIndex: 0,
      lastTerm: 0,
    });
    await log.append(commands(1, 5, 1));
    await log.append(commands(6, 8, 2));
    await log.compact(3, 1);
    const again = (await open(machine.afterPowerLoss())).log;
    assert.deepEqual(await again.readMeta(), {
      snapshotIndex: 3,
      snapshotTerm: 1,
      lastIndex: 8,
      lastTerm: 2,
    });
    assert.deepEqual(await again.getEntries(1, 99), [...commands(4, 5, 1), ...commands(6, 8, 2)]);
    assert.deepEqual(await again.getEntry(6), commands(6, 6, 2)[0]);
    assert.equal(await again.getEntry(3), null);
    assert.equal(await again.getEntry(9), null);
    await log.close();
    assert.ok(!log.isOpen());
  });

  test("truncation holds at once, and for ever with the next entry", async () => {
    const machine = new Machine();
    const { log } = await open(machine);
    await log.append(commands(1, 9, 1));
    await log.truncateFrom(6);
    assert.equal((await log.readMeta()).lastIndex, 5);
    assert.equal(await log.getEntry(6), null);
    await assert.rejects(log.append(commands(7, 7, 2)), refused);
    await log.append(commands(6, 6, 2));
    const again = (await open(machine.afterPowerLoss())).log;
    assert.deepEqual(await again.getEntries(1, 99), [...commands(1, 5, 1), ...commands(6, 6, 2)]);
  });

  test("a reset begins behind the snapshot that a leader sent", async () => {
    const machine = new Machine();
    const { log } = await open(machine);
    await log.append(commands(1, 3, 1));
    await log.reset(50, 4);
    assert.deepEqual(await log.readMeta(), {
      snapshotIndex: 50,
      snapshotTerm: 4,
      lastIndex: 50,
      lastTerm: 4,
    });
    await log.append(commands(51, 52, 4));
    const again = (await open(machine.afterPowerLoss())).log;
    assert.deepEqual(await again.getEntries(1, 99), commands(51, 52, 4));
  });

  test("compaction with the wrong term is refused", async () => {
    const { log } = await open(new Machine());
    await log.append(commands(1, 3, 1));
    await assert.rejects(log.compact(2, 9), refused);
    assert.equal((await log.readMeta()).snapshotIndex, 0);
  });

  test("term and vote are there after a power loss; a second vote is refused", async () => {
    const machine = new Machine();
    const { meta } = await open(machine);
    assert.equal(await meta.read(), null);
    await meta.write(3, null);
    await meta.write(3, "b");
    const again = (await open(machine.afterPowerLoss())).meta;
    assert.deepEqual(await again.read(), { term: 3, votedFor: "b" });
    await assert.rejects(again.write(3, "a"), refused);
    await assert.rejects(again.write(2, "a"), refused);
    await again.write(4, null);
    assert.deepEqual(await again.read(), { term: 4, votedFor: null });
  });
});
