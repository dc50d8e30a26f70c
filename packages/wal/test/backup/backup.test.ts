/** Backups of a live log: what is in them, what they refuse, and what a crash in the middle harms (nothing). */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  combineSeeds,
  FaultyStorage,
  type SimulatedDisk,
  StorageError,
  WrappedStorage,
  type SimulatedEnvironment,
} from "@walnut/testkit";
import { openWalWith, type Wal, type WalOptions } from "@walnut/wal";
import { copyLog } from "../../src/backup/restore.ts";
import { crashEverywhere } from "@walnut/testkit";
import {
  appendNumbered,
  appendSegments,
  LOG_DIRECTORY,
  Machine,
  numbered,
  QUIET_OPTIONS,
  readTexts,
  segmentPath,
  settle,
  textBytes,
} from "../machine.ts";

const BACKUP = "/backup";
const RESTORED = "/restored";

/** Restores as `restoreWal` does, on the simulated disk. */
async function restored(machine: Machine, options: Partial<WalOptions> = {}): Promise<Wal> {
  await copyLog(machine.disk, BACKUP, RESTORED);
  return await machine.open({ ...options, directory: RESTORED, recovery: "strict" });
}

function filesOf(disk: SimulatedDisk, directory: string): Map<string, string> {
  const files = disk.snapshot().filter(([path]) => path.startsWith(`${directory}/`));
  return new Map(
    files.map(([path, bytes]) => [
      path.slice(directory.length + 1),
      Buffer.from(bytes).toString("hex"),
    ]),
  );
}

suite("Wal.backup", () => {
  test("holds everything that is durable, with cursors, and can be restored", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendSegments(wal, 3);
    wal.cursor("new");
    await wal.cursor("done").ack(3);
    const progress: number[] = [];
    const report = await wal.backup(BACKUP, ({ segments }) => progress.push(segments));
    assert.deepEqual(
      [report.firstLsn, report.lastLsn, report.segments, report.linkedBytes],
      [1, 6, 3, 0],
    );
    assert.deepEqual(progress, [1, 2, 3]);
    const copy = await restored(machine);
    assert.deepEqual(await readTexts(copy), numbered(1, 6));
    assert.deepEqual(
      copy.status().cursors.map(({ name, lsn }) => [name, lsn]),
      [
        ["done", 3],
        ["new", 0],
      ],
    );
    await copy.close();
    await wal.close();
  });

  test("begins where the log begins", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendSegments(wal, 4);
    await wal.cursor("reader").ack(4);
    await wal.truncateFront(6);
    await wal.backup(BACKUP);
    const copy = await restored(machine);
    assert.equal(copy.positions.firstLsn, 6);
    assert.deepEqual(await readTexts(copy), numbered(6, 8));
    await copy.close();
    await wal.close();
  });

  test("holds only what is durable, at levels that do not wait for the device", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async" });
    await appendNumbered(wal, 2);
    await wal.sync();
    await appendNumbered(wal, 3);
    const { lastLsn } = await wal.backup(BACKUP);
    assert.equal(lastLsn, 2);
    const copy = await restored(machine);
    assert.deepEqual(await readTexts(copy), numbered(1, 2));
    await copy.close();
    await wal.close();
  });

  test("of a log that was opened and not yet written to holds all of it", async () => {
    const machine = new Machine();
    const first = await machine.open();
    await appendSegments(first, 2);
    await first.close();
    const wal = await machine.open();
    await wal.backup(BACKUP);
    const copy = await restored(machine);
    assert.deepEqual(await readTexts(copy), numbered(1, 4));
    await copy.close();
    await wal.close();
  });

  test("of a log without a record is refused: it could not be told from a failed one", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await assert.rejects(wal.backup(BACKUP), { code: "WAL_INVALID_OPTION" });
    assert.equal(machine.disk.hasDirectory(BACKUP), false);
    await wal.close();
  });

  test("into a directory that is not empty is refused, and nothing there is touched", async () => {
    const machine = new Machine();
    machine.disk.plant(`${BACKUP}/notes.txt`, textBytes("mine"));
    const wal = await machine.open();
    await appendSegments(wal, 2);
    const before = filesOf(machine.disk, BACKUP);
    await assert.rejects(wal.backup(BACKUP), { code: "WAL_INVALID_OPTION" });
    assert.deepEqual(filesOf(machine.disk, BACKUP), before);
    await wal.close();
  });

  test("of a closed log is refused", async () => {
    const wal = await new Machine().open();
    await wal.close();
    await assert.rejects(wal.backup(BACKUP), { code: "WAL_CLOSED" });
  });

  test("that fails leaves the log at work, and no backup that could be taken for one", async () => {
    const machine = new Machine({
      wrapStorage: (disk) =>
        new FaultyStorage(disk, [
          { kind: "write", nth: 3, count: 1, code: "ENOSPC", path: /^\/backup/ },
        ]),
    });
    const wal = await machine.open();
    await appendSegments(wal, 4);
    await assert.rejects(wal.backup(BACKUP), { code: "WAL_NO_SPACE" });
    await assert.rejects(copyLog(machine.disk, BACKUP, RESTORED), { code: "WAL_CORRUPT" });
    await appendNumbered(wal, 1);
    await wal.cursor("reader").ack(4);
    assert.deepEqual(await readTexts(wal), numbered(5, 9));
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });

  test("holds nothing of a group that is being written: it may yet be taken back", async () => {
    let hold: Promise<void> | undefined;
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          intercept: async (call, proceed) => {
            const isThird = call.path.startsWith(LOG_DIRECTORY) && call.path === segmentPath(3);
            if (hold !== undefined && call.kind.startsWith("write") && isThird) {
              await hold;
              throw new StorageError("ENOSPC", call);
            }
            return await proceed();
          },
        }),
    });
    const wal = await machine.open();
    await appendNumbered(wal, 2);
    let fail: () => void = () => undefined;
    hold = new Promise((resolve) => {
      fail = resolve;
    });
    // One group over three segments: the first two are written when the third finds no space.
    const group = Array.from({ length: 5 }, () => wal.append(new Uint8Array(4000)));
    const outcomes = Promise.allSettled(group);
    await settle(20);
    const backup = wal.backup(BACKUP);
    await settle(20);
    fail();
    const report = await backup;
    assert.ok((await outcomes).every(({ status }) => status === "rejected"));
    assert.equal(report.lastLsn, 2);
    hold = undefined;
    const copy = await restored(machine);
    assert.deepEqual(await readTexts(copy), numbered(1, 2));
    await copy.close();
    await appendNumbered(wal, 1);
    assert.deepEqual(await readTexts(wal), numbered(1, 3));
    await wal.close();
  });

  test("taken again and again beside everything that a log does is a log each time", async () => {
    const machine = new Machine({ seed: 5 });
    const wal = await machine.open({ whenFull: "reject" });
    const cursor = wal.cursor("reader");
    let isOver = false;
    const appends = (async () => {
      for (let round = 0; round < 60; round++) {
        await Promise.all(Array.from({ length: 4 }, () => appendNumbered(wal, 1)));
        if (round % 7 === 3) await wal.rotate();
        if (round % 9 === 5) await cursor.ack(wal.positions.durableLsn - 5);
        if (round % 11 === 7) {
          const { appendedLsn, firstLsn } = wal.positions;
          await wal.truncateBack(Math.max(firstLsn, appendedLsn - 2));
        }
        await settle(1);
      }
      isOver = true;
    })();
    let count = 0;
    for (; !isOver; count++) {
      const directory = `${BACKUP}${count}`;
      const { firstLsn, lastLsn } = await wal.backup(directory).catch((error: unknown) => {
        if (error instanceof Error && error.message.includes("nothing"))
          return { firstLsn: 0, lastLsn: 0 };
        throw error;
      });
      if (lastLsn === 0) {
        await settle(1);
        continue;
      }
      const target = `${RESTORED}${count}`;
      await copyLog(machine.disk, directory, target);
      const copy = await machine.open({ directory: target, recovery: "strict" });
      assert.deepEqual(copy.positions, {
        firstLsn,
        appendedLsn: lastLsn,
        writtenLsn: lastLsn,
        durableLsn: lastLsn,
      });
      assert.deepEqual(await readTexts(copy), numbered(firstLsn, lastLsn));
      await copy.close();
      await settle(1);
    }
    assert.ok(count > 5, `${count} backups`);
    await appends;
    await wal.close();
  });
});

suite("a crash at every event of a backup", () => {
  test("never harms the log, and leaves a whole backup or one that is refused", async () => {
    const options: WalOptions = { ...QUIET_OPTIONS };
    let acked = 0;
    let isDone = false;
    let refused = 0;
    let whole = 0;
    const run = async (environment: SimulatedEnvironment): Promise<void> => {
      const wal = await openWalWith(environment, options);
      for (let count = 0; count < 3; count++) {
        acked = await wal.append(textBytes(`r${count + 1}`));
        await wal.rotate();
      }
      const backup = wal.backup(BACKUP);
      // The log goes on beside it.
      await wal.append(textBytes("r4"));
      acked = 4;
      await wal.cursor("reader").ack(1);
      await backup;
      isDone = true;
      await wal.append(textBytes("r5"));
      acked = 5;
      await wal.close();
    };
    await crashEverywhere({
      seed: combineSeeds("backup", "crash"),
      run,
      stamp: () => `${acked} ${String(isDone)}`,
      judge: async (disk) => {
        const machine = new Machine({ disk });
        const wal = await machine.open({ recovery: "strict" });
        const { firstLsn, appendedLsn } = wal.positions;
        assert.ok(appendedLsn >= acked && firstLsn <= 2);
        assert.deepEqual(await readTexts(wal), numbered(firstLsn, appendedLsn));
        await wal.close();
        if (!disk.hasDirectory(BACKUP)) {
          assert.equal(isDone, false);
          return;
        }
        try {
          const copy = await restored(machine);
          const texts = await readTexts(copy);
          assert.ok(texts.length >= 3);
          assert.deepEqual(texts, numbered(1, texts.length));
          await copy.close();
          whole++;
        } catch (error) {
          assert.equal(isDone, false, `a finished backup is damaged: ${String(error)}`);
          assert.ok(error instanceof Error && "code" in error && error.code === "WAL_CORRUPT");
          refused++;
        }
      },
    });
    assert.ok(refused > 10 && whole > 5, `${refused} refused, ${whole} whole`);
  });
});
