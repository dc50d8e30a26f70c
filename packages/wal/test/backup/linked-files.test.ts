/**
 * Backups on a real file system share files with the log: nothing that happens to the log changes a byte of the backup.
 */
import assert from "node:assert/strict";
import { link, mkdtemp, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { openWal, restoreWal, type Wal, type WalOptions } from "@walnut/wal";
import { appendNumbered, numbered, QUIET_OPTIONS, readTexts } from "../machine.ts";

async function scratch(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-backup-"));
  context.after(() => rm(directory, { recursive: true }));
  return directory;
}

async function canLink(): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), "walnut-link-"));
  try {
    await (await open(join(directory, "a"), "w")).close();
    await link(join(directory, "a"), join(directory, "b"));
    return true;
  } catch {
    return false;
  } finally {
    await rm(directory, { recursive: true });
  }
}

const skip = (await canLink()) ? false : "the file system for temporary files knows no links";

class Bench {
  readonly log: string;
  readonly backup: string;
  readonly options: WalOptions;

  constructor(directory: string) {
    this.log = join(directory, "log");
    this.backup = join(directory, "backup");
    this.options = { ...QUIET_OPTIONS, directory: this.log };
  }

  /** Segments of two records each; the last of them active. */
  async open(segments = 0): Promise<Wal> {
    const wal = await openWal(this.options);
    for (let segment = 0; segment < segments; segment++) {
      if (segment > 0) await wal.rotate();
      await appendNumbered(wal, 2);
    }
    return wal;
  }

  segment(id: number, directory = this.log): string {
    return join(directory, `${String(id).padStart(12, "0")}.wal`);
  }

  /** Everything in the backup, by name. */
  async backupBytes(): Promise<Map<string, string>> {
    const files = new Map<string, string>();
    for (const entry of await readdir(this.backup, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(path, (await readFile(path)).toString("hex"));
    }
    return files;
  }

  async restoredTexts(): Promise<string[]> {
    const directory = `${this.log}-restored`;
    await restoreWal({ backup: this.backup, directory });
    const wal = await openWal({ ...this.options, directory });
    const texts = await readTexts(wal);
    await wal.close();
    return texts;
  }
}

suite("a backup that shares files with the log", { skip }, () => {
  test("links what is closed and copies the rest", async (context) => {
    const bench = new Bench(await scratch(context));
    const wal = await bench.open(3);
    const report = await wal.backup(bench.backup);
    for (const id of [1, 2]) {
      const [one, other] = [
        await stat(bench.segment(id)),
        await stat(bench.segment(id, bench.backup)),
      ];
      assert.equal(one.ino, other.ino);
    }
    assert.notEqual(
      (await stat(bench.segment(3))).ino,
      (await stat(bench.segment(3, bench.backup))).ino,
    );
    assert.ok(report.linkedBytes > 0 && report.copiedBytes > 0);
    await wal.close();
    assert.deepEqual(await bench.restoredTexts(), numbered(1, 6));
  });

  const CHANGES: Readonly<Record<string, (wal: Wal, bench: Bench) => Promise<unknown>>> = {
    "appends and rotations": async (wal) => {
      await appendNumbered(wal, 3);
      await wal.rotate();
      await appendNumbered(wal, 3);
    },
    "a release": (wal) => wal.cursor("reader").ack(6),
    "a cut inside a linked segment": (wal) => wal.truncateBack(3),
    "a cut at the end of a linked segment, and appends": async (wal) => {
      await wal.truncateBack(4);
      await appendNumbered(wal, 5);
    },
    "a cut of everything": (wal) => wal.truncateBack(0),
    "a new front": (wal) => wal.truncateFront(4),
    "closing and opening again": async (wal, bench) => {
      await wal.close();
      const again = await bench.open(2);
      await again.close();
    },
    "a missing seal that the next open makes up for": async (wal, bench) => {
      await wal.close();
      const path = bench.segment(1);
      // As a crash before the seal leaves it; on a file of its own, as the backup was taken after that crash.
      const bytes = await readFile(path);
      await rm(path);
      const file = await open(path, "wx");
      await file.write(bytes.subarray(0, bytes.byteLength - 112));
      await file.close();
      const other = bench.segment(1, bench.backup);
      await rm(other);
      await link(path, other);
      const before = await bench.backupBytes();
      const again = await bench.open();
      assert.ok((await stat(path)).size > (await stat(other)).size, "sealed");
      await again.close();
      assert.deepEqual(await bench.backupBytes(), before);
    },
  };
  for (const [what, change] of Object.entries(CHANGES)) {
    test(`stays as it is through ${what}`, async (context) => {
      const bench = new Bench(await scratch(context));
      const wal = await bench.open(3);
      await wal.backup(bench.backup);
      const before = await bench.backupBytes();
      await change(wal, bench);
      await wal.close();
      const after = await bench.backupBytes();
      if (!what.startsWith("a missing seal")) assert.deepEqual(after, before);
      assert.deepEqual(await bench.restoredTexts(), numbered(1, 6));
    });
  }

  for (const [what, damage] of [
    ["a frame", { segmentId: 1, offset: 64 + 60 }],
    ["a segment header", { segmentId: 2, offset: 20 }],
  ] as const) {
    test(`stays as it is when the log is salvaged from damage to ${what}`, async (context) => {
      const bench = new Bench(await scratch(context));
      const wal = await bench.open(3);
      await wal.backup(bench.backup);
      await wal.close();
      // The medium goes bad under both names: that is what a link cannot help against.
      const file = await open(bench.segment(damage.segmentId), "r+");
      await file.write(new Uint8Array([0xff, 0xff]), 0, 2, damage.offset);
      await file.close();
      const before = await bench.backupBytes();
      const salvaged = await openWal({ ...bench.options, recovery: "salvage" });
      assert.equal(salvaged.recovery.salvage?.places.length, 1);
      await salvaged.close();
      assert.deepEqual(await bench.backupBytes(), before);
      const healed = await openWal({ ...bench.options, recovery: "strict" });
      await healed.close();
    });
  }

  test("stays as it is when the last segment's seal is given up", async (context) => {
    const bench = new Bench(await scratch(context));
    const wal = await bench.open(3);
    await wal.backup(bench.backup);
    await wal.close();
    await rm(bench.segment(3));
    const before = await bench.backupBytes();
    const salvaged = await openWal({ ...bench.options, recovery: "salvage" });
    assert.deepEqual(await readTexts(salvaged), numbered(1, 4));
    await salvaged.close();
    assert.deepEqual(await bench.backupBytes(), before);
    assert.deepEqual(await bench.restoredTexts(), numbered(1, 6));
  });

  test("can be opened and written to itself without harm to the log", async (context) => {
    const bench = new Bench(await scratch(context));
    const wal = await bench.open(3);
    await wal.backup(bench.backup);
    const other = await openWal({ ...bench.options, directory: bench.backup });
    await other.truncateBack(1);
    await appendNumbered(other, 2);
    await other.close();
    assert.deepEqual(await readTexts(wal), numbered(1, 6));
    await wal.close();
    const again = await openWal({ ...bench.options, recovery: "strict" });
    assert.deepEqual(await readTexts(again), numbered(1, 6));
    await again.close();
  });
});
