/**
 * A full disk and an exhausted budget: points are refused and nothing is lost, and a store that has nothing but releases to make room
 * with gets out of it.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  SimulatedDisk,
  Simulation,
  SmallVolume,
  VOLUME_KINDS,
  whyNotMountable,
} from "@walnut/testkit";
import { isWalError } from "@walnut/wal";
import {
  ListMemtable,
  openSeriesLog,
  type SeriesEntry,
  type SeriesLog,
  type SeriesLogOptions,
} from "@walnut/series";
import { contentOf, open, SMALL } from "./series-model.ts";

const isNoSpace = (error: unknown): boolean => isWalError(error, "WAL_NO_SPACE");

const value = (id: number, bytes: number): Uint8Array => {
  const made = new Uint8Array(bytes);
  for (let at = 4; at < bytes; at++) made[at] = (id * 31 + at * 17) & 0xff;
  new DataView(made.buffer).setUint32(0, id, true);
  return made;
};

/** Writes until there is no room; says how many points were acknowledged. */
async function writeUntilFull(log: SeriesLog, from: number, bytes: number): Promise<number> {
  for (let id = from; ; id++) {
    try {
      await log.write(1n, BigInt(id), value(id, bytes));
    } catch (error) {
      assert.ok(isNoSpace(error), String(error));
      return id;
    }
  }
}

/** Tries again until there is room: the one who makes it does not say so. */
async function writeWhenThereIsRoom(log: SeriesLog, id: number, bytes: number): Promise<void> {
  for (let left = 40; ; left--) {
    try {
      await log.write(1n, BigInt(id), value(id, bytes));
      return;
    } catch (error) {
      if (!isNoSpace(error) || left === 0) throw error;
      await sleep(50);
    }
  }
}

async function flushAll(log: SeriesLog): Promise<number> {
  let points = 0;
  for (const frozen of await log.rotate()) {
    points += contentOf(frozen.memtable).length;
    await frozen.release();
  }
  await log.reclaim();
  return points;
}

/** Full, flushed, full again: three times, and everything that was acknowledged is in one of the flushes. */
async function liveOnFullDisk(log: SeriesLog, bytes: number): Promise<void> {
  let written = 0;
  let flushed = 0;
  for (let round = 0; round < 3; round++) {
    if (round > 0) {
      await writeWhenThereIsRoom(log, written, bytes);
      written++;
    }
    written = await writeUntilFull(log, written, bytes);
    flushed += await flushAll(log);
    assert.equal(flushed, written);
    assert.deepEqual(log.frozen(), []);
  }
  assert.ok(written > 20, `${written} points`);
}

suite("a series log on a full disk", () => {
  const options: SeriesLogOptions = { compression: "none", fileSizeBytes: 512 * 1024 * 1024 };
  for (const kind of VOLUME_KINDS) {
    test(
      `of its own gets out of it by releases alone, ${kind}`,
      {
        skip: whyNotMountable(kind),
      },
      async (context: TestContext) => {
        const volume = SmallVolume.mount(kind, context);
        const directory = join(volume.path, "log");
        const log = await openSeriesLog({ directory, ...options });
        await liveOnFullDisk(log, 50_000);
        await log.close();
        await using again = await openSeriesLog({ directory, ...options });
        assert.deepEqual(again.frozen(), []);
      },
    );

    test(
      `filled by others to the last byte: a release still succeeds, and survives, ${kind}`,
      {
        skip: whyNotMountable(kind),
      },
      async (context: TestContext) => {
        const volume = SmallVolume.mount(kind, context);
        const directory = join(volume.path, "log");
        const log = await openSeriesLog({ directory, ...options });
        for (const id of ["a", "b", "c"]) await log.memtable(id).write(1n, 1n, value(1, 20_000));
        volume.fill();
        await writeUntilFull(log, 0, 50_000);
        const frozen = await log.rotate();
        for (const one of frozen) if (one.memtableId !== "b") await one.release();
        await log.close();
        // Opened without a byte of room as well, and with what is left of the reserve.
        const again = await openSeriesLog({ directory, ...options });
        const left = again.frozen().map(({ memtableId }) => memtableId);
        assert.deepEqual(left, ["b"]);
        for (const one of again.frozen()) await one.release();
        volume.drain();
        await writeWhenThereIsRoom(again, 1, 50_000);
        assert.ok(readdirSync(directory).includes("reserve"));
        await again.close();
      },
    );
  }

  test("makes a reserve anew of which a crash has left a part", async (context) => {
    const directory = mkdtempSync(join(tmpdir(), "walnut-series-"));
    context.after(() => rmSync(directory, { recursive: true, force: true }));
    const path = join(directory, "reserve");
    writeFileSync(path, new Uint8Array(100));
    await using log = await openSeriesLog({ directory, ...options });
    assert.equal(log.status().state, "open");
    assert.equal(statSync(path).size, 64 * 1024);
  });

  test("of simulated bytes: at any size of the disk a release makes room", async () => {
    let fullDisks = 0;
    for (let kib = 100; kib <= 400; kib += 23) {
      const simulation = new Simulation({
        seed: kib,
        disk: new SimulatedDisk({ capacityBytes: kib * 1024 }),
      });
      const end = await simulation.run(async (environment) => {
        const log = await open(environment, { ...SMALL, compression: "none" });
        for (let round = 0; round < 3; round++) {
          let id = 0;
          for (; id < 200; id++) {
            const refused = await log
              .write(1n, BigInt(id), value(id, 3000))
              .then(() => false, isNoSpace);
            if (!refused) continue;
            fullDisks++;
            break;
          }
          const frozen = await log.rotate();
          const points = frozen.flatMap(({ memtable }) => contentOf(memtable)).length;
          assert.equal(points, id, `${kib} KiB, round ${round}`);
          for (const one of frozen) await one.release();
          await log.reclaim();
          await new Promise<void>((resolve) => environment.setTimer(300, resolve));
          await log.write(1n, 1000n, value(1000, 10)).catch(() => undefined); // Has the log look for room.
          await new Promise<void>((resolve) => environment.setTimer(300, resolve));
          await flush(log);
        }
        await log.close();
      });
      if (end.kind === "failed") throw new Error(`${kib} KiB`, { cause: end.error });
      assert.equal(end.kind, "done");
    }
    assert.ok(fullDisks > 20, `${fullDisks} full disks`);
  });
});

suite("carrying forward on a full disk", () => {
  test("is given up for asking the owner, and tried again when files have gone", async () => {
    let attempts = 0;
    class Watched extends ListMemtable {
      override entries(): IterableIterator<SeriesEntry> {
        attempts++;
        return super.entries();
      }
    }
    const asked: string[] = [];
    const disk = new SimulatedDisk({ capacityBytes: 200 * 1024 });
    const end = await new Simulation({ seed: 1, disk }).run(async (environment) => {
      const log = await open(environment, {
        ...SMALL,
        compression: "none",
        memtable: ({ memtableId }) => (memtableId === "slow" ? new Watched() : new ListMemtable()),
        onFlushWanted: ({ memtableId }) => asked.push(memtableId),
      });
      for (let id = 0; id < 9; id++) await log.memtable("slow").write(1n, 1n, value(id, 10_000));
      // Small points go on, in files that hold many of them, although the slow memtable does not fit a second time.
      const { files } = log.status();
      attempts = 0;
      let acknowledged = 0;
      for (let id = 0; id < 60; id++) {
        const isRefused = await log
          .memtable("busy")
          .write(1n, 1n, value(id, 300))
          .then(() => false, isNoSpace);
        if (!isRefused) acknowledged++;
      }
      assert.ok(acknowledged > 50, `${acknowledged} points`);
      assert.ok(attempts <= 2, `${attempts} attempts`);
      assert.ok(log.status().files <= files + 3, `${files} to ${log.status().files} files`);
      assert.ok(asked.includes("slow"));
      // What was asked for gives room, and what is carried then has it.
      const flushed = await log.memtable("slow").rotate();
      await flushed?.release();
      await log.reclaim();
      await log.memtable("slow").write(1n, 1n, value(1, 100));
      const { carriedPoints } = log.status();
      for (let id = 0; id < 20; id++) {
        await log.memtable("busy").write(1n, 1n, value(id, 4000));
        await (await log.memtable("busy").rotate())?.release();
      }
      assert.ok(log.status().carriedPoints > carriedPoints);
      await log.close();
    });
    if (end.kind === "failed") throw end.error;
    assert.equal(end.kind, "done");
  });
});

async function flush(log: SeriesLog): Promise<void> {
  for (const one of await log.rotate()) await one.release();
}

suite("a budget of bytes", () => {
  const newDirectory = (context: TestContext): string => {
    const directory = mkdtempSync(join(tmpdir(), "walnut-series-"));
    context.after(() => rmSync(directory, { recursive: true, force: true }));
    return directory;
  };

  test("refuses points until memtables are released, and never a release", async (context) => {
    const directory = newDirectory(context);
    const maxLogBytes = 400 * 1024;
    const log = await openSeriesLog({
      directory,
      compression: "none",
      fileSizeBytes: 64 * 1024,
      maxLogBytes,
    });
    await liveOnFullDisk(log, 10_000);
    const written = await writeUntilFull(log, 0, 10_000);
    assert.ok(written > 10);
    assert.ok(log.status().logBytes <= maxLogBytes, `${log.status().logBytes} bytes`);
    await log.close();
    // The budget holds behind a restart: what is there counts.
    await using again = await openSeriesLog({ directory, fileSizeBytes: 64 * 1024, maxLogBytes });
    await assert.rejects(again.write(1n, 1n, value(1, 20_000)), isNoSpace);
    for (const one of again.frozen()) await one.release();
    await again.reclaim();
    await again.write(1n, 1n, value(1, 20_000));
  });

  test("is left alone by what is carried forward: the owner is asked to flush instead", async (context) => {
    const directory = newDirectory(context);
    const asked = new Set<string>();
    await using log = await openSeriesLog({
      directory,
      compression: "none",
      fileSizeBytes: 16 * 1024,
      maxLogBytes: 200 * 1024,
      maxHeldFiles: 2,
      onFlushWanted: ({ memtableId }) => asked.add(memtableId),
    });
    await log.memtable("slow").write(1n, 1n, value(1, 110_000));
    for (let id = 0; id < 7; id++) await log.memtable("busy").write(1n, 1n, value(1, 9000));
    await log.reclaim();
    assert.deepEqual([...asked], ["slow"]);
    const held = log.status().regions.find(({ memtableId }) => memtableId === "slow")?.heldFiles;
    assert.ok(held !== undefined && held > 2, "it was carried");
  });
});
