/** The bound on what a power loss takes holds for a trickle: one point every 10 ms never lets the log be idle. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { LoseAllChooser, Simulation, type SimulatedDisk } from "@walnut/testkit";
import { openSeriesLog, type SeriesLogOptions } from "@walnut/series";
import { contentOf, open, SMALL } from "./series-model.ts";

const PERIOD_MS = 400;
const POINTS = 120;

async function timestampsOn(disk: SimulatedDisk): Promise<ReadonlySet<number>> {
  const found = new Set<number>();
  const end = await new Simulation({ seed: 1, disk }).run(async (environment) => {
    const log = await open(environment);
    for (const { memtable } of log.frozen()) {
      for (const text of contentOf(memtable)) found.add(Number(/@(\d+)=/.exec(text)?.[1]));
    }
    await log.close();
  });
  if (end.kind === "failed") throw end.error;
  return found;
}

suite("a trickle of one point every 10 ms", () => {
  const levels: readonly SeriesLogOptions[] = [{ durability: "interval" }, { persistent: false }];
  for (const level of levels) {
    test(`BanyanDB and IoTDB wait for an idle moment: here a power loss takes no more than the period (${Object.keys(level).join()})`, async () => {
      const simulation = new Simulation({ seed: 3 });
      const { clock } = simulation;
      const writtenAtMs: number[] = [];
      let events = 0;
      let checked = 0;
      const check = async (): Promise<boolean> => {
        if (++events % 25 !== 0) return false;
        const nowMs = clock.monotonicMs();
        const there = await timestampsOn(simulation.disk.afterPowerLoss(new LoseAllChooser()));
        for (const [index, atMs] of writtenAtMs.entries()) {
          if (nowMs - atMs <= PERIOD_MS) continue;
          checked++;
          assert.ok(
            there.has(index),
            `point ${index} is lost ${nowMs - atMs} ms after it was written`,
          );
        }
        return false;
      };
      const end = await simulation.run(async (environment) => {
        const options = { ...SMALL, ...level, forceWalPeriodMs: PERIOD_MS };
        const log = await open(environment, options);
        for (let index = 0; index < POINTS; index++) {
          writtenAtMs.push(environment.monotonicMs());
          await log.write(1n, BigInt(index), new Uint8Array(8));
          await new Promise<void>((resolve) => environment.setTimer(10, resolve));
        }
      }, check);
      if (end.kind === "failed") throw end.error;
      assert.equal(end.kind, "done");
      assert.ok(checked > 100, `${checked} checks`);
    });
  }

  test("becomes durable again and again on a real disk, while it never pauses", async (context) => {
    const directory = mkdtempSync(join(tmpdir(), "walnut-trickle-"));
    try {
      await using log = await openSeriesLog({
        directory,
        durability: "interval",
        forceWalPeriodMs: 100,
      });
      const lsns: { readonly lsn: number; readonly atMs: number }[] = [];
      const durableLsns = new Set<number>();
      let slowestMs = 0;
      // A log that waits for idleness never ends this. How long a busy machine takes is no matter of the log.
      while (durableLsns.size < 8) {
        const atMs = performance.now();
        lsns.push({ lsn: await log.write(1n, BigInt(lsns.length), new Uint8Array(8)), atMs });
        await sleep(10);
        const durableLsn = log.status().wal?.positions.durableLsn ?? 0;
        durableLsns.add(durableLsn);
        const oldest = lsns.find(({ lsn }) => lsn > durableLsn);
        if (oldest !== undefined) slowestMs = Math.max(slowestMs, performance.now() - oldest.atMs);
      }
      context.diagnostic(`${Math.round(slowestMs)} ms at most, with a period of 100 ms`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
