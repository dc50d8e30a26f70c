/**
 * The disks that a crash at one moment could leave, each under a short name that makes it again.
 *
 * - `n` power loss, nothing unsynced survives; `a` power loss, all of it survives;
 * - `x7` power loss, the eighth of all combinations (used when there are few);
 * - `r3` power loss, the fourth random sample (tears included);
 * - `k` kill -9, calls in flight carried out; `k3` kill -9, the third random outcome of them.
 */

import {
  ExhaustiveChooser,
  KeepAllChooser,
  LoseAllChooser,
  RandomChooser,
} from "./crash-choice.ts";
import type { CrashKind } from "./log-model.ts";
import { combineSeeds, SeededRandom } from "./seeded-random.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";

/** One disk after a crash. */
export interface CrashImage {
  readonly name: string;
  readonly crash: CrashKind;
  readonly disk: SimulatedDisk;
}

/** How many images to make of one moment. */
export interface ImageBudget {
  /** Go through all combinations up to this many; above, sample. */
  readonly exhaustiveLimit: number;
  /** Random samples of a power loss, besides "nothing" and "all". */
  readonly powerSamples: number;
  /** Random samples of kill -9, besides "all carried out". */
  readonly processSamples: number;
}

/** Makes images one by one. @returns (at the end) whether all power losses without tears were gone through */
export function* crashImages(
  disk: SimulatedDisk,
  seed: number,
  budget: ImageBudget,
): Generator<CrashImage, boolean> {
  const isSmall = disk.crashStateCount() <= budget.exhaustiveLimit;
  if (isSmall) {
    const chooser = new ExhaustiveChooser();
    let index = 0;
    do {
      yield { name: `x${index}`, crash: "power", disk: disk.afterPowerLoss(chooser) };
      index += 1;
    } while (chooser.advance());
  } else {
    for (const name of ["n", "a"]) yield imageByName(disk, seed, name);
  }
  // Tears are outside the enumeration, so small sets are sampled too, but less.
  const samples = isSmall ? Math.min(1, budget.powerSamples) : budget.powerSamples;
  if (disk.crashStateCount() > 1) {
    for (let index = 0; index < samples; index += 1) yield imageByName(disk, seed, `r${index}`);
  }
  yield imageByName(disk, seed, "k");
  if (disk.inFlight.length > 0) {
    for (let index = 0; index < budget.processSamples; index += 1) {
      yield imageByName(disk, seed, `k${index}`);
    }
  }
  return isSmall;
}

/** One random image: all kinds have their turn. */
export function randomImage(disk: SimulatedDisk, seed: number, random: SeededRandom): CrashImage {
  const name = random.pick(["n", "a", "k", "k0", "r0", "r1", "r2", "r3", "r4"]);
  return imageByName(disk, seed, name);
}

/** The image of this name. */
export function imageByName(disk: SimulatedDisk, seed: number, name: string): CrashImage {
  const index = Number(name.slice(1));
  const random = (): SeededRandom => new SeededRandom(combineSeeds(seed, name));
  switch (name[0]) {
    case "n":
      return { name, crash: "power", disk: disk.afterPowerLoss(new LoseAllChooser()) };
    case "a":
      return { name, crash: "power", disk: disk.afterPowerLoss(new KeepAllChooser()) };
    case "r":
      return { name, crash: "power", disk: disk.afterPowerLoss(new RandomChooser(random())) };
    case "x": {
      const chooser = new ExhaustiveChooser();
      let image = disk.afterPowerLoss(chooser);
      for (let step = 0; step < index && chooser.advance(); step += 1) {
        image = disk.afterPowerLoss(chooser);
      }
      return { name, crash: "power", disk: image };
    }
    case "k": {
      const chooser = name === "k" ? new KeepAllChooser() : new RandomChooser(random());
      return { name, crash: "process", disk: disk.afterProcessCrash(chooser) };
    }
    default:
      throw new RangeError(`no crash image is called ${JSON.stringify(name)}`);
  }
}
