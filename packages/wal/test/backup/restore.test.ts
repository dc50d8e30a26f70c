/** Restoring: to an LSN, to a time, with encryption; what is refused. On a real file system, as `restoreWal` does it. */
import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { openWal, restoreWal, type RecoverUntil, type WalOptions } from "@walnut/wal";
import { copyLog } from "../../src/backup/restore.ts";
import {
  bytesText,
  Machine,
  numbered,
  QUIET_OPTIONS,
  readTexts,
  segmentPath,
  textBytes,
} from "../machine.ts";

class Place {
  readonly log: string;
  readonly backup: string;
  readonly target: string;

  constructor(directory: string) {
    this.log = join(directory, "log");
    this.backup = join(directory, "backup");
    this.target = join(directory, "restored");
  }

  static async make(context: TestContext): Promise<Place> {
    const directory = await mkdtemp(join(tmpdir(), "walnut-restore-"));
    context.after(() => rm(directory, { recursive: true }));
    return new Place(directory);
  }

  /** A backup of records 1 to 6 in three segments; record 4 was written at the time that is returned. */
  async back(options: Partial<WalOptions> = {}): Promise<number> {
    const wal = await openWal({ ...QUIET_OPTIONS, ...options, directory: this.log });
    let timeMs = 0;
    for (let lsn = 1; lsn <= 6; lsn++) {
      await wal.append(textBytes(`r${lsn}`));
      if (lsn === 4) timeMs = Date.now();
      if (lsn % 2 === 0) await wal.rotate();
      // Frames carry milliseconds.
      const startMs = Date.now();
      while (Date.now() <= startMs + 1) await new Promise((resolve) => setImmediate(resolve));
    }
    wal.cursor("slow");
    await wal.cursor("reader").ack(5);
    await wal.backup(this.backup);
    await wal.close();
    return timeMs;
  }

  async texts(options: Partial<WalOptions> = {}): Promise<string[]> {
    const wal = await openWal({ ...QUIET_OPTIONS, ...options, directory: this.target });
    const texts = await readTexts(wal);
    await wal.close();
    return texts;
  }
}

suite("restoreWal", () => {
  test("brings back everything, with its cursors, as a log that goes on", async (context) => {
    const place = await Place.make(context);
    await place.back();
    const progress: number[] = [];
    const positions = await restoreWal({
      backup: place.backup,
      directory: place.target,
      onProgress: ({ segments }) => progress.push(segments),
    });
    assert.deepEqual(positions, { firstLsn: 1, appendedLsn: 6, writtenLsn: 6, durableLsn: 6 });
    assert.ok(progress.length >= 3);
    const wal = await openWal({ ...QUIET_OPTIONS, directory: place.target });
    assert.equal(wal.cursor("reader").lsn, 5);
    assert.equal(await wal.append(textBytes("r7")), 7);
    assert.deepEqual(await readTexts(wal), numbered(1, 7));
    await wal.close();
  });

  const cases: readonly { what: string; until: (timeMs: number) => RecoverUntil; last: number }[] =
    [
      { what: "an LSN", until: () => ({ lsn: 3 }), last: 3 },
      { what: "the last LSN of a segment", until: () => ({ lsn: 4 }), last: 4 },
      { what: "an LSN behind the end", until: () => ({ lsn: 99 }), last: 6 },
      { what: "LSN 0", until: () => ({ lsn: 0 }), last: 0 },
      { what: "the time of a record", until: (timeMs) => ({ timeMs }), last: 4 },
      { what: "a time before everything", until: () => ({ timeMs: 1 }), last: 0 },
    ];
  for (const { what, until, last } of cases) {
    test(`to ${what}: later records are gone for good, and cursors move back`, async (context) => {
      const place = await Place.make(context);
      const timeMs = await place.back();
      await restoreWal({ backup: place.backup, directory: place.target, until: until(timeMs) });
      assert.deepEqual(await place.texts(), numbered(1, last));
      const wal = await openWal({ ...QUIET_OPTIONS, directory: place.target, recovery: "strict" });
      assert.equal(wal.cursor("reader").lsn, Math.min(5, last));
      assert.equal(await wal.append(textBytes("new")), last + 1);
      await wal.close();
    });
  }

  test("the same backup serves many restores, and is never changed", async (context) => {
    const place = await Place.make(context);
    await place.back();
    for (const lsn of [2, 6, 3]) {
      await restoreWal({ backup: place.backup, directory: place.target, until: { lsn } });
      assert.deepEqual(await place.texts(), numbered(1, lsn));
      await rm(place.target, { recursive: true });
    }
  });

  test("with encryption: to an LSN inside a frame with the keys, and not at all with others", async (context) => {
    const place = await Place.make(context);
    const key = new Uint8Array(32).fill(7);
    const options = await encryptedOptions(place, key);
    const wal = await openWal({ ...QUIET_OPTIONS, ...options, directory: place.log });
    await wal.appendBatch(["r1", "r2", "r3"].map(textBytes));
    await wal.backup(place.backup);
    await wal.close();
    const until = { lsn: 2 };
    await restoreWal({ backup: place.backup, directory: place.target, until, open: options });
    assert.deepEqual(await place.texts(options), numbered(1, 2));
    const other = `${place.target}-2`;
    await assert.rejects(restoreWal({ backup: place.backup, directory: other, until }), {
      code: "WAL_KEY_MISSING",
    });
  });

  test("refuses a directory that is not empty, and touches nothing there", async (context) => {
    const place = await Place.make(context);
    await place.back();
    await mkdir(place.target);
    await writeFile(join(place.target, "notes.txt"), "mine");
    const restore = restoreWal({ backup: place.backup, directory: place.target });
    await assert.rejects(restore, { code: "WAL_INVALID_OPTION" });
    assert.deepEqual(await readdir(place.target), ["notes.txt"]);
  });

  test("refuses what is no backup", async (context) => {
    const place = await Place.make(context);
    const restore = (): Promise<unknown> =>
      restoreWal({ backup: place.backup, directory: place.target });
    await assert.rejects(restore(), { code: "WAL_INVALID_OPTION" });
    await mkdir(place.backup);
    await assert.rejects(restore(), { code: "WAL_CORRUPT" });
    await writeFile(join(place.backup, "000000000001.wal"), "");
    await assert.rejects(restore(), { code: "WAL_CORRUPT" });
    assert.equal((await readdir(join(place.backup, ".."))).includes("restored"), false);
  });

  test("refuses a damaged backup: every frame is checked", async (context) => {
    const place = await Place.make(context);
    await place.back();
    const path = join(place.backup, "000000000001.wal");
    await rm(path);
    await writeFile(path, new Uint8Array(500));
    await chmod(path, 0o600);
    await assert.rejects(restoreWal({ backup: place.backup, directory: place.target }), {
      code: "WAL_CORRUPT",
    });
  });
});

async function encryptedOptions(place: Place, key: Uint8Array): Promise<Partial<WalOptions>> {
  const keyFile = `${place.log}-keys`;
  await writeFile(keyFile, `1:${Buffer.from(key).toString("base64")}\n`, { mode: 0o600 });
  return { encryption: { keyFile } };
}

suite("copyLog", () => {
  test("copies segments, cursors and checkpoint, and nothing else", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await wal.append(textBytes("r1"));
    await wal.rotate();
    await wal.append(textBytes("r2"));
    await wal.cursor("reader").ack(0);
    await wal.backup("/backup");
    machine.disk.plant("/backup/notes.txt", textBytes("mine"));
    machine.disk.plant("/backup/cursors/reader.cursor.tmp", textBytes("half"));
    await copyLog(machine.disk, "/backup", "/restored");
    const names = machine.disk
      .snapshot()
      .map(([path]) => path)
      .filter((path) => path.startsWith("/restored/"))
      .map((path) => path.slice("/restored/".length));
    assert.deepEqual(names, [
      segmentPath(1).slice(5),
      segmentPath(2).slice(5),
      "CHECKPOINT",
      "cursors/reader.cursor",
    ]);
    assert.equal(bytesText(machine.bytesOf("/backup/notes.txt")), "mine");
    await wal.close();
  });

  test("is durable when it resolves", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await wal.append(textBytes("r1"));
    wal.cursor("reader");
    await wal.cursor("reader").ack(1);
    await wal.backup("/backup");
    await copyLog(machine.disk, "/backup", "/restored");
    const after = machine.afterPowerLoss();
    const restored = await after.open({ directory: "/restored", recovery: "strict" });
    assert.deepEqual(await readTexts(restored), numbered(1, 1));
    assert.equal(restored.cursor("reader").lsn, 1);
    await restored.close();
    await wal.close();
  });
});
