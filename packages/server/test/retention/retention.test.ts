import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite, test, type TestContext } from "node:test";
import { RetentionDirectory } from "../../src/retention/retention-directory.ts";
import { Retention } from "../../src/retention/retention.ts";
import { CrashPoint, everyCrashPoint } from "../store/crash-point.ts";
import {
  HOUR_NS,
  MemoryCatalogDisk,
  SOME_TIME_NS,
  interceptedFiles,
  one,
  openTestStore,
  rows,
  temporaryDirectory,
} from "../store/store-fixture.ts";

const DAY_MS = 86_400_000;
const START_MS = Number(SOME_TIME_NS / 1_000_000n) + DAY_MS;

async function fixture(t: TestContext) {
  const dataDirectory = await temporaryDirectory(t);
  const disk = new MemoryCatalogDisk();
  const { store } = await openTestStore(dataDirectory, disk);
  store.insert(1, rows("db.cpu", 10, { stepNs: HOUR_NS }));
  // One row of a client whose clock is wrong.
  store.insert(2, rows("db.future", 1, { timeNs: SOME_TIME_NS + 100_000n * HOUR_NS }));
  await store.flush();
  t.after(async () => await store.close());
  const time = { wallMs: START_MS, monotonicMs: 0 };
  const warnings: string[] = [];
  const directory = new RetentionDirectory(dataDirectory);
  const open = (): Retention =>
    new Retention({
      directory,
      worker: 1,
      defaultDays: 30,
      intervalMs: 60_000,
      stores: () => [store],
      wallClockMs: () => time.wallMs,
      monotonicMs: () => time.monotonicMs,
      logger: {
        info: () => undefined,
        warn: (text) => warnings.push(text),
        error: (text) => warnings.push(text),
      },
    });
  const count = async (): Promise<unknown> => (await one(store, "SELECT count(*) FROM db.cpu"))[0];
  return { dataDirectory, directory, time, warnings, open, count };
}

suite("retention", () => {
  test("removes whole files, and only those whose newest row is too old", async (t) => {
    const { time, open, count } = await fixture(t);
    const retention = open();
    assert.deepEqual((await retention.run()).tables, []);
    for (let day = 1; day <= 29; day++) {
      time.wallMs += DAY_MS;
      await retention.run();
    }
    assert.equal(await count(), 10);
    time.wallMs += 5 * 3_600_000;
    await retention.run();
    assert.equal(await count(), 5);
    time.wallMs += DAY_MS;
    await retention.run();
    assert.equal(await count(), 0);
    assert.equal(retention.stats.expiredRows, 10);
  });

  test("does not believe a clock that leaped ahead, over a restart either, until it is told to", async (t) => {
    const { time, warnings, open, count } = await fixture(t);
    await open().run();
    time.wallMs += 50 * 365 * DAY_MS;
    for (const retention of [open(), open()]) {
      const run = await retention.run();
      assert.equal(run.is_clock_doubted, true);
      assert.deepEqual(run.tables, []);
    }
    assert.equal(warnings.length, 2);
    assert.equal(await count(), 10);
    const told = await open().run({ trustsClock: true });
    assert.equal(told.is_clock_doubted, false);
    assert.equal(await count(), 0);
  });

  test("deletes nothing while its files cannot be read", async (t) => {
    const { dataDirectory, directory, time, open, count } = await fixture(t);
    await open().run();
    time.wallMs += 20 * 365 * DAY_MS;
    await mkdir(join(dataDirectory, "retention"), { recursive: true });
    for (const name of ["rules.json", "clock-worker-1"]) {
      const path = join(dataDirectory, "retention", name);
      await writeFile(path, "\0\0\0\0");
      const expected = { code: "SERVER_RETENTION_UNAVAILABLE" };
      await assert.rejects(open().run({ trustsClock: true }), expected, name);
      assert.equal(await count(), 10, name);
      await writeFile(path, name === "rules.json" ? '{"rules":[]}' : `${START_MS}\n`);
    }
    await directory.writeRules([{ database: "db", keep_days: null }]);
    await open().run({ trustsClock: true });
    assert.equal(await count(), 10);
  });

  test("a crash at any step, retention-1 and retention-2 included, leaves whole rules and a whole clock", async (t) => {
    const older = [{ database: "db", keep_days: 1 }];
    const newer = [{ database: "db", keep_days: 2 }];
    const seen = new Set<string>();
    await everyCrashPoint(async (at) => {
      const dataDirectory = await temporaryDirectory(t);
      const before = new RetentionDirectory(dataDirectory);
      await before.writeRules(older);
      await before.writeClock(1, 1_000);
      const crash = new CrashPoint(at);
      const dying = new RetentionDirectory(dataDirectory, interceptedFiles(crash.step));
      const work = dying.writeRules(newer).then(async () => await dying.writeClock(1, 2_000));
      await work.catch(() => assert.ok(crash.happened));
      const after = new RetentionDirectory(dataDirectory);
      const [{ keep_days: days } = { keep_days: null }] = await after.readRules();
      const clock = await after.readClock(1);
      seen.add(`${days} ${clock}`);
      if (!crash.happened) assert.deepEqual([days, clock], [2, 2_000]);
      // What is left behind does not stand in the way.
      await after.writeRules(newer);
      await after.writeClock(1, 3_000);
      assert.deepEqual([await after.readRules(), await after.readClock(1)], [newer, 3_000]);
      return crash.happened;
    });
    assert.deepEqual([...seen].toSorted(), ["1 1000", "2 1000", "2 2000"]);
  });
});
