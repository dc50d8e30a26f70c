/**
 * Defects that the logs of BanyanDB and IoTDB had: each as a test of ours. Wrapped lengths are in `layouts.test.ts`, bounds that a
 * trickle breaks in `trickle.test.ts`, acknowledged writes that had failed in `fault.test.ts`.
 */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, suite, test } from "node:test";
import { isWalError, nodeEnvironment, type WalEnvironment } from "@walnut/wal";
import { ListMemtable, openSeriesLog, openSeriesLogWith, type SeriesLog } from "@walnut/series";
import { contentOf } from "../series-model.ts";

const ROOT = mkdtempSync(join(tmpdir(), "walnut-series-"));
after(() => rmSync(ROOT, { recursive: true, force: true }));

let directories = 0;
const newDirectory = (): string => join(ROOT, String(directories++));

const value = (id: number, bytes = 8): Uint8Array => {
  const made = new Uint8Array(bytes);
  new DataView(made.buffer).setUint32(0, id, true);
  return made;
};

const contents = (log: SeriesLog): string[] =>
  log.frozen().flatMap(({ memtable }) => contentOf(memtable));

suite("BanyanDB", () => {
  test("lost the record that triggers a rotation: it is on one side, in log and memtable", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory });
    let swapped: Promise<unknown> | undefined;
    // The memtable is "full" with the fifth point: the swap is asked for right behind its write, before it is acknowledged.
    for (let id = 1; id <= 8; id++) {
      const write = log.write(1n, BigInt(id), value(id));
      if (id === 5) {
        swapped = log.rotate().then(async ([frozen]) => {
          assert.deepEqual(contentOf(frozen?.memtable).length, 5);
          await frozen?.release();
        });
      }
      await write;
    }
    await swapped;
    await log.close();
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(contents(again), ["1@6=6/8", "1@7=7/8", "1@8=8/8"]);
  });

  test("appended behind a torn tail and could not start any more: a torn tail is cut", async () => {
    const directory = newDirectory();
    const crashed = newDirectory();
    await using log = await openSeriesLog({ directory });
    for (let id = 1; id <= 5; id++) await log.write(1n, BigInt(id), value(id));
    // What a crash leaves in the middle of a write: the last record without its end.
    cpSync(directory, crashed, { recursive: true });
    const { path = "", sizeBytes = 0 } = log.status().wal?.segments.at(-1) ?? {};
    truncateSync(join(crashed, "wal", basename(path)), sizeBytes - 3);
    const expected = [1, 2, 3, 4].map((id) => `1@${id}=${id}/8`);
    for (let id = 10; id < 13; id++) {
      await using open = await openSeriesLog({ directory: crashed });
      assert.deepEqual(contents(open), expected);
      await open.write(1n, BigInt(id), value(id));
      expected.push(`1@${id}=${id}/8`);
    }
    await using last = await openSeriesLog({ directory: crashed });
    assert.deepEqual(contents(last), expected);
  });

  test("failed at foreign files in its directory: they are left alone", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory });
    await log.write(1n, 1n, value(1));
    await log.close();
    writeFileSync(join(directory, "notes"), "mine");
    writeFileSync(join(directory, "wal", "x"), "mine");
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(contents(again), ["1@1=1/8"]);
  });

  test("accepted damage for lack of a checksum: damage is named", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory, compression: "none" });
    for (let id = 1; id <= 50; id++) await log.write(1n, BigInt(id), value(id, 200));
    await log.rotate();
    await log.write(1n, 100n, value(100));
    const { path = "", sizeBytes = 0 } = log.status().wal?.segments[0] ?? {};
    await log.close();
    const bytes = readFileSync(path);
    bytes[sizeBytes >> 1] = (bytes[sizeBytes >> 1] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    await assert.rejects(openSeriesLog({ directory }), (error) => isWalError(error, "WAL_CORRUPT"));
  });

  test("lost its answers at a close: every write is answered, and later ones are refused", async () => {
    const log = await openSeriesLog({ directory: newDirectory() });
    const writes = Array.from({ length: 100 }, (_, id) => log.write(1n, BigInt(id), value(id)));
    const closing = log.close();
    const late = assert.rejects(log.write(1n, 1000n, value(1000)), { code: "SERIES_CLOSED" });
    assert.ok((await Promise.allSettled(writes)).every(({ status }) => status === "fulfilled"));
    await late;
    await closing;
  });

  test("lost acknowledged points at a graceful stop: a close keeps them at every level", async () => {
    for (const level of [
      { durability: "interval" },
      { durability: "async" },
      { persistent: false },
    ] as const) {
      const directory = newDirectory();
      const log = await openSeriesLog({ directory, ...level });
      for (let id = 1; id <= 20; id++) await log.write(1n, BigInt(id), value(id));
      await log.close();
      await using again = await openSeriesLog({ directory });
      assert.equal(contents(again).length, 20);
    }
  });

  test("could not read what was written since the start: a tail sees it, and what was just rotated", async () => {
    await using log = await openSeriesLog({ directory: newDirectory() });
    await log.write(1n, 1n, value(1));
    await log.rotate();
    await log.write(1n, 2n, value(2));
    const times: bigint[] = [];
    for await (const record of log.read()) {
      if (record.kind === "points")
        times.push(...record.entries.flatMap(({ timestamps }) => timestamps));
    }
    assert.deepEqual(times, [1n, 2n]);
  });
});

suite("IoTDB", () => {
  test("held all files for one slow memtable: many memtables, one slow, bounded files", async () => {
    const small = { fileSizeBytes: 64 * 1024, maxHeldFiles: 4, compression: "none" } as const;
    await using log = await openSeriesLog({ directory: newDirectory(), ...small });
    await log.memtable("slow").write(1n, 1n, value(1));
    let most = 0;
    for (let round = 0; round < 40; round++) {
      const id = `m${round % 200}`;
      await log.memtable(id).write(1n, BigInt(round), value(round, 40_000));
      await (await log.memtable(id).rotate())?.release();
      await log.reclaim();
      most = Math.max(most, log.status().files);
    }
    assert.ok(most <= 4 + 2, `${most} files`);
    assert.deepEqual(contentOf(log.memtable("slow").active), ["1@1=1/8"]);
  });

  test("grew without saying why: status names who holds the log, how much, since when", async () => {
    const beforeMs = Date.now();
    await using log = await openSeriesLog({ directory: newDirectory() });
    await log.memtable("cpu").writeBatch([{ seriesId: 1n, timestamp: 1n, value: value(1) }]);
    const frozen = await log.memtable("cpu").rotate();
    await log.memtable("disk").write(1n, 1n, value(2));
    const [held, active] = log.status().regions;
    assert.ok(held !== undefined && active !== undefined);
    assert.deepEqual(
      [held.memtableId, held.state, held.points, held.valueBytes, held.heldFiles],
      ["cpu", "frozen", 1, 8, 1],
    );
    assert.equal(active.state, "active");
    assert.ok(held.sinceMs >= Math.floor(beforeMs) && held.sinceMs <= Date.now());
    await frozen?.release();
    assert.deepEqual(
      log.status().regions.map(({ memtableId }) => memtableId),
      ["disk"],
    );
  });

  test("deleted the log when recovery had failed: what cannot be opened stays as it is", async () => {
    const directory = newDirectory();
    const log = await openSeriesLog({ directory });
    await log.write(1n, 1n, value(1));
    await log.close();
    class Failing extends ListMemtable {
      override apply(): void {
        throw new Error("out of memory");
      }
    }
    await assert.rejects(
      openSeriesLog({ directory, memtable: () => new Failing() }),
      /out of memory/,
    );
    await using again = await openSeriesLog({ directory });
    assert.deepEqual(contents(again), ["1@1=1/8"]);
  });
});

suite("memory", () => {
  test("IoTDB had threads and 34 MB of buffers per region: 1,000 memtables and 1,000,000 series cost neither", async (context) => {
    const real = nodeEnvironment();
    let timers = 0;
    let mostTimers = 0;
    const environment: WalEnvironment = {
      ...real,
      setTimer: (delayMs, callback, keepsAlive) => {
        mostTimers = Math.max(mostTimers, ++timers);
        const run = (): void => {
          timers--;
          callback();
        };
        const timer = real.setTimer(delayMs, run, keepsAlive);
        return { cancel: () => timer.cancel() };
      },
    };
    await using log = await openSeriesLogWith(environment, {
      directory: newDirectory(),
      durability: "async",
      // What is measured is the log: the memtable keeps nothing.
      memtable: () => ({ apply: () => undefined }),
    });
    const beforeBytes = process.memoryUsage().rss;
    const bytes = value(1, 16);
    for (let first = 0; first < 1_000_000; first += 10_000) {
      const writes = Array.from({ length: 1000 }, (_, memtable) =>
        log.memtable(`memtable-${memtable}`).writeBatch(
          Array.from({ length: 10 }, (_each, index) => ({
            seriesId: BigInt(first + memtable * 10 + index),
            timestamp: BigInt(first),
            value: bytes,
          })),
        ),
      );
      await Promise.all(writes);
    }
    const { regions } = log.status();
    assert.equal(regions.length, 1000);
    assert.equal(
      regions.reduce((sum, { points }) => sum + points, 0),
      1_000_000,
    );
    const megabytes = (process.memoryUsage().rss - beforeBytes) / 1024 / 1024;
    context.diagnostic(`${megabytes.toFixed(0)} MB more than before, ${mostTimers} timers`);
    assert.ok(mostTimers <= 4, `${mostTimers} timers`);
    assert.ok(megabytes < 400, `${megabytes} MB`);
  });
});
