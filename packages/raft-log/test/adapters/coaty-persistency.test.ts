import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  coatyPersistency,
  isRaftLogError,
  openRaftLogWith,
  type CoatyEntry,
  type CoatyPersistency,
  type RaftLog,
} from "@walnut/raft-log";
import { Machine } from "../machine.ts";

const ID = "node-1";
const CLUSTER = "test";

function open(machine: Machine): Promise<RaftLog> {
  return openRaftLogWith(machine.environment, {
    storageRootDirectory: "/node",
    clusterId: 1,
    peerId: 1,
    segmentSizeBytes: 64 * 1024,
  });
}

function entries(first: number, last: number, term: number): readonly CoatyEntry[] {
  return Array.from({ length: last - first + 1 }, (_, at) => ({
    index: first + at,
    term,
    type: 0,
    data: { n: first + at, term },
  }));
}

/** What that library's `RaftPersistencyWrapper.persist` does with new entries: reads all, cuts, writes all. */
async function persist(persistency: CoatyPersistency, fresh: readonly CoatyEntry[]): Promise<void> {
  const old = (await persistency.getPersistedData("entries", ID, CLUSTER)) as
    | readonly CoatyEntry[]
    | null;
  const first = fresh[0]?.index ?? 0;
  const all = [...(old ?? []).filter(({ index }) => index < first), ...fresh];
  await persistency.persistData(all, "entries", ID, CLUSTER);
}

async function read(persistency: CoatyPersistency): Promise<readonly unknown[]> {
  return await Promise.all(
    ["entries", "hardstate", "snapshot"].map((key) =>
      persistency.getPersistedData(key, ID, CLUSTER),
    ),
  );
}

suite("the persistency of coaty's Raft on this storage", () => {
  test("is empty at first, as that library asks", async () => {
    assert.deepEqual(await read(coatyPersistency(await open(new Machine()))), [null, null, null]);
  });

  test("gives back after a power loss what was handed over", async () => {
    const machine = new Machine();
    const persistency = coatyPersistency(await open(machine));
    await persist(persistency, entries(1, 5, 1));
    await persistency.persistData({ term: 2, vote: "node-3", commit: 4 }, "hardstate", ID, CLUSTER);
    await persist(persistency, entries(4, 6, 2));
    const again = coatyPersistency(await open(machine.afterPowerLoss()), {
      members: ["node-2", "node-3"],
    });
    const [found, hardState] = await read(again);
    assert.deepEqual(found, [...entries(1, 3, 1), ...entries(4, 6, 2)]);
    assert.deepEqual(hardState, { term: 2, vote: "node-3", commit: 4 });
  });

  test("writes what is new alone, where that library hands over everything", async () => {
    const machine = new Machine();
    const log = await open(machine);
    const persistency = coatyPersistency(log);
    let handed = 0;
    for (let index = 1; index <= 200; index++) {
      await persist(persistency, entries(index, index, 1));
      handed += index;
    }
    const names = await machine.environment.storage.listDirectory("/node/wal");
    assert.equal(
      names.filter((name) => name.endsWith(".wal")).length,
      1,
      `${handed} entries handed over`,
    );
    assert.equal(log.lastIndex, 200);
  });

  test("a snapshot keeps its members, and the entries that follow it", async () => {
    const machine = new Machine();
    const persistency = coatyPersistency(await open(machine));
    await persist(persistency, entries(1, 9, 1));
    const confState = {
      voters: ["node-1", "node-2"],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    };
    const snapshot = { data: { sum: 21 }, metadata: { index: 6, term: 1, confState } };
    await persistency.persistData(snapshot, "snapshot", ID, CLUSTER);
    await persistency.persistData(entries(7, 9, 1), "entries", ID, CLUSTER);
    const again = coatyPersistency(await open(machine.afterPowerLoss()));
    const [found, , foundSnapshot] = await read(again);
    assert.deepEqual(found, entries(7, 9, 1));
    assert.deepEqual(foundSnapshot, snapshot);
  });

  test("a vote for somebody unknown is a vote all the same", async () => {
    const machine = new Machine();
    const persistency = coatyPersistency(await open(machine));
    await persistency.persistData(
      { term: 2, vote: "stranger", commit: 0 },
      "hardstate",
      ID,
      CLUSTER,
    );
    const again = coatyPersistency(await open(machine.afterPowerLoss()));
    const [, hardState] = await read(again);
    assert.match((hardState as { vote: string }).vote, /^unknown-/);
    await assert.rejects(
      again.persistData({ term: 2, vote: "node-2", commit: 0 }, "hardstate", ID, CLUSTER),
      (error) => isRaftLogError(error, "RAFT_OUT_OF_ORDER"),
    );
  });

  test("a key that is not known, and erasing, are RAFT_INVALID_OPTION", async () => {
    const persistency = coatyPersistency(await open(new Machine()));
    for (const call of [
      () => persistency.getPersistedData("colour", ID, CLUSTER),
      () => persistency.persistData([], "colour", ID, CLUSTER),
      () => persistency.close(true, ID, CLUSTER),
    ]) {
      await assert.rejects(call, (error) => isRaftLogError(error, "RAFT_INVALID_OPTION"));
    }
    await persistency.close(false, ID, CLUSTER);
  });
});
