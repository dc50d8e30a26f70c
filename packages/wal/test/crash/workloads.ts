/**
 * Workloads that the crash explorer cuts everywhere: one for each mechanism of the engine, one that mixes all
 * of them at random, and all short histories.
 */

import { combineSeeds, SeededRandom, type CrashSubject } from "@walnut/testkit";

import {
  walOptions,
  walSubject,
  type AppendLevel,
  type WalBench,
  type Work,
  type WorkloadSetting,
} from "./wal-subject.ts";

/** A few images of many moments: what breaks shows somewhere, rarely at the beginning. */
export const SPREAD = {
  laterCutProbability: 0.01,
  budget: { exhaustiveLimit: 8, powerSamples: 3, processSamples: 1 },
} as const;

const LEVELS: readonly AppendLevel[] = ["fdatasync", "fdatasync", "interval", "async", "memory"];

const WORKLOADS: Readonly<Record<string, Work>> = {
  /** One writer that waits for each answer. */
  async appends(bench, random) {
    for (let count = 0; count < 6; count += 1) await bench.append([random.between(12, 1_500)]);
  },

  /** Records of one size, so that stale frames lie where new ones end. */
  async uniform(bench) {
    for (let round = 0; round < 3; round += 1) {
      await Promise.all([bench.append([100]), bench.append([100]), bench.append([100])]);
    }
  },

  /** Batches; one of them larger than a frame and than a buffer. */
  async batches(bench, random) {
    await bench.append([50, 60, 70]);
    const large = random.chance(0.15);
    const count = large ? 6 : 12;
    const size = large ? 30_000 : 700;
    await Promise.all([
      bench.append([20]),
      bench.append(Array.from({ length: count }, () => size)),
    ]);
    await bench.append([30, 40]);
  },

  /** Segments fill and are rotated, by size and on demand. */
  async rotation(bench, random) {
    for (let round = 0; round < 3; round += 1) {
      await bench.append([random.between(2_000, 4_500), random.between(2_000, 4_500)]);
      if (random.chance(0.5)) await bench.rotate();
      await bench.append([200]);
    }
  },

  /** Two cursors move on and release segments. */
  async cursors(bench, random) {
    for (let round = 0; round < 4; round += 1) {
      await bench.append([2_500, 2_500]);
      const lsn = bench.appendedLsn;
      await Promise.all([
        bench.ack("slow", Math.max(1, lsn - 4)),
        bench.ack("fast", lsn),
        ...(random.chance(0.5) ? [bench.append([300])] : []),
      ]);
    }
  },

  /** Closed and opened again in between. */
  async reopen(bench, random) {
    for (let round = 0; round < 3; round += 1) {
      await bench.append([random.between(12, 3_000), 100]);
      await bench.reopen();
      if (random.chance(0.5)) await bench.readAll();
    }
  },

  /** Many writers at once, at different levels. */
  async writers(bench, random) {
    for (let round = 0; round < 3; round += 1) {
      const writers = Array.from({ length: random.between(2, 6) }, () =>
        bench.append([random.between(12, 400)], random.pick(LEVELS)),
      );
      await Promise.all(writers);
    }
    await bench.sync();
  },

  /** One writer that changes its level each time: later syncs must cover earlier, weaker appends. */
  async levels(bench, random) {
    for (let round = 0; round < 3; round += 1) {
      await bench.append([random.between(12, 900)], "async");
      await bench.append([random.between(12, 900)], random.pick(["interval", "memory"] as const));
      if (random.chance(0.5)) await bench.sync();
      else await bench.append([random.between(12, 900)]);
    }
  },

  /** Readers beside writers: what they were shown must stay. */
  async readers(bench, random) {
    bench.startTail();
    for (let round = 0; round < 3; round += 1) {
      await Promise.all([
        bench.append([random.between(12, 900)], random.pick(["async", "fdatasync"] as const)),
        bench.readAll(),
        bench.append([100, 100]),
      ]);
    }
  },

  /** Timers: attest frames, rotation by age, syncs of the interval level. */
  async idle(bench, random) {
    for (let round = 0; round < 3; round += 1) {
      await bench.append(
        [random.between(12, 500)],
        random.pick(["interval", "fdatasync"] as const),
      );
      await bench.wait(random.pick([3, 30, 150]));
    }
  },

  /** The end is cut off, in the middle of frames and batches and segments, and the log goes on from there. */
  async "truncate-back"(bench, random) {
    for (let round = 0; round < 3; round += 1) {
      await bench.append([random.between(500, 3_000), 700, 80]);
      await Promise.all([bench.append([100]), bench.append([100], random.pick(LEVELS))]);
      if (random.chance(0.3)) await bench.ack("c", bench.appendedLsn);
      if (random.chance(0.3)) await bench.rotate();
      const { firstLsn } = bench.wal.positions;
      await Promise.all([
        bench.truncateBack(random.between(firstLsn - 1, bench.appendedLsn)),
        // Appended after the call, so not affected by it. The same sizes: stale frames would fit.
        bench.append([random.pick([100, 700])]),
      ]);
      if (random.chance(0.3)) await bench.reopen();
    }
  },

  /** The beginning is cut off, at any record, with cursors in the way. */
  async "truncate-front"(bench, random) {
    for (let round = 0; round < 3; round += 1) {
      await bench.append([random.between(1_000, 3_000), random.between(1_000, 3_000), 90]);
      if (random.chance(0.5)) await bench.ack("c", random.between(1, bench.appendedLsn));
      await bench.append([200], random.pick(["async", "fdatasync"] as const));
      const endLsn = bench.appendedLsn + 1;
      const firstLsn = random.pick([endLsn, random.between(bench.wal.positions.firstLsn, endLsn)]);
      await Promise.all([
        bench.truncateFront(firstLsn),
        ...(random.chance(0.5) ? [bench.append([150])] : []),
      ]);
      if (random.chance(0.3)) await bench.readAll();
    }
  },

  /** Segments are closed because of their age. */
  async age(bench, random) {
    for (let round = 0; round < 4; round += 1) {
      await bench.append([random.between(12, 600)], random.pick(["async", "fdatasync"] as const));
      await bench.wait(random.pick([10, 120]));
    }
    await bench.wait(200);
    if (bench.wal.status().totals.rotations === 0) throw new Error("no segment grew old");
  },

  /** Whatever is older than the interval survives a power loss, however the appends come. */
  async interval(bench, random) {
    for (let round = 0; round < 4; round += 1) {
      // A steady stream leaves no idle moment to sync in; a pause leaves nothing to do but wait for the timer.
      const pausesMs = random.pick([[2_000, 2_000, 2_000, 2_000], [12_000], [6_000], [500]]);
      for (const pauseMs of pausesMs) {
        await bench.append([random.between(12, 400)], "interval");
        await bench.wait(pauseMs);
      }
    }
  },

  /** A sync fails, the log is poisoned; what the next opening shows stays, whatever the failed sync has left. */
  async "failed-sync"(bench, random) {
    for (let round = 0; round < 2; round += 1) {
      let isGood = true;
      for (let count = 0; count < 5 && isGood; count += 1) {
        const level = random.pick(["fdatasync", "async", "interval"] as const);
        const answers = [bench.tryAppend([random.between(12, 900)], level)];
        if (random.chance(0.5)) answers.push(bench.tryAppend([100]));
        isGood = (await Promise.all(answers)).every(Boolean);
      }
      await bench.reopenOnFailingDisk();
      await bench.readAll();
    }
    await bench.tryAppend([300]);
    await bench.reopenOnFailingDisk();
  },

  /** Frames are compressed. */
  async compressed(bench, random) {
    for (let round = 0; round < 3; round += 1) {
      await bench.append([random.between(500, 3_000)]);
      await Promise.all([
        bench.append([random.between(500, 3_000), 2_000]),
        bench.append([400], "async"),
      ]);
      if (random.chance(0.3)) await bench.readAll();
      if (random.chance(0.3)) await bench.rotate();
    }
  },

  /** Frames are encrypted: recovery copies them without their key, a cut inside one encrypts what stays. */
  async encrypted(bench, random) {
    await runRandomSteps(bench, random);
    await bench.append([100, 200, 300]);
    await bench.truncateBack(bench.appendedLsn - 1);
    await bench.append([100]);
  },

  /** Salvage meets nothing but crashes: there is nothing to salvage. */
  async salvage(bench, random) {
    await runRandomSteps(bench, random);
  },

  /** All of it. */
  random: runRandomSteps,
};

/** Options and faults of the workloads that are about them. */
const SETTINGS: Readonly<Record<string, WorkloadSetting>> = {
  age: { options: { segmentMaxAgeMs: 60 } },
  interval: { options: { syncIntervalMs: 10_000, syncIntervalBytes: 1024 * 1024 } },
  compressed: { options: { codec: "deflate" } },
  encrypted: { options: { encryption: { keyId: 1, keys: () => new Uint8Array(32).fill(7) } } },
  salvage: { options: { recovery: "salvage" } },
  "failed-sync": {
    faults: (random) => {
      const kind = random.pick(["writeDurable", "syncData", "syncAll"] as const);
      // Behind the calls of the opening.
      return [{ kind, path: /\d\.wal$/u, nth: random.between(1, 4), code: "EIO" }];
    },
  },
};

/** Names of all workloads. */
export const WORKLOAD_NAMES: readonly string[] = Object.keys(WORKLOADS);

/** A workload by name, with options that follow from the seed. */
export function workloadSubject(name: string, seed: number): CrashSubject {
  if (name.startsWith("short-")) return shortSubject(name);
  const work = WORKLOADS[name];
  if (work === undefined) throw new RangeError(`no workload is called ${JSON.stringify(name)}`);
  const setting = SETTINGS[name] ?? {};
  const options = {
    ...walOptions(new SeededRandom(combineSeeds(seed, "options"))),
    ...setting.options,
  };
  return walSubject(name, options, work, setting.faults);
}

const STEPS: Readonly<Record<string, Work>> = {
  append: (bench, random) => bench.append([random.between(12, 1_200)]),
  batch: (bench, random) =>
    bench.append(Array.from({ length: random.between(2, 5) }, () => random.between(12, 900))),
  level: (bench, random) => bench.append([random.between(12, 600)], random.pick(LEVELS)),
  large: (bench, random) => bench.append([random.between(3_000, 9_000)]),
  rotate: (bench) => bench.rotate(),
  sync: (bench) => bench.sync(),
  ack: (bench, random) => {
    // Also what is not written yet.
    const { appendedLsn } = bench;
    if (appendedLsn === 0) return Promise.resolve();
    return bench.ack(random.pick(["a", "b"]), random.between(1, appendedLsn));
  },
  read: (bench) => bench.readAll(),
  wait: (bench, random) => bench.wait(random.pick([1, 12, 60, 150])),
};

/** Steps that nothing else may run beside. */
const LONE_STEPS: Readonly<Record<string, Work>> = {
  reopen: (bench) => bench.reopen(),
  truncateBack: (bench, random) =>
    bench.truncateBack(random.between(bench.wal.positions.firstLsn - 1, bench.appendedLsn)),
  truncateFront: (bench, random) =>
    bench.truncateFront(random.between(bench.wal.positions.firstLsn, bench.appendedLsn + 1)),
};

async function runRandomSteps(bench: WalBench, random: SeededRandom): Promise<void> {
  const names = Object.keys(STEPS);
  // Each run leaves some kinds of steps out, so that rare combinations of the others come up.
  const chosen = names.filter((name) => name === "append" || random.chance(0.6));
  let running: Promise<void>[] = [];
  for (let count = random.between(4, 14); count > 0; count -= 1) {
    const step = STEPS[random.pick(chosen)];
    if (step !== undefined) running.push(step(bench, random));
    if (random.chance(0.5)) {
      await Promise.all(running);
      running = [];
      const lone = random.chance(0.2) ? random.pick(Object.keys(LONE_STEPS)) : "";
      await LONE_STEPS[lone]?.(bench, random);
    }
  }
  await Promise.all(running);
}

const SHORT_STEPS: Readonly<Record<string, Work>> = {
  append: (bench) => bench.append([600]),
  batch: (bench) => bench.append([300, 400]),
  pair: async (bench) => {
    await Promise.all([bench.append([100]), bench.append([100])]);
  },
  rotate: (bench) => bench.rotate(),
  sync: (bench) => bench.sync(),
  async: (bench) => bench.append([200], "async"),
  ack: (bench) => (bench.appendedLsn === 0 ? Promise.resolve() : bench.ack("c", bench.appendedLsn)),
  reopen: (bench) => bench.reopen(),
  back: (bench) => {
    const { firstLsn, appendedLsn } = bench.wal.positions;
    return bench.truncateBack(Math.max(firstLsn - 1, appendedLsn - 1));
  },
  front: (bench) => bench.truncateFront(bench.appendedLsn + 1),
  age: (bench) => bench.wait(100),
};

/** Every history of up to three steps, as workloads called `short-append-rotate-ack`. */
export function shortHistories(): string[] {
  const steps = Object.keys(SHORT_STEPS);
  const one = steps.map((step) => `short-${step}`);
  const two = one.flatMap((start) => steps.map((step) => `${start}-${step}`));
  const three = two.flatMap((start) => steps.map((step) => `${start}-${step}`));
  return [...one, ...two, ...three];
}

function shortSubject(name: string): CrashSubject {
  const options = {
    ...walOptions(new SeededRandom(1)),
    segmentSizeBytes: 8 * 1024,
    durability: "fdatasync" as const,
    prewriteBytes: 0,
    attestDelayMs: 0,
    // Old after the pause of the step "age", and not before.
    segmentMaxAgeMs: name.includes("age") ? 50 : 0,
    recovery: "default" as const,
  };
  return walSubject(name, options, async (bench, random) => {
    for (const step of name.split("-").slice(1)) {
      const work = SHORT_STEPS[step];
      if (work === undefined) throw new RangeError(`no step is called ${JSON.stringify(step)}`);
      await work(bench, random);
    }
  });
}
