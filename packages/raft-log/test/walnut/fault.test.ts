import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isWalError } from "@walnut/wal";
import { isRaftLogError, openRaftLogWith, type RaftLog } from "@walnut/raft-log";
import { entriesOf, entry, hardState, textOf } from "../../src/contract/contract-case.ts";
import { Machine } from "../machine.ts";
import { testFaults } from "../raft-faults.ts";

testFaults({ backend: "walnut", isAtomic: true, syncKind: "writeDurable" });

/** One byte more than a record may have. */
const TOO_LARGE = new Uint8Array(64 * 1024 * 1024);

suite("saves sent behind one that fails alone", () => {
  const open = (machine: Machine): Promise<RaftLog> =>
    openRaftLogWith(machine.environment, {
      storageRootDirectory: "/node",
      backend: "walnut",
      clusterId: 1,
      peerId: 2,
    });

  test("fail when they stand on it, also where old entries are in its place; others are kept", async () => {
    const machine = new Machine();
    const log = await open(machine);
    await log.save(hardState(1, 1), entriesOf(1, 6, 1));
    const [replacing, vote, behind, further] = await Promise.allSettled([
      log.save(undefined, [
        ...entriesOf(3, 4, 2),
        { ...entry(5, 2), data: TOO_LARGE },
        entry(6, 2),
      ]),
      log.save(hardState(2, 1), []),
      // Index 7 follows index 6: only that it is another 6 tells.
      log.save(undefined, entriesOf(7, 7, 2)),
      log.save(undefined, entriesOf(8, 8, 2)),
    ]);
    assert.ok(
      replacing.status === "rejected" && isWalError(replacing.reason, "WAL_RECORD_TOO_LARGE"),
    );
    assert.equal(vote.status, "fulfilled");
    for (const result of [behind, further]) {
      assert.ok(result.status === "rejected" && isRaftLogError(result.reason, "RAFT_OUT_OF_ORDER"));
    }
    assert.deepEqual(await log.entries(1, log.lastIndex + 1), entriesOf(1, 6, 1));
    // Sent when the failure is known, and one that the next stands on.
    await Promise.all([
      log.save(undefined, entriesOf(3, 6, 2)),
      log.save(undefined, entriesOf(7, 8, 2)),
    ]);
    const expected = [...entriesOf(1, 2, 1), ...entriesOf(3, 8, 2)];
    assert.deepEqual(await log.entries(1, 9), expected);
    const again = await open(machine.afterPowerLoss());
    assert.deepEqual(await textOf(again), await textOf(log));
    await again.close();
    await log.close();
  });
});
