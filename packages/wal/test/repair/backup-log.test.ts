/** Backups from outside, beside a writer that is not asked. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { WrappedStorage, type SimulatedDisk } from "@walnut/testkit";
import {
  backupLog,
  nodeEnvironment,
  openWal,
  restoreWal,
  type BackupReport,
  type Storage,
  type Wal,
  type WalEnvironment,
} from "@walnut/wal";
import { copyLog } from "../../src/backup/restore.ts";
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

function backUp(machine: Machine, target = BACKUP, storage?: Storage): Promise<BackupReport> {
  const environment: WalEnvironment =
    storage === undefined ? machine.environment : { ...machine.environment, storage };
  return backupLog({ directory: LOG_DIRECTORY, target, environment });
}

/** Opens a copy of the backup, as strictly as can be. */
async function restored(machine: Machine, backup = BACKUP, directory = "/restored"): Promise<Wal> {
  await copyLog(machine.disk, backup, directory);
  return await machine.open({ directory, recovery: "strict" });
}

function namesIn(disk: SimulatedDisk, directory: string): string[] {
  return disk
    .snapshot()
    .map(([path]) => path)
    .filter((path) => path.startsWith(`${directory}/`))
    .map((path) => path.slice(directory.length + 1));
}

suite("backupLog", () => {
  test("holds everything up to the last complete batch, durable or not, and cursors", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async" });
    await appendSegments(wal, 3);
    wal.cursor("new");
    await wal.cursor("reader").ack(3);
    const before = machine.disk.snapshot().filter(([path]) => path.startsWith(LOG_DIRECTORY));
    const report = await backUp(machine);
    assert.deepEqual([report.firstLsn, report.lastLsn, report.segments], [1, 6, 3]);
    assert.deepEqual(
      machine.disk.snapshot().filter(([path]) => path.startsWith(LOG_DIRECTORY)),
      before,
    );
    const copy = await restored(machine);
    assert.deepEqual(await readTexts(copy), numbered(1, 6));
    assert.equal(copy.cursor("reader").lsn, 3);
    await copy.close();
    await wal.close();
  });

  test("leaves out zeros ahead and a batch that is not complete", async () => {
    const machine = new Machine();
    const wal = await machine.open({ prewriteBytes: 4096, segmentSizeBytes: 1024 * 1024 });
    await appendNumbered(wal, 2);
    const whole = machine.bytesOf(segmentPath(1));
    await wal.appendBatch([new Uint8Array(200_000), new Uint8Array(200_000)]);
    const bytes = machine.bytesOf(segmentPath(1)).slice(0, whole.byteLength + 250_000);
    await wal.close();
    await machine.replace(segmentPath(1), bytes);
    const report = await backUp(machine);
    assert.equal(report.lastLsn, 2);
    const copy = await restored(machine);
    assert.deepEqual(await readTexts(copy), numbered(1, 2));
    await copy.close();
  });

  test("of a closed log, a truncated one, one that was released", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendSegments(wal, 4);
    await wal.cursor("reader").ack(2);
    await wal.truncateBack(6);
    await wal.close();
    await backUp(machine);
    const copy = await restored(machine);
    assert.deepEqual(await readTexts(copy), numbered(3, 6));
    await copy.close();
  });

  const CHANGES: Readonly<Record<string, (wal: Wal) => Promise<unknown>>> = {
    appends: (wal) => appendNumbered(wal, 3),
    "a rotation": async (wal) => {
      await wal.rotate();
      await appendNumbered(wal, 1);
    },
    "a release of its first segments": (wal) => wal.cursor("reader").ack(4),
    "a cut of its last segment": (wal) => wal.truncateBack(7),
    "a cut, and appends in its place": async (wal) => {
      await wal.truncateBack(5);
      await appendNumbered(wal, 6);
    },
    "a release of everything": async (wal) => {
      await appendNumbered(wal, 2);
      await wal.rotate();
      await appendNumbered(wal, 2);
      await wal.cursor("reader").ack(10);
    },
  };
  for (const [what, change] of Object.entries(CHANGES)) {
    test(`is a log whenever it meets ${what}`, async () => {
      // At each call that the backup makes, once.
      for (let nth = 1; ; nth++) {
        const machine = new Machine({ seed: nth });
        const wal = await machine.open();
        await appendSegments(wal, 4);
        let calls = 0;
        let isReached = false;
        const meeting = new WrappedStorage(machine.disk, {
          intercept: async (_call, proceed) => {
            if (++calls === nth) {
              isReached = true;
              await change(wal);
            }
            return await proceed();
          },
        });
        await backUp(machine, BACKUP, meeting);
        const copy = await restored(machine);
        const { firstLsn, appendedLsn } = copy.positions;
        assert.deepEqual(await readTexts(copy), numbered(firstLsn, appendedLsn), `call ${nth}`);
        assert.ok(appendedLsn >= 5);
        await copy.close();
        await wal.close();
        if (!isReached) {
          assert.ok(nth > 30, `${nth} calls`);
          return;
        }
      }
    });
  }

  test("is a log each time beside a writer that never rests", async () => {
    const machine = new Machine({ seed: 11 });
    const wal = await machine.open({ prewriteBytes: 4096 });
    let isOver = false;
    const writing = (async () => {
      for (let round = 0; round < 120; round++) {
        await appendNumbered(wal, 4);
        if (round % 5 === 2) await wal.rotate();
        if (round % 17 === 5) await wal.cursor("reader").ack(wal.positions.durableLsn - 3);
        if (round % 23 === 11) await wal.truncateBack(wal.positions.appendedLsn - 2);
        await settle(1);
      }
      isOver = true;
    })();
    await settle(5);
    for (let count = 0; !isOver; count++) {
      await backUp(machine, `${BACKUP}${count}`);
      const copy = await restored(machine, `${BACKUP}${count}`, `/restored${count}`);
      const { firstLsn, appendedLsn } = copy.positions;
      assert.deepEqual(await readTexts(copy), numbered(firstLsn, appendedLsn));
      await copy.close();
    }
    await writing;
    await wal.close();
  });

  test("gives up when the log is cut each time, and leaves nothing that looks like a backup", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 50);
    const cutting = new WrappedStorage(machine.disk, {
      intercept: async (call, proceed) => {
        if (call.kind === "createFile" && call.path.startsWith(`${BACKUP}/000000000001`)) {
          await wal.truncateBack(wal.positions.appendedLsn - 1);
          await appendNumbered(wal, 1);
        }
        return await proceed();
      },
    });
    await assert.rejects(backUp(machine, BACKUP, cutting), { code: "WAL_IO" });
    assert.deepEqual(namesIn(machine.disk, BACKUP), []);
    await wal.close();
  });

  test("refuses a log that is damaged as far as it looks", async () => {
    const damages: Readonly<Record<string, (machine: Machine) => Promise<void>>> = {
      "a header": (machine) => machine.replace(segmentPath(2), new Uint8Array(300)),
      "a missing segment": (machine) => machine.disk.remove(segmentPath(2)),
      "a missing tail": (machine) => machine.disk.remove(segmentPath(3)),
      "a cursor": (machine) =>
        machine.replace(`${LOG_DIRECTORY}/cursors/reader.cursor`, new Uint8Array(9)),
    };
    for (const [what, damage] of Object.entries(damages)) {
      const machine = new Machine();
      const wal = await machine.open();
      await appendSegments(wal, 3);
      await wal.cursor("reader").ack(1);
      await wal.close();
      await damage(machine);
      await assert.rejects(backUp(machine), { code: "WAL_CORRUPT" }, what);
      assert.deepEqual(namesIn(machine.disk, BACKUP), []);
    }
  });

  test("refuses a target that is not empty, and what is no log", async () => {
    const machine = new Machine();
    await assert.rejects(backUp(machine), { code: "WAL_INVALID_OPTION" });
    const wal = await machine.open();
    await assert.rejects(backUp(machine), { code: "WAL_INVALID_OPTION" }, "nothing to back up");
    await appendSegments(wal, 2);
    machine.disk.plant(`${BACKUP}/notes.txt`, textBytes("mine"));
    await assert.rejects(backUp(machine), { code: "WAL_INVALID_OPTION" });
    assert.deepEqual(namesIn(machine.disk, BACKUP), ["notes.txt"]);
    await wal.close();
  });
});

suite("backupLog on a real file system", () => {
  test("links only what was closed a while ago, and is not changed by what the writer does next", async (context) => {
    const directory = await mkdtemp(join(tmpdir(), "walnut-backup-log-"));
    context.after(() => rm(directory, { recursive: true }));
    const log = join(directory, "log");
    const wal = await openWal({ ...QUIET_OPTIONS, directory: log });
    await appendSegments(wal, 3);
    const name = segmentPath(1).slice(LOG_DIRECTORY.length + 1);
    const fresh = join(directory, "fresh");
    assert.equal((await backupLog({ directory: log, target: fresh })).linkedBytes, 0);
    const later: WalEnvironment = { ...nodeEnvironment(), nowMs: () => Date.now() + 61_000 };
    const target = join(directory, "backup");
    const report = await backupLog({ directory: log, target, environment: later });
    const isLinked = (await stat(join(log, name))).ino === (await stat(join(target, name))).ino;
    assert.equal(isLinked, report.linkedBytes > 0);
    const before = await readFile(join(target, name));
    await wal.truncateBack(1);
    await appendNumbered(wal, 4);
    await wal.close();
    assert.deepEqual(await readFile(join(target, name)), before);
    for (const backup of [fresh, target]) {
      const copy = `${backup}-restored`;
      const { appendedLsn } = await restoreWal({ backup, directory: copy });
      assert.equal(appendedLsn, 6);
    }
  });
});
