/**
 * Workloads that the crash explorer cuts everywhere: one for each mechanism of the engine, one that mixes all
 * of them at random, and all short histories.
 */

import { combineSeeds, SeededRandom, type CrashSubject } from "@walnut/testkit";

import { walOptions, walSubject, type AppendLevel, type WalBench } from "./wal-subject.ts";

/** A few images of many moments: what breaks shows somewhere, rarely at the beginning. */
export const SPREAD = {
  laterCutProbability: 0.01,
  budget: { exhaustiveLimit: 8, powerSamples: 3, processSamples: 1 },
} as const;

type Work = (bench: WalBench, random: SeededRandom) => Promise<void>;

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

  /** All of it. */
  random: runRandomSteps,
};

/** Names of all workloads. */
export const WORKLOAD_NAMES: readonly string[] = Object.keys(WORKLOADS);

/** A workload by name, with options that follow from the seed. */
export function workloadSubject(name: string, seed: number): CrashSubject {
  if (name.startsWith("short-")) return shortSubject(name);
  const work = WORKLOADS[name];
  if (work === undefined) throw new RangeError(`no workload is called ${JSON.stringify(name)}`);
  const options = walOptions(new SeededRandom(combineSeeds(seed, "options")));
  return walSubject(name, options, work);
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
    if (bench.appendedLsn === 0) return Promise.resolve();
    return bench.ack(random.pick(["a", "b"]), random.between(1, bench.appendedLsn));
  },
  read: (bench) => bench.readAll(),
  wait: (bench, random) => bench.wait(random.pick([1, 12, 60, 150])),
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
      if (random.chance(0.1)) await bench.reopen();
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
    segmentMaxAgeMs: 0,
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
