/** Repair: a look that changes nothing, and a change that copies everything first. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { combineSeeds, SeededRandom, type SimulatedDisk } from "@walnut/testkit";
import { planRepair, repairWal, verifyLog, type WalEnvironment } from "@walnut/wal";
import { copyDirectory } from "../../src/repair/copy-directory.ts";
import { crashEverywhere } from "@walnut/testkit";
import { diskWith, goldenNames, loadGolden } from "../golden/golden-log.ts";
import { appendNumbered, LOG_DIRECTORY, Machine, segmentPath, textBytes } from "../machine.ts";
import { damaged, randomDamage, type DamageStep } from "../recovery/damage.ts";

const BACKUP = "/before";
const SMALL = loadGolden("small");

function segment(id: number): string {
  return `${String(id).padStart(12, "0")}.wal`;
}

function flip(name: string, offset: number): DamageStep {
  return { kind: "flip", name, offset, bit: 3 };
}

function machineWith(steps: readonly DamageStep[], files = SMALL.files): Machine {
  return new Machine({ disk: diskWith(damaged(files, steps)), seed: 3 });
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

async function plan(machine: Machine): ReturnType<typeof planRepair> {
  return await planRepair({ directory: LOG_DIRECTORY, environment: machine.environment });
}

async function repair(machine: Machine, backup?: string): ReturnType<typeof repairWal> {
  const { environment } = machine;
  return await repairWal({ directory: LOG_DIRECTORY, environment, backup });
}

const CASES: readonly { what: string; steps: readonly DamageStep[]; places: readonly string[] }[] =
  [
    { what: "a frame", steps: [flip(segment(2), 130)], places: ["patch-range"] },
    { what: "a header", steps: [flip(segment(1), 20)], places: ["restore-header"] },
    {
      what: "a missing segment",
      steps: [{ kind: "remove", name: segment(2) }],
      places: ["replace-segment"],
    },
    {
      what: "a missing tail",
      steps: [{ kind: "remove", name: segment(3) }],
      places: ["remove-seal"],
    },
    { what: "the checkpoint", steps: [flip("CHECKPOINT", 9)], places: ["move-checkpoint"] },
  ];

suite("planRepair", () => {
  for (const name of goldenNames()) {
    test(`of the whole log "${name}" finds nothing`, async () => {
      const machine = machineWith([], loadGolden(name).files);
      assert.deepEqual((await plan(machine)).places, []);
    });
  }

  for (const { what, steps, places } of CASES) {
    test(`names ${what} and changes nothing, not even a lock`, async () => {
      const machine = machineWith(steps);
      const before = machine.disk.snapshot();
      const found = await plan(machine);
      assert.deepEqual(
        found.places.map(({ action }) => action),
        places,
      );
      assert.equal(found.isTailMissing, what === "a missing tail");
      assert.deepEqual(machine.disk.snapshot(), before);
      assert.deepEqual([machine.disk.openFiles, machine.disk.lockedDirectories], [[], []]);
    });
  }

  test("names a damaged cursor", async () => {
    const machine = machineWith([flip("cursors/reader.cursor", 12)], loadGolden("plain").files);
    const found = await plan(machine);
    assert.deepEqual(
      found.places.map(({ action, path }) => [action, path]),
      [["remove-cursor", `${LOG_DIRECTORY}/cursors/reader.cursor`]],
    );
  });

  test("beside a writer takes nothing for damage that is only being written", async () => {
    const machine = new Machine();
    const wal = await machine.open({ prewriteBytes: 8192 });
    await appendNumbered(wal, 1);
    let isOver = false;
    const writing = (async () => {
      for (let round = 0; round < 60; round++) {
        await appendNumbered(wal, 5);
        if (round % 5 === 2) await wal.rotate();
        if (round % 7 === 3) await wal.cursor("reader").ack(wal.positions.durableLsn);
        if (round % 11 === 5) await wal.truncateBack(wal.positions.appendedLsn - 1);
        await new Promise((resolve) => setImmediate(resolve));
      }
      isOver = true;
    })();
    while (!isOver) {
      assert.deepEqual((await plan(machine)).places, []);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
    await wal.close();
  });

  test("of a directory without a log is refused", async () => {
    const machine = new Machine();
    machine.disk.plant(`${LOG_DIRECTORY}/notes.txt`, textBytes("mine"));
    await assert.rejects(plan(machine), { code: "WAL_INVALID_OPTION" });
    await assert.rejects(repair(machine, BACKUP), { code: "WAL_INVALID_OPTION" });
    assert.equal(machine.disk.hasDirectory(BACKUP), false);
  });
});

suite("repairWal", () => {
  for (const { what, steps } of CASES) {
    test(`from damage to ${what} leaves a log that opens, and everything as it was in the copy`, async () => {
      const machine = machineWith(steps);
      const before = filesOf(machine.disk, LOG_DIRECTORY);
      const planned = await plan(machine);
      const report = await repair(machine, BACKUP);
      assert.deepEqual(
        report.places.map(({ action, path }) => [action, path]),
        planned.places.map(({ action, path }) => [action, path]),
      );
      before.delete("LOCK");
      assert.deepEqual(filesOf(machine.disk, BACKUP), before);
      assert.equal(report.backup?.files, before.size);
      for (const name of report.reports) {
        assert.ok(machine.disk.peek(`${LOG_DIRECTORY}/quarantine/${name}`));
      }
      assert.deepEqual((await plan(machine)).places, []);
      const verified = await verifyLog({ directory: LOG_DIRECTORY, storage: machine.disk });
      assert.deepEqual(verified.damage, []);
      const wal = await machine.open({ recovery: "strict" });
      const { firstLsn, appendedLsn } = wal.positions;
      assert.deepEqual([report.firstLsn, report.lastLsn], [firstLsn, appendedLsn]);
      assert.equal(await wal.append(textBytes("new")), appendedLsn + 1);
      await wal.close();
    });
  }

  test("of damaged cursors moves them to quarantine", async () => {
    const machine = machineWith([flip("cursors/reader.cursor", 12)], loadGolden("plain").files);
    const report = await repair(machine);
    assert.deepEqual(
      report.places.map(({ action }) => action),
      ["remove-cursor"],
    );
    assert.equal(report.backup, undefined);
    const wal = await machine.open();
    await wal.close();
  });

  test("of a log that is whole copies nothing and changes nothing", async () => {
    const machine = machineWith([]);
    const before = machine.disk.snapshot();
    const report = await repair(machine, BACKUP);
    assert.deepEqual([report.places, report.reports, report.backup], [[], [], undefined]);
    assert.deepEqual([report.firstLsn, report.lastLsn], [1, 10]);
    assert.deepEqual(
      machine.disk.snapshot().filter(([path]) => !path.endsWith("LOCK")),
      before.filter(([path]) => !path.endsWith("LOCK")),
    );
    assert.deepEqual([machine.disk.openFiles, machine.disk.lockedDirectories], [[], []]);
  });

  test("of a log that somebody writes is refused", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 1);
    await assert.rejects(repair(machine, BACKUP), { code: "WAL_LOCKED" });
    assert.equal(machine.disk.hasDirectory(BACKUP), false);
    await wal.close();
  });

  for (const [what, backup] of [
    ["is not empty", "/full"],
    ["is inside the log", `${LOG_DIRECTORY}/before`],
    ["is the log", LOG_DIRECTORY],
  ] as const) {
    test(`changes nothing when the directory for the copy ${what}`, async () => {
      const machine = machineWith([flip(segment(2), 130)]);
      machine.disk.plant("/full/notes.txt", textBytes("mine"));
      const before = filesOf(machine.disk, LOG_DIRECTORY);
      await assert.rejects(repair(machine, backup), { code: "WAL_INVALID_OPTION" });
      assert.deepEqual(filesOf(machine.disk, LOG_DIRECTORY), before);
      assert.deepEqual(machine.disk.lockedDirectories, []);
    });
  }

  test("changes nothing when there is no room for the copy", async () => {
    const machine = machineWith([flip(segment(2), 130)]);
    const before = filesOf(machine.disk, LOG_DIRECTORY);
    machine.disk.capacityBytes = machine.disk.usedBytes + 100;
    await assert.rejects(repair(machine, BACKUP), { code: "WAL_NO_SPACE" });
    assert.deepEqual(filesOf(machine.disk, LOG_DIRECTORY), before);
    assert.deepEqual([machine.disk.openFiles, machine.disk.lockedDirectories], [[], []]);
  });

  test("of random damage always leaves a log that opens, or says that it cannot", async () => {
    for (let round = 0; round < 150; round++) {
      const random = new SeededRandom(combineSeeds("repair", round));
      const { files } = loadGolden(random.pick(goldenNames()));
      const steps = randomDamage(files, random);
      const machine = machineWith(steps, files);
      const planned = await plan(machine);
      const report = await repair(machine, BACKUP);
      assert.equal(report.places.length > 0, planned.places.length > 0, `round ${round}`);
      const again = await plan(machine);
      assert.deepEqual(again.places, [], `round ${round}: ${JSON.stringify(steps)}`);
      const { damage } = await verifyLog({ directory: LOG_DIRECTORY, storage: machine.disk });
      const rest = damage.filter(({ kind }) => kind !== "records");
      assert.deepEqual(rest, [], `round ${round}: ${JSON.stringify(steps)}`);
    }
  });

  test("can be cut off at every event and done again", async () => {
    const steps = [flip(segment(2), 130), flip(segment(1), 20)];
    const before = filesOf(machineWith(steps).disk, LOG_DIRECTORY);
    before.delete("LOCK");
    const judged = await crashEverywhere({
      seed: combineSeeds("repair", "crash"),
      disk: machineWith(steps).disk,
      run: async (environment: WalEnvironment) => {
        await repairWal({ directory: LOG_DIRECTORY, backup: BACKUP, environment });
      },
      judge: async (disk) => {
        const machine = new Machine({ disk, seed: 8 });
        const isChanged = [...before].some(
          ([name, bytes]) => filesOf(disk, LOG_DIRECTORY).get(name) !== bytes,
        );
        // The copy is whole and durable before the first byte of the log changes.
        if (isChanged) assert.deepEqual(filesOf(disk, BACKUP), before);
        await repair(machine, "/again");
        assert.deepEqual((await plan(machine)).places, []);
        const wal = await machine.open({ recovery: "strict" });
        await wal.close();
      },
    });
    assert.ok(judged > 100, `${judged} disks`);
  });
});

suite("copyDirectory", () => {
  test("copies every file below a directory but the lock", async () => {
    const { disk } = new Machine();
    disk.plant("/log/LOCK", textBytes("somebody"));
    disk.plant(segmentPath(1), new Uint8Array(5000).fill(7));
    disk.plant("/log/cursors/reader.cursor", textBytes("cursor"));
    disk.plant("/log/quarantine/deep/er/file", textBytes("deep"));
    disk.plant("/log/unknown", new Uint8Array(0));
    const copied = await copyDirectory(disk, "/log", "/copy/of/it");
    assert.deepEqual(copied, { directory: "/copy/of/it", files: 4, bytes: 5010 });
    const expected = filesOf(disk, "/log");
    expected.delete("LOCK");
    assert.deepEqual(filesOf(disk, "/copy/of/it"), expected);
    assert.deepEqual(filesOf(disk.onlyDurable(), "/copy/of/it"), expected);
  });

  test("takes a directory beside it, whose name begins alike, for another one", async () => {
    const { disk } = new Machine();
    disk.plant("/log/a", textBytes("a"));
    assert.equal((await copyDirectory(disk, "/log", "/log-before")).files, 1);
  });
});
