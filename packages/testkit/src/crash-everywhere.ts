/**
 * Runs a workload on the simulated disk and shows what a crash before each of its events would leave.
 */
import assert from "node:assert/strict";
import { KeepAllChooser, LoseAllChooser, RandomChooser } from "./crash-choice.ts";
import { combineSeeds, SeededRandom } from "./seeded-random.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";
import { Simulation, type SimulatedEnvironment } from "./simulation.ts";

export interface CrashEverywhereOptions {
  readonly seed: number;
  readonly disk?: SimulatedDisk;
  readonly run: (environment: SimulatedEnvironment) => Promise<void>;
  /** Judges a disk that a crash now could leave; it is the judge's own. */
  readonly judge: (disk: SimulatedDisk) => Promise<void>;
  /** Whatever else the judge looks at: a crash counts as a new one when this changes. */
  readonly stamp?: () => string;
  /** Whether a power loss may leave a mix of old and new inside a sector. Default true; false for formats that exclude it. */
  readonly tearSectors?: boolean;
}

/** Returns how many disks were judged. Fails with the first judgement that fails, and says where. */
export async function crashEverywhere(options: CrashEverywhereOptions): Promise<number> {
  const { seed, judge, tearSectors = true } = options;
  const simulation = new Simulation(
    options.disk === undefined ? { seed } : { seed, disk: options.disk },
  );
  let moment = 0;
  let judged = 0;
  let lastStamp = "";
  const end = await simulation.run(options.run, async () => {
    moment++;
    const stamp = `${simulation.disk.changeStamp}|${options.stamp?.() ?? ""}`;
    if (stamp === lastStamp) return false;
    lastStamp = stamp;
    for (const [name, disk] of imagesOf(simulation.disk, {
      seed: combineSeeds(seed, moment),
      tearSectors,
    })) {
      judged++;
      try {
        await judge(disk);
      } catch (error) {
        throw new Error(`seed ${seed}, before event ${moment}, ${name}: ${String(error)}`, {
          cause: error,
        });
      }
    }
    return false;
  });
  if (end.kind === "failed") throw end.error;
  assert.equal(end.kind, "done");
  assert.deepEqual(simulation.disk.violations, []);
  return judged;
}

function imagesOf(
  disk: SimulatedDisk,
  { seed, tearSectors }: { readonly seed: number; readonly tearSectors: boolean },
): readonly (readonly [name: string, disk: SimulatedDisk])[] {
  const random = (index: number): RandomChooser =>
    new RandomChooser(new SeededRandom(combineSeeds(seed, index)), { tearSectors });
  return [
    ["power, all lost", disk.afterPowerLoss(new LoseAllChooser())],
    ["power, all kept", disk.afterPowerLoss(new KeepAllChooser())],
    ["power, sampled", disk.afterPowerLoss(random(0))],
    ["kill", disk.afterProcessCrash(new KeepAllChooser())],
    ["kill, sampled", disk.afterProcessCrash(random(1))],
  ];
}
