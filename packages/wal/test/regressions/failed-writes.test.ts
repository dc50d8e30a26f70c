/** Bugs of others about writes and syncs that fail, and about full disks, as tests of this engine. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  FaultyStorage,
  StorageError,
  WrappedStorage,
  type FaultRule,
  type SimulatedDisk,
} from "@walnut/testkit";
import { isWalError, type Wal } from "@walnut/wal";

import { appendNumbered, Machine, numbered, readTexts, settle, textBytes } from "../machine.ts";
import { rejectsWith, restarted } from "./tampered-log.ts";

/** A machine whose disk fails by this rule on segments. */
function failing(rule: Omit<FaultRule, "path">): {
  readonly machine: Machine;
  readonly calls: () => number;
} {
  let faulty: FaultyStorage | undefined;
  const machine = new Machine({
    wrapStorage: (disk: SimulatedDisk) => {
      faulty = new FaultyStorage(disk, [{ path: /\d\.wal$/u, ...rule }]);
      return faulty;
    },
  });
  return {
    machine,
    calls: () => faulty?.callCounts.get(rule.kind === "any" ? "write" : rule.kind) ?? 0,
  };
}

async function codesOf(answers: readonly Promise<unknown>[]): Promise<(string | number)[]> {
  return await Promise.all(
    answers.map(async (answer) => {
      try {
        return Number(await answer);
      } catch (error) {
        return isWalError(error) ? error.code : String(error);
      }
    }),
  );
}

suite("a failed write", () => {
  test("fsyncgate (PostgreSQL, rostam #94, hashicorp/raft-wal): a failed sync is final and never tried again", async () => {
    const { machine, calls } = failing({
      kind: "writeDurable",
      nth: 2,
      code: "EIO",
      effect: "after",
    });
    const wal = await machine.open();
    await appendNumbered(wal, 1);
    await rejectsWith(wal.append(textBytes("lost?")), "WAL_IO");
    const syncs = calls();
    await rejectsWith(wal.append(textBytes("later")), "WAL_POISONED");
    await rejectsWith(wal.sync(), "WAL_POISONED");
    assert.equal(calls(), syncs);
    assert.equal(wal.status().state, "poisoned");
    assert.deepEqual(await readTexts(wal), numbered(1, 1));
    await wal.close();
  });

  test("errseq_t (Linux 4.13): a sync is not believed while another one of the file may have been told of its pages", async () => {
    let letGo = (): void => undefined;
    const isLetGo = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          // At level "fsync" only the zeros ahead of the records are synced with fdatasync.
          intercept: async (call, proceed) => {
            if (call.kind !== "syncData" || !/\d\.wal$/u.test(call.path)) return await proceed();
            await isLetGo;
            throw new StorageError("EIO", call);
          },
        }),
    });
    const wal = await machine.open({ durability: "fsync", prewriteBytes: 4096 });
    let isAnswered = false;
    const append = wal.append(textBytes("r1")).finally(() => {
      isAnswered = true;
    });
    append.catch(() => undefined);
    await settle(20);
    assert.equal(isAnswered, false);
    assert.equal(wal.positions.durableLsn, 0);
    letGo();
    await rejectsWith(append, "WAL_IO");
    await wal.close();
  });

  test("Rebello et al. (ATC 2020): what is shown after a failed sync and a restart is on the device", async () => {
    const { machine } = failing({ kind: "syncData", nth: 1, code: "EIO" });
    const wal = await machine.open();
    await wal.append(textBytes("r1"), { durability: "async" });
    await rejectsWith(wal.append(textBytes("r2")), "WAL_IO");
    await wal.close();
    // The page cache still shows both records, and the kernel will never write them.
    const next = restarted(machine);
    const again = await next.open();
    const shown = await readTexts(again);
    const afterPowerLoss = await next.afterPowerLoss().open();
    assert.deepEqual(await readTexts(afterPowerLoss), shown);
    await afterPowerLoss.close();
    await again.close();
  });

  test("IoTDB, BanyanDB: everybody who waits for a failed group is told, in order", async () => {
    const { machine } = failing({ kind: "writeDurable", nth: 1, code: "EIO" });
    const wal = await machine.open();
    const answers = [1, 2, 3].map((number) => wal.append(textBytes(`r${number}`)));
    assert.deepEqual(await codesOf(answers), ["WAL_IO", "WAL_IO", "WAL_IO"]);
    await wal.close();
    const again = await restarted(machine).open();
    assert.equal(again.positions.appendedLsn, 0);
    await again.close();
  });

  test("rosedb, walrus, Arc: the error of a sync by timer is not swallowed", async () => {
    const { machine } = failing({ kind: "syncData", nth: 1, code: "EIO" });
    const wal = await machine.open({ durability: "interval", syncIntervalMs: 100 });
    await appendNumbered(wal, 1);
    machine.clock.advance(100);
    await settle();
    await rejectsWith(wal.append(textBytes("r2")), "WAL_POISONED");
    assert.equal(wal.positions.durableLsn, 0);
    await wal.close();
  });

  test("raft-wal #10, #32: a partial write is no last index, and the next record gets its LSN", async () => {
    const { machine } = failing({ kind: "writeDurable", nth: 2, code: "EIO", effect: "short" });
    const wal = await machine.open();
    await appendNumbered(wal, 1);
    await rejectsWith(wal.append(textBytes("half of this")), "WAL_IO");
    assert.equal(wal.positions.writtenLsn, 1);
    await wal.close();
    const again = await restarted(machine).open();
    assert.equal(await again.append(textBytes("r2")), 2);
    assert.deepEqual(await readTexts(again), numbered(1, 2));
    await again.close();
  });

  test("BanyanDB pkg/wal: a partial write is not followed by the same bytes once more", async () => {
    const { machine } = failing({ kind: "writeDurable", nth: 2, code: "ENOSPC", effect: "short" });
    const wal = await machine.open();
    await appendNumbered(wal, 1);
    await rejectsWith(wal.append(textBytes("r2")), "WAL_NO_SPACE");
    assert.equal(await wal.append(textBytes("r2")), 2);
    await wal.close();
    const again = await restarted(machine).open({ recovery: "strict" });
    assert.deepEqual(await readTexts(again), numbered(1, 2));
    await again.close();
  });

  test("Arc #339, Datakit: no append that failed is answered as if it had not", async () => {
    for (const kind of ["write", "writeDurable", "syncData", "syncAll"] as const) {
      const { machine } = failing({ kind, nth: 1, code: "EIO", count: Number.POSITIVE_INFINITY });
      const wal = await machine.open();
      const answers = await codesOf([wal.append(textBytes("r1")), wal.append(textBytes("r2"))]);
      await wal.close().catch(() => undefined);
      const again = await new Machine({ disk: machine.disk.onlyDurable() }).open();
      for (const answer of answers) {
        if (typeof answer === "number") assert.ok(answer <= again.positions.appendedLsn, kind);
      }
      await again.close();
    }
  });
});

suite("a full disk", () => {
  /** Appends until there is no room. Returns how many were acknowledged. */
  async function fill(wal: Wal, disk: SimulatedDisk, roomBytes: number): Promise<number> {
    disk.capacityBytes = disk.usedBytes + roomBytes;
    for (;;) {
      const next = wal.positions.appendedLsn + 1;
      try {
        await wal.append(textBytes(`r${next}`));
      } catch (error) {
        assert.ok(isWalError(error, "WAL_NO_SPACE"));
        return next - 1;
      }
    }
  }

  test("etcd #2819, diskcache: does not corrupt the log, wherever in a record it fills up", async () => {
    for (let roomBytes = 0; roomBytes < 400; roomBytes += 13) {
      const machine = new Machine();
      const wal = await machine.open();
      await appendNumbered(wal, 1);
      const acknowledged = await fill(wal, machine.disk, roomBytes);
      for (const disk of [machine.disk.onlyDurable(), machine.disk]) {
        if (disk === machine.disk) await wal.close().catch(() => undefined);
        const again = await new Machine({ disk }).open();
        assert.deepEqual(await readTexts(again), numbered(1, acknowledged), `room ${roomBytes}`);
        await again.close().catch(() => undefined);
      }
    }
  });

  test("raft-engine #344, Arc #676: a log starts with no byte free, and is emptied by its cursors", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await wal.cursor("c").ack(0);
    for (let segment = 0; segment < 3; segment += 1) {
      await appendNumbered(wal, 10);
      await wal.rotate();
    }
    const acknowledged = await fill(wal, machine.disk, 100);
    await wal.close().catch(() => undefined);

    machine.disk.capacityBytes = machine.disk.usedBytes;
    const again = await restarted(machine).open();
    assert.deepEqual(await readTexts(again), numbered(1, acknowledged));
    await again.cursor("c").ack(20);
    // The space of two segments is back, so there is room for records.
    assert.equal(await again.append(textBytes("r")), acknowledged + 1);
    await again.close();
  });

  test("OTel #8115, Loki PR 3136: writing resumes by itself, with the LSN that was refused", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const acknowledged = await fill(wal, machine.disk, 300);
    await rejectsWith(wal.append(textBytes("still full")), "WAL_NO_SPACE");
    assert.equal(wal.status().state, "open");
    machine.disk.capacityBytes = Number.POSITIVE_INFINITY;
    assert.equal(await wal.append(textBytes(`r${acknowledged + 1}`)), acknowledged + 1);
    assert.deepEqual(await readTexts(wal), numbered(1, acknowledged + 1));
    await wal.close();
  });
});
