/**
 * Power loss and kill -9 at every moment of random histories of writes, swaps, flushes, releases and carried regions: no point that was
 * acknowledged is lost, none comes twice, none comes back, batches are whole.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  combineSeeds,
  crashEverywhere,
  SeededRandom,
  SimulatedDisk,
  Simulation,
} from "@walnut/testkit";
import type { SimulatedEnvironment } from "@walnut/testkit";
import { isWalError } from "@walnut/wal";
import type { SeriesLogOptions } from "@walnut/series";
import { open, SMALL, StoreModel } from "../series-model.ts";

const SEEDS = Number(process.env["WALNUT_SERIES_CRASH_SEEDS"] ?? "1");
const OPERATIONS = Number(process.env["WALNUT_SERIES_CRASH_OPERATIONS"] ?? "8");
const MEMTABLES = ["a", "b", "slow"] as const;

async function live(
  environment: SimulatedEnvironment,
  model: StoreModel,
  random: SeededRandom,
  options: SeriesLogOptions,
): Promise<void> {
  const log = await open(environment, options);
  await model.write(log, "slow", 50);
  const maxValueBytes = random.pick([40, 6000]);
  for (let count = 0; count < OPERATIONS;) {
    const together: Promise<void>[] = [];
    for (let width = random.pick([1, 1, 2, 4]); width > 0; width--, count++) {
      const memtableId = random.pick(MEMTABLES.slice(0, 2));
      if (random.chance(0.75)) together.push(model.write(log, memtableId, maxValueBytes));
      else if (random.chance(0.7)) {
        together.push(
          log
            .memtable(memtableId)
            .rotate()
            .then((frozen) => model.flush(frozen)),
        );
      } else {
        together.push(
          log.rotate().then(async (all) => {
            for (const frozen of all) {
              // The slow one is only flushed now and then.
              if (frozen.memtableId !== "slow" || random.chance(0.2)) await model.flush(frozen);
            }
          }),
        );
      }
    }
    await Promise.all(together);
  }
  if (random.chance(0.5)) await log.close();
}

async function judge(disk: SimulatedDisk, model: StoreModel, seed: number): Promise<void> {
  const end = await new Simulation({ seed, disk }).run(async (environment) => {
    const log = await open(environment);
    model.assertRecovered(log);
    // Life goes on: what is written now is there after another start, beside what was found.
    const before = log.frozen().map(({ region }) => region);
    await log.write(1n, 1n, Uint8Array.of(1));
    await log.close();
    const again = await open(environment);
    const after = again.frozen().map(({ region }) => region);
    assert.deepEqual(after.slice(0, -1), before);
    const newest = after.at(-1) ?? 0;
    assert.ok(
      ![...model.files.keys(), ...before].includes(newest),
      `region ${newest} is used twice`,
    );
    await again.close();
  });
  if (end.kind === "failed") throw end.error;
  assert.equal(end.kind, "done");
}

suite("a series log after a crash", () => {
  for (const layout of ["v1", "v2"] as const) {
    for (let seed = 1; seed <= SEEDS; seed++) {
      test(`is what was acknowledged, layout ${layout}, seed ${seed}`, async (context) => {
        const random = new SeededRandom(combineSeeds(seed, layout));
        const model = new StoreModel(random);
        const options = {
          ...SMALL,
          layout,
          compression: seed % 2 === 0 ? "deflate" : "none",
        } as const;
        const judged = await crashEverywhere({
          seed,
          run: (environment) => live(environment, model, random, options),
          judge: (disk) => judge(disk, model, seed),
          stamp: () => model.stamp,
        });
        assert.ok(judged > 100);
        context.diagnostic(`${judged} states`);
      });
    }
  }

  test("has a slow memtable whole while it is carried forward", async (context) => {
    const model = new StoreModel(new SeededRandom(5));
    const options = { ...SMALL, compression: "none", maxHeldFiles: 1 } as const;
    let carried = 0;
    const run = async (environment: SimulatedEnvironment): Promise<void> => {
      const log = await open(environment, options);
      for (let file = 0; file < 3; file++) {
        // Writes to the slow one come while its points are carried.
        const writes = ["slow", "busy", "slow"].map((id) => model.write(log, id, 20));
        await Promise.all([...writes, model.flush(await log.memtable("busy").rotate())]);
        await log.rotate().then(async (frozen) => {
          for (const one of frozen) if (one.memtableId === "busy") await model.flush(one);
        });
      }
      await log.reclaim();
      carried = log.status().carriedPoints;
      await log.close();
    };
    const judged = await crashEverywhere({
      seed: 5,
      run,
      judge: (disk) => judge(disk, model, 5),
      stamp: () => model.stamp,
    });
    assert.ok(carried > 0);
    context.diagnostic(`${judged} states, ${carried} points carried`);
  });

  test("on a full disk, while releases take the room of the reserve (series-reserve-1), still releases all that is left", async (context) => {
    const seed = 7;
    const model = new StoreModel(new SeededRandom(seed));
    const options = { ...SMALL, compression: "none", fileSizeBytes: 1024 * 1024 } as const;
    const disk = new SimulatedDisk({ capacityBytes: 160 * 1024 });
    const isNoSpace = (error: unknown): boolean => isWalError(error, "WAL_NO_SPACE");
    let isFull = false;
    let lent = 0;
    const run = async (environment: SimulatedEnvironment): Promise<void> => {
      const log = await open(environment, options);
      for (const id of ["a", "b", "slow"]) await model.write(log, id, 3000);
      while (!isFull) {
        isFull = await model.write(log, "a", 8000).then(() => false, isNoSpace);
      }
      for (const frozen of await log.rotate()) {
        if (frozen.memtableId !== "slow") await model.flush(frozen);
      }
      await log.close();
    };
    const judged = await crashEverywhere({
      seed,
      disk,
      run,
      judge: async (image) => {
        if (!isFull) return;
        // A write that the disk had no room for is whole in some images: then they are what is full.
        image.capacityBytes = Math.max(image.capacityBytes, image.usedBytes);
        if (image.peek("/series/reserve") === undefined) lent++;
        const end = await new Simulation({ seed, disk: image }).run(async (environment) => {
          const log = await open(environment, options);
          model.assertRecovered(log);
          for (const frozen of log.frozen()) await frozen.release();
          await log.close();
        });
        if (end.kind === "failed") throw end.error;
        assert.equal(end.kind, "done");
      },
      stamp: () => model.stamp,
    });
    assert.ok(lent > 0, "no crash came while the reserve was lent");
    context.diagnostic(`${judged} states, ${lent} without the reserve`);
  });
});
