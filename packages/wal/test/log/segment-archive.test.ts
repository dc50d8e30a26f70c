/** The archive of released segments: nothing is ever nowhere, nothing is overwritten, and it is cleaned as the options say. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  combineSeeds,
  FaultyStorage,
  StorageError,
  WrappedStorage,
  type SimulatedDisk,
} from "@walnut/testkit";
import { openWalWith, type Storage, type Wal, type WalOptions } from "@walnut/wal";
import { encodeSegmentHeader } from "../../src/format/segment-header.ts";
import { expiredSegments, SegmentArchive } from "../../src/log/segment-archive.ts";
import { crashEverywhere } from "@walnut/testkit";
import {
  appendNumbered,
  LOG_DIRECTORY,
  Machine,
  numbered,
  QUIET_OPTIONS,
  readTexts,
  segmentPath,
  settle,
} from "../machine.ts";

const ARCHIVE = "/archive";
const ARCHIVING: WalOptions = { ...QUIET_OPTIONS, released: "archive" };

function archived(id: number, directory = ARCHIVE): string {
  return `${directory}/${String(id).padStart(12, "0")}.wal.recovered`;
}

/** Renames between directories fail as they do between file systems. */
function acrossDevices(disk: Storage): Storage {
  return new WrappedStorage(disk, {
    intercept: (call, proceed) => {
      const isFar = call.kind === "rename" && directoryOf(call.path) !== directoryOf(call.to ?? "");
      return isFar ? Promise.reject(new StorageError("EXDEV", call)) : proceed();
    },
  });
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** Three segments of two records each, then released as far as `lsn`. */
async function releaseThree(wal: Wal, lsn: number): Promise<void> {
  for (let segment = 0; segment < 3; segment++) {
    await appendNumbered(wal, 2);
    await wal.rotate();
  }
  await wal.cursor("reader").ack(lsn);
}

function archiveNames(disk: SimulatedDisk, directory = ARCHIVE): string[] {
  return disk
    .snapshot()
    .map(([path]) => path)
    .filter((path) => path.startsWith(`${directory}/`) && path.includes(".recovered"))
    .map((path) => path.slice(directory.length + 1));
}

suite("released: archive", () => {
  test("keeps released segments beside the log, byte for byte", async () => {
    const machine = new Machine();
    const wal = await machine.open(ARCHIVING);
    await appendNumbered(wal, 2);
    await wal.rotate();
    await appendNumbered(wal, 1);
    const before = machine.bytesOf(segmentPath(1));
    await wal.cursor("reader").ack(2);
    assert.deepEqual(machine.bytesOf(archived(1, LOG_DIRECTORY)), before);
    assert.equal(machine.disk.peek(segmentPath(1)), undefined);
    assert.deepEqual(await readTexts(wal), numbered(3, 3));
    await wal.close();
    const reopened = await machine.open(ARCHIVING);
    assert.equal(reopened.positions.firstLsn, 3);
    await reopened.close();
    assert.deepEqual(archiveNames(machine.disk, LOG_DIRECTORY), ["000000000001.wal.recovered"]);
  });

  for (const [how, wrapStorage] of [
    ["by renaming", undefined],
    ["by copying, to another file system", acrossDevices],
  ] as const) {
    const machineOf = (disk?: SimulatedDisk): Machine =>
      new Machine({
        ...(disk === undefined ? {} : { disk }),
        ...(wrapStorage === undefined ? {} : { wrapStorage }),
      });
    const options: WalOptions = { ...ARCHIVING, archiveDirectory: ARCHIVE };

    test(`${how}: keeps them in another directory, made when it is needed`, async () => {
      const machine = machineOf();
      const wal = await machine.open(options);
      assert.equal(machine.disk.hasDirectory(ARCHIVE), false);
      await releaseThree(wal, 4);
      assert.deepEqual(archiveNames(machine.disk), [
        "000000000001.wal.recovered",
        "000000000002.wal.recovered",
      ]);
      await wal.close();
      assert.deepEqual(machine.disk.openFiles, []);
    });

    test(`${how}: a crash at every event leaves each segment in the log, in the archive, or in both`, async () => {
      let acked = 0;
      const judged = await crashEverywhere({
        seed: combineSeeds("archive", how),
        run: async (environment) => {
          const storage = wrapStorage?.(environment.storage) ?? environment.storage;
          const wal = await openWalWith({ ...environment, storage }, options);
          await releaseThree(wal, 2);
          acked = 2;
          await wal.cursor("reader").ack(6);
          acked = 6;
          await wal.close();
        },
        judge: async (disk) => {
          assertNothingIsNowhere(disk);
          const machine = machineOf(disk);
          const wal = await machine.open(options);
          assertNothingIsNowhere(disk);
          const { firstLsn, appendedLsn } = wal.positions;
          assert.ok(firstLsn <= (acked === 0 ? 3 : 7), "no more has left than was acknowledged");
          assert.deepEqual(await readTexts(wal), numbered(firstLsn, appendedLsn));
          // What has left the log has arrived in the archive by the time the log is open.
          const first = wal.status().segments[0]?.segmentId ?? 1;
          for (let id = 1; id < first; id++) assert.ok(disk.peek(archived(id)), `segment ${id}`);
          await wal.close();
        },
      });
      assert.ok(judged > 100, `${judged} disks`);
    });
  }

  test("a failing archive costs space and nothing else; what was left behind goes with the next release", async () => {
    let fails = true;
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          intercept: (call, proceed) =>
            fails && call.kind === "rename" && call.to?.endsWith(".recovered") === true
              ? Promise.reject(new StorageError("EACCES", call))
              : proceed(),
        }),
    });
    const wal = await machine.open({ ...ARCHIVING, archiveDirectory: ARCHIVE });
    await releaseThree(wal, 2);
    assert.equal(wal.positions.firstLsn, 3);
    assert.match(wal.status().releaseFailure ?? "", /EACCES/);
    assert.ok(machine.disk.peek(segmentPath(1)));
    fails = false;
    await wal.cursor("reader").ack(4);
    assert.equal(wal.status().releaseFailure, undefined);
    assert.equal(archiveNames(machine.disk).length, 2);
    await wal.close();
  });

  test("a log opens although the archive's file system is full", async () => {
    const machine = new Machine();
    const first = await machine.open(QUIET_OPTIONS);
    await releaseThree(first, 2);
    await first.close();
    // As a crash between the two steps of a release leaves it.
    machine.disk.plant(segmentPath(1), new Uint8Array(500));
    const full = new Machine({
      disk: machine.disk,
      wrapStorage: (disk) =>
        new FaultyStorage(acrossDevices(disk), [
          { kind: "write", nth: 1, count: Infinity, code: "ENOSPC", path: /^\/archive/ },
        ]),
    });
    const wal = await full.open({ ...ARCHIVING, archiveDirectory: ARCHIVE });
    assert.deepEqual(await readTexts(wal), numbered(3, 6));
    assert.ok(machine.disk.peek(segmentPath(1)), "neither archived nor removed");
    assert.deepEqual(archiveNames(machine.disk), [], "no half of a copy either");
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });
});

/** Segments 1 to the highest there is: none is missing everywhere. */
function assertNothingIsNowhere(disk: SimulatedDisk): void {
  const ids = new Set<number>();
  for (const [path] of disk.snapshot()) {
    const id = /\/(\d{12})\.wal(\.recovered)?$/.exec(path)?.[1];
    if (id !== undefined) ids.add(Number(id));
  }
  for (let id = 1; id <= Math.max(0, ...ids); id++)
    assert.ok(ids.has(id), `segment ${id} is nowhere`);
}

suite("SegmentArchive.take", () => {
  const NOW_MS = 1_000_000;

  function archiveOn(
    disk: Storage,
    limits: { maxAgeMs?: number; maxBytes?: number } = {},
  ): SegmentArchive {
    return new SegmentArchive({
      storage: disk,
      directory: ARCHIVE,
      maxAgeMs: limits.maxAgeMs ?? 0,
      maxBytes: limits.maxBytes ?? 0,
      nowMs: () => NOW_MS,
    });
  }

  function segmentBytes(salt: number, lengthBytes: number, createdAtMs = 1): Uint8Array {
    const bytes = new Uint8Array(lengthBytes);
    bytes.set(
      encodeSegmentHeader({
        segmentId: 1,
        firstLsn: 1,
        salt: new Uint8Array(8).fill(salt),
        previousSegmentId: 0,
        previousEndOffset: 0,
        previousDigest: 0,
        createdAtMs,
      }),
    );
    return bytes;
  }

  for (const [how, wrap] of [
    ["renaming", (disk: Storage) => disk],
    ["copying", acrossDevices],
  ] as const) {
    test(`${how}: keeps both when another log's segment has the name`, async () => {
      const { disk } = new Machine();
      const archive = archiveOn(wrap(disk));
      for (const salt of [1, 2, 3]) {
        disk.plant(`/log${salt}/000000000001.wal`, segmentBytes(salt, 100 + salt));
        await archive.take(`/log${salt}/000000000001.wal`);
      }
      assert.deepEqual(archiveNames(disk), [
        "000000000001.2.wal.recovered",
        "000000000001.3.wal.recovered",
        "000000000001.wal.recovered",
      ]);
      const sizes = (await archive.list()).map(({ sizeBytes }) => sizeBytes);
      assert.deepEqual(
        sizes.toSorted((a, b) => a - b),
        [101, 102, 103],
      );
    });

    test(`${how}: takes the same segment again when a crash came before it had left the log`, async () => {
      const { disk } = new Machine();
      const archive = archiveOn(wrap(disk));
      disk.plant(archived(1), segmentBytes(1, 200));
      disk.plant(`${archived(1)}.tmp`, new Uint8Array(10));
      disk.plant("/log/000000000001.wal", segmentBytes(1, 200));
      await archive.take("/log/000000000001.wal");
      assert.equal(disk.peek("/log/000000000001.wal"), undefined);
      assert.deepEqual(
        (await archive.list()).map(({ path }) => path),
        [archived(1)],
      );
    });
  }

  test("of a file that has gone already does nothing", async () => {
    const { disk } = new Machine();
    await archiveOn(disk).take("/log/000000000001.wal");
    assert.deepEqual(archiveNames(disk), []);
  });

  test("lists nothing where there is no archive", async () => {
    assert.deepEqual(await archiveOn(new Machine().disk).list(), []);
  });

  test("lists the oldest first, whatever their names, and those of unknown age last", async () => {
    const { disk } = new Machine();
    disk.plant(archived(1), segmentBytes(1, 100, 30));
    disk.plant(archived(2), segmentBytes(2, 100, 10));
    disk.plant(archived(3), new Uint8Array(100));
    disk.plant(`${ARCHIVE}/notes.txt`, new Uint8Array(1));
    const ages = (await archiveOn(disk).list()).map(({ createdAtMs }) => createdAtMs);
    assert.deepEqual(ages, [10, 30, undefined]);
  });

  test("cleans by age and by bytes, and leaves what is not its own", async () => {
    const { disk } = new Machine();
    disk.plant(`${ARCHIVE}/000000000001.wal`, segmentBytes(9, 5000, 1));
    for (let id = 1; id <= 5; id++) {
      disk.plant(archived(id), segmentBytes(id, 1000, NOW_MS - 1000 * (6 - id)));
    }
    assert.deepEqual(await archiveOn(disk).clean(), []);
    await archiveOn(disk, { maxAgeMs: 4000 }).clean();
    assert.equal(archiveNames(disk).length, 4, "one is older than 4 s, one is just as old");
    const removed = await archiveOn(disk, { maxBytes: 2500 }).clean();
    assert.deepEqual(
      removed.map(({ path }) => path),
      [archived(2), archived(3)],
    );
    assert.ok(disk.peek(`${ARCHIVE}/000000000001.wal`));
  });

  test("does not mind that somebody else cleans at the same time", async () => {
    const { disk } = new Machine();
    for (let id = 1; id <= 3; id++) disk.plant(archived(id), segmentBytes(id, 1000));
    const racing = new WrappedStorage(disk, {
      intercept: async (call, proceed) => {
        if (call.kind === "openFile" && call.path === archived(2)) await disk.remove(archived(2));
        return await proceed();
      },
    });
    assert.equal((await archiveOn(racing).list()).length, 2);
    await archiveOn(racing, { maxBytes: 1 }).clean();
    assert.deepEqual(archiveNames(disk), []);
  });

  test("cleaning is part of a release", async () => {
    const machine = new Machine();
    const wal = await machine.open({
      ...ARCHIVING,
      archiveDirectory: ARCHIVE,
      archiveMaxAgeMs: 5000,
    });
    await releaseThree(wal, 2);
    assert.equal(archiveNames(machine.disk).length, 1);
    machine.clock.advance(6000);
    await wal.cursor("reader").ack(4);
    await settle();
    assert.equal(archiveNames(machine.disk).length, 0, "both were begun more than 5 s ago");
    await wal.close();
  });
});

suite("expiredSegments", () => {
  const SEGMENTS = [10, 20, 30].map((createdAtMs) => ({
    path: `${createdAtMs}`,
    sizeBytes: 100,
    createdAtMs,
  }));
  const UNKNOWN = { path: "?", sizeBytes: 100, createdAtMs: undefined };
  const cases = [
    { what: "nothing without limits", maxAgeMs: 0, maxBytes: 0, expired: [] },
    { what: "nothing at the limits", maxAgeMs: 90, maxBytes: 400, expired: [] },
    { what: "what is older by a millisecond", maxAgeMs: 89, maxBytes: 0, expired: ["10"] },
    { what: "the oldest for one byte too many", maxAgeMs: 0, maxBytes: 399, expired: ["10"] },
    { what: "all but the newest", maxAgeMs: 0, maxBytes: 100, expired: ["10", "20", "30"] },
    { what: "all", maxAgeMs: 0, maxBytes: 99, expired: ["10", "20", "30", "?"] },
    {
      what: "what is old, and more where that is not enough",
      maxAgeMs: 89,
      maxBytes: 250,
      expired: ["10", "20"],
    },
    {
      what: "nothing of unknown age for its age",
      maxAgeMs: 1,
      maxBytes: 0,
      expired: ["10", "20", "30"],
    },
  ] as const;
  for (const { what, maxAgeMs, maxBytes, expired } of cases) {
    test(`names ${what}`, () => {
      const found = expiredSegments([...SEGMENTS, UNKNOWN], { maxAgeMs, maxBytes, nowMs: 100 });
      assert.deepEqual(
        found.map(({ path }) => path),
        expired,
      );
    });
  }
});
