/**
 * A run of the log with a fault in it, and everything that must hold afterwards.
 *
 * The scenario touches every kind of storage call: open, appends at several levels, a batch, rotation, cursors
 * that release segments, reads, sync, close. After the fault: every promise has settled, every error is a
 * `WalError`, no handle and no lock is left, and on the surviving disk, whichever way it survives, the log
 * opens, has lost nothing that was acknowledged, and takes appends that then survive a power loss.
 */

import assert from "node:assert/strict";

import {
  assertRecovered,
  FaultyStorage,
  KeepAllChooser,
  lastLsnOf,
  LogHistory,
  LoseAllChooser,
  RandomChooser,
  SeededRandom,
  Simulation,
  type CrashKind,
  type FaultRule,
  type SimulatedDisk,
  type SimulatedEnvironment,
  type SimulationEnd,
  type StorageCall,
} from "@walnut/testkit";
import { isWalError, openWalWith, type Wal, type WalOptions } from "@walnut/wal";

import { recoverWal, SURVIVAL, type AppendLevel } from "../crash/wal-subject.ts";

/** Small segments, so that the scenario rotates and releases. */
const OPTIONS: WalOptions = {
  directory: "/data/log",
  segmentSizeBytes: 8 * 1024,
  prewriteBytes: 4 * 1024,
  bufferSizeBytes: 64 * 1024,
  attestDelayMs: 5,
  segmentMaxAgeMs: 0,
  syncIntervalMs: 20,
};

/** What a run with a fault came to. */
export interface FaultOutcome {
  readonly fired: readonly StorageCall[];
  readonly callCounts: ReadonlyMap<string, number>;
  /** Codes of the errors that callers got. */
  readonly codes: readonly string[];
  /** What did not hold, in words. Empty when all is well. */
  readonly problems: readonly string[];
}

/** Runs the scenario with these faults and checks everything that must hold afterwards. */
export async function runFaultScenario(
  rules: readonly FaultRule[],
  options: { readonly seed?: number } = {},
): Promise<FaultOutcome> {
  const seed = options.seed ?? 1;
  const history = new LogHistory(seed);
  const problems: string[] = [];
  let faulty: FaultyStorage | undefined;
  const simulation = new Simulation({
    seed,
    wrapStorage: (disk) => (faulty = new FaultyStorage(disk, rules)),
  });
  const scenario = new Scenario(history, problems);
  const end = await simulation.run((environment) => scenario.run(environment));
  if (end.kind !== "done") problems.push(`the scenario ${describeEnd(end)}`);
  const { disk } = simulation;
  problems.push(...disk.violations);
  if (disk.openFiles.length > 0) problems.push(`left open: ${disk.openFiles.join(", ")}`);
  if (disk.lockedDirectories.length > 0) problems.push("a lock is left");
  await checkSurvivors(disk, { history, seed, problems });
  return {
    fired: faulty?.fired ?? [],
    callCounts: faulty?.callCounts ?? new Map(),
    codes: scenario.codes,
    problems,
  };
}

function describeEnd(end: SimulationEnd<unknown>): string {
  if (end.kind !== "failed") return end.kind;
  return end.error instanceof Error ? `threw ${end.error.message}` : String(end.error);
}

class Scenario {
  readonly codes: string[] = [];
  readonly #history: LogHistory;
  readonly #problems: string[];

  constructor(history: LogHistory, problems: string[]) {
    this.#history = history;
    this.#problems = problems;
  }

  async run(environment: SimulatedEnvironment): Promise<void> {
    // Two lives: what a fault leaves is also met by a reopening within the scenario.
    for (let life = 0; life < 2; life += 1) {
      const wal = await this.#attempt(() => openWalWith(environment, OPTIONS));
      if (wal === undefined) continue;
      this.#history.claim = () => wal.positions.durableLsn;
      await this.#work(wal, environment);
      this.#history.observeDurable(wal.positions.durableLsn);
      await this.#attempt(() => wal.close());
      this.#history.claim = undefined;
    }
  }

  async #work(wal: Wal, environment: SimulatedEnvironment): Promise<void> {
    await Promise.all([
      this.#append(wal, [100]),
      this.#append(wal, [200, 1_500, 300]),
      this.#append(wal, [400], "async"),
    ]);
    await this.#attempt(() => wal.sync());
    await this.#append(wal, [2_500]);
    await this.#attempt(() => wal.rotate());
    await Promise.all([this.#append(wal, [600]), this.#append(wal, [700]), this.#read(wal)]);
    await new Promise<void>((resolve) => environment.setTimer(30, resolve));
    await this.#append(wal, [3_000, 3_000]);
    await this.#append(wal, [3_000], "interval");
    await this.#ack(wal, wal.positions.durableLsn - 1);
    await this.#append(wal, [150]);
    await this.#read(wal);
  }

  async #append(
    wal: Wal,
    sizes: readonly number[],
    level: AppendLevel = "fdatasync",
  ): Promise<void> {
    const batch = this.#history.send(sizes, SURVIVAL[level]);
    try {
      const [only] = batch.payloads;
      const options = { durability: level };
      const firstLsn =
        batch.payloads.length === 1 && only !== undefined
          ? await wal.append(only, options)
          : (await wal.appendBatch(batch.payloads, options)).firstLsn;
      this.#history.acknowledge(batch, firstLsn);
    } catch (error) {
      this.#note(error);
      const isRefusal = isWalError(error, "WAL_POISONED") || isWalError(error, "WAL_CLOSED");
      this.#history.fail(batch, isRefusal);
    }
  }

  async #ack(wal: Wal, lsn: number): Promise<void> {
    const cursor = wal.cursor("c");
    if (lsn <= cursor.lsn) return;
    this.#history.requestCursor("c", lsn);
    const isDone = await this.#attempt(async () => {
      await cursor.ack(lsn);
      return true;
    });
    if (isDone === true) this.#history.acknowledgeCursor("c", lsn);
  }

  async #read(wal: Wal): Promise<void> {
    await this.#attempt(async () => {
      for await (const { lsn } of wal.read()) this.#history.observeDurable(lsn);
    });
  }

  async #attempt<T>(action: () => Promise<T>): Promise<T | undefined> {
    try {
      return await action();
    } catch (error) {
      this.#note(error);
      return undefined;
    }
  }

  #note(error: unknown): void {
    if (isWalError(error)) this.codes.push(error.code);
    else this.#problems.push(`not a WalError: ${String(error)}`);
  }
}

/** The disk survives a restart as it is, or a power loss that keeps nothing or, by seed, some of it. */
async function checkSurvivors(
  disk: SimulatedDisk,
  run: { readonly history: LogHistory; readonly seed: number; readonly problems: string[] },
): Promise<void> {
  const isHarsh = run.seed % 2 === 0;
  const powerLoss = isHarsh ? new LoseAllChooser() : new RandomChooser(new SeededRandom(run.seed));
  const survivors: readonly (readonly [name: string, crash: CrashKind, image: SimulatedDisk])[] = [
    ["a restart", "process", disk.afterProcessCrash(new KeepAllChooser())],
    [
      `a power loss that keeps ${isHarsh ? "nothing" : "some"}`,
      "power",
      disk.afterPowerLoss(powerLoss),
    ],
  ];
  for (const [name, crash, image] of survivors) {
    const problem = await checkSurvivor(image, run.history, crash);
    if (problem !== undefined) run.problems.push(`after ${name}: ${problem}`);
  }
}

async function checkSurvivor(
  image: SimulatedDisk,
  history: LogHistory,
  crash: CrashKind,
): Promise<string | undefined> {
  const names = [...history.cursors.keys()];
  const simulation = new Simulation({ seed: 7, disk: image });
  let next = history;
  const end = await simulation.run(async (environment) => {
    const log = await recoverWal(environment, OPTIONS, names);
    assertRecovered(log, history, { crash, claimedLsn: history.durableLsn });
    next = history.continueFrom(log);
    const batch = next.send([50, 60], "power-loss");
    next.acknowledge(batch, await log.append(batch.payloads));
    assert.equal(batch.firstLsn, lastLsnOf(log) + 1);
  });
  if (end.kind !== "done") return describeEnd(end);

  // What was shown and appended after a failed sync must be on the device, not only in the cache.
  const disk = simulation.disk.afterPowerLoss(new LoseAllChooser());
  const again = await new Simulation({ seed: 8, disk }).run(async (environment) => {
    const log = await recoverWal(environment, OPTIONS, names);
    assertRecovered(log, next, { crash: "power", claimedLsn: next.durableLsn });
    await log.close();
  });
  return again.kind === "done" ? undefined : `and a power loss after that: ${describeEnd(again)}`;
}
