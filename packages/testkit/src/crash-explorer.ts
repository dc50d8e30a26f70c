/**
 * Crashes a log everywhere and asks what is left of it.
 *
 * A workload runs on a simulated disk. Before each event at which a crash could leave something new, the
 * explorer makes images of what a power loss or kill -9 would leave, and gives each a life of its own: open
 * the log, read all of it, compare with the history (`log-model.ts`), append more, sometimes close and open
 * again. These lives are cut in turn, during recovery and after it: the next life must still keep all
 * promises, those of the life before included. Chains of crashes are followed to a given depth.
 *
 * Everything follows from one seed. A failure names the chain that leads to it (`17:x3 5:k end:n`: crash
 * before moment 17 with image x3, then before moment 5 of that recovery with image k, …), and
 * {@link replayCrash} walks it again.
 */

import {
  crashImages,
  imageByName,
  randomImage,
  type CrashImage,
  type ImageBudget,
} from "./crash-images.ts";
import { LogHistory, type SentBatch } from "./log-history.ts";
import {
  assertRecovered,
  lastLsnOf,
  ModelViolation,
  type CrashKind,
  type RecoveredState,
} from "./log-model.ts";
import { combineSeeds, SeededRandom } from "./seeded-random.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";
import { Simulation, type SimulatedEnvironment, type SimulationOptions } from "./simulation.ts";
import { formatStorageCall } from "./storage-call.ts";

/** A log that was opened after a crash and read to its end. */
export interface RecoveredLog extends RecoveredState {
  /** Appends durably; resolves with the LSN of the first record. */
  append(payloads: readonly Uint8Array[]): Promise<number>;
  /** Moves a cursor durably. */
  ackCursor(name: string, lsn: number): Promise<void>;
  /** The durable LSN that the log claims now. */
  durableLsn(): number;
  close(): Promise<void>;
}

/** A log under test and a workload on it. */
export interface CrashSubject {
  readonly name: string;
  /** Runs the workload and tells the history all that it asks and is answered. */
  run(environment: SimulatedEnvironment, history: LogHistory, random: SeededRandom): Promise<void>;
  /** Opens the log and reads all of it, and the cursors of these names. */
  recover(environment: SimulatedEnvironment, cursorNames: readonly string[]): Promise<RecoveredLog>;
}

/** What to explore and how much of it. */
export interface ExplorerOptions {
  readonly subject: CrashSubject;
  readonly seed: number;
  /** Images of each moment of the workload. */
  readonly budget?: Partial<ImageBudget>;
  /** How many crashes follow each other. Default 3. */
  readonly maxCrashes?: number;
  /** The probability that a moment of a life after the first is cut. Default 0.02. */
  readonly laterCutProbability?: number;
  /** Only this share of the workload's moments, chosen by seed. Default 1: all. */
  readonly momentShare?: number;
  /** Stop after this many images. */
  readonly maxStates?: number;
  /** Stop after this many failures. Default 1. */
  readonly maxFailures?: number;
  /** Asked between images; `true` ends the exploration. */
  readonly shouldStop?: () => boolean;
  /** Something between the log and the disk. */
  readonly wrapStorage?: NonNullable<SimulationOptions["wrapStorage"]>;
}

/** One broken promise. */
export interface CrashFailure {
  readonly message: string;
  /** Replays it: subject, seed, chain of crashes. */
  readonly replay: string;
}

/** What an exploration saw. */
export interface ExplorationReport {
  readonly failures: readonly CrashFailure[];
  /** Images recovered from. */
  states: number;
  /** Moments of the workload at which it was crashed. */
  moments: number;
  /** Those of which every combination was gone through. */
  exhaustiveMoments: number;
}

/** One crash in a chain. */
export interface CrashStep {
  /** Which moment of the life, counted from 1, or its end. */
  readonly moment: number | "end";
  /** See `crash-images.ts`. */
  readonly image: string;
}

const DEFAULT_BUDGET: ImageBudget = { exhaustiveLimit: 32, powerSamples: 4, processSamples: 1 };

/** Explores one workload with one seed. Failures are in the report; only misuse throws. */
export async function exploreCrashes(options: ExplorerOptions): Promise<ExplorationReport> {
  const explorer = new Explorer(options);
  await explorer.workload();
  return explorer.report;
}

/** Walks one chain of crashes again. @param print - receives each storage call and what was found */
export async function replayCrash(
  options: Pick<ExplorerOptions, "subject" | "seed" | "wrapStorage"> & {
    readonly chain: readonly CrashStep[];
    readonly print: (line: string) => void;
  },
): Promise<ExplorationReport> {
  const explorer = new Explorer({ ...options, replay: options });
  await explorer.workload();
  return explorer.report;
}

/** `"17:x3 end:n"` as steps. */
export function parseCrashChain(text: string): CrashStep[] {
  const words = text.split(" ").filter((word) => word !== "");
  return words.map((word) => {
    const match = /^(end|\d+):([naxrk]\d*)$/u.exec(word);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new RangeError(`not a crash: ${JSON.stringify(word)}`);
    }
    return { moment: match[1] === "end" ? "end" : Number(match[1]), image: match[2] };
  });
}

function formatChain(chain: readonly CrashStep[]): string {
  return chain.map((step) => `${step.moment}:${step.image}`).join(" ");
}

interface Replay {
  readonly chain: readonly CrashStep[];
  readonly print: (line: string) => void;
}

/** What the log has promised at some moment of a life. */
interface Promises {
  readonly history: LogHistory;
  /** The worst crash since the history's answers were given, or none yet. */
  readonly crash: CrashKind | undefined;
  /** The durable LSN claimed before that crash. */
  readonly claimedLsn: number;
  /** When the process that gave these answers died, on its clock: it syncs nothing any more. */
  readonly diedAtMs: number | undefined;
}

class Explorer {
  readonly report: ExplorationReport & { failures: CrashFailure[] } = {
    failures: [],
    states: 0,
    moments: 0,
    exhaustiveMoments: 0,
  };
  readonly #options: ExplorerOptions & { readonly replay?: Replay };
  readonly #budget: ImageBudget;

  constructor(options: ExplorerOptions & { readonly replay?: Replay }) {
    this.#options = options;
    this.#budget = { ...DEFAULT_BUDGET, ...options.budget };
  }

  async workload(): Promise<void> {
    const { subject, seed } = this.#options;
    const history = new LogHistory(seed);
    await this.#life([], {
      disk: undefined,
      main: (environment) =>
        subject.run(environment, history, new SeededRandom(combineSeeds(seed, "workload"))),
      promises: () => ({ history, crash: undefined, claimedLsn: 0, diedAtMs: undefined }),
    });
  }

  /** Runs a life to its end and, on the way, the lives that begin where it could be cut. */
  async #life(
    chain: readonly CrashStep[],
    life: {
      readonly disk: SimulatedDisk | undefined;
      readonly main: (environment: SimulatedEnvironment) => Promise<void>;
      readonly promises: () => Promises;
    },
  ): Promise<void> {
    const { wrapStorage, replay } = this.#options;
    const seed = this.#seedOf(chain);
    const simulation = new Simulation({
      seed,
      ...(life.disk === undefined ? {} : { disk: life.disk }),
      ...(wrapStorage === undefined ? {} : { wrapStorage }),
    });
    const { disk } = simulation;
    if (replay !== undefined) {
      replay.print(`life ${formatChain(chain) || "(workload)"}`);
      disk.onEvent = ({ number, call }) => replay.print(`  ${number} ${formatStorageCall(call)}`);
    }
    const cuts = new SeededRandom(combineSeeds(seed, "cuts"));
    let moment = 0;
    let lastStamp = "";
    const crashHere = async (): Promise<boolean> => {
      await this.#crash(chain, moment, simulation, life.promises());
      return this.#isOver();
    };
    const end = await simulation.run(life.main, () => {
      moment += 1;
      if (replay !== undefined) return this.#replayCut(chain, moment, simulation, life.promises());
      if (this.#isOver()) return true;
      if (!this.#isCutHere(chain, cuts)) return false;
      const { history } = life.promises();
      const stamp = `${disk.changeStamp}|${history.answers}|${history.claim?.() ?? 0}`;
      if (stamp === lastStamp) return false;
      lastStamp = stamp;
      return crashHere();
    });
    if (end.kind === "failed") this.#fail(chain, describe(end.error));
    if (end.kind === "hung") this.#fail(chain, `hung: waits for nothing; ${moment} moments passed`);
    for (const violation of disk.violations) this.#fail(chain, `misuse: ${violation}`);
    if (end.kind !== "done") return;
    if (replay !== undefined) {
      await this.#replayCut(chain, "end", simulation, life.promises());
    } else if (!this.#isOver() && (chain.length === 0 || this.#isCutHere(chain, cuts, 10))) {
      await this.#crash(chain, "end", simulation, life.promises());
    }
  }

  #isCutHere(chain: readonly CrashStep[], cuts: SeededRandom, weight = 1): boolean {
    if (chain.length >= (this.#options.maxCrashes ?? 3)) return false;
    if (chain.length === 0) return cuts.chance(this.#options.momentShare ?? 1);
    return cuts.chance((this.#options.laterCutProbability ?? 0.02) * weight);
  }

  async #crash(
    chain: readonly CrashStep[],
    moment: number | "end",
    { disk, clock }: Simulation,
    promises: Promises,
  ): Promise<void> {
    const atMs = clock.monotonicMs();
    const seed = combineSeeds(this.#seedOf(chain), moment);
    if (chain.length > 0) {
      const image = randomImage(disk, seed, new SeededRandom(combineSeeds(seed, "image")));
      await this.#survive([...chain, { moment, image: image.name }], { image, atMs }, promises);
      return;
    }
    this.report.moments += 1;
    const images = crashImages(disk, seed, this.#budget);
    for (;;) {
      const next = images.next();
      if (next.done === true) {
        if (next.value) this.report.exhaustiveMoments += 1;
        return;
      }
      await this.#survive(
        [{ moment, image: next.value.name }],
        { image: next.value, atMs },
        promises,
      );
      if (this.#isOver()) return;
    }
  }

  /** In a replay: takes the crash that the chain tells, if it is here. */
  async #replayCut(
    chain: readonly CrashStep[],
    moment: number | "end",
    { disk, clock }: Simulation,
    promises: Promises,
  ): Promise<boolean> {
    const step = this.#options.replay?.chain[chain.length];
    if (step === undefined || step.moment !== moment) return false;
    const seed = combineSeeds(this.#seedOf(chain), moment);
    const image = imageByName(disk, seed, step.image);
    const atMs = clock.monotonicMs();
    this.#options.replay?.print(`  crash at ${moment}, in flight: ${disk.inFlight.join(", ")}`);
    await this.#survive([...chain, step], { image, atMs }, promises);
    return true;
  }

  /** The life after a crash: recover, compare, go on. */
  async #survive(
    chain: readonly CrashStep[],
    { image, atMs }: { readonly image: CrashImage; readonly atMs: number },
    before: Promises,
  ): Promise<void> {
    this.report.states += 1;
    // Let the rest of the process (timers, signals) have a turn now and then.
    if (this.report.states % 256 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    const claim = before.history.cuts.clampClaim(before.history.claim?.() ?? 0);
    const claimedLsn = Math.max(before.claimedLsn, claim);
    const crash = before.crash === "power" ? "power" : image.crash;
    const diedAtMs = before.diedAtMs ?? atMs;
    let promises: Promises = { history: before.history, crash, claimedLsn, diedAtMs };
    const random = new SeededRandom(combineSeeds(this.#seedOf(chain), "after"));
    const names = [...before.history.cursors.keys()];

    await this.#life(chain, {
      disk: image.disk,
      promises: () => promises,
      main: async (environment) => {
        const log = await this.#options.subject.recover(environment, names);
        this.#options.replay?.print(`  recovered ${log.firstLsn}..${lastLsnOf(log)}`);
        assertRecovered(log, before.history, { crash, claimedLsn, elapsedMs: diedAtMs });
        const history = before.history.continueFrom(log);
        history.claim = () => log.durableLsn();
        promises = { history, crash: undefined, claimedLsn: 0, diedAtMs: undefined };
        await goOn(log, { before: before.history, history }, random);
        if (random.chance(0.75)) return;
        await log.close();
        const again = await this.#options.subject.recover(environment, [...history.cursors.keys()]);
        assertRecovered(again, history, { crash: "process", claimedLsn: history.durableLsn });
        await again.close();
      },
    });
  }

  #seedOf(chain: readonly CrashStep[]): number {
    return combineSeeds(this.#options.seed, this.#options.subject.name, formatChain(chain));
  }

  #isOver(): boolean {
    if (this.report.failures.length >= (this.#options.maxFailures ?? 1)) return true;
    if (this.report.states >= (this.#options.maxStates ?? Number.POSITIVE_INFINITY)) return true;
    return this.#options.shouldStop?.() ?? false;
  }

  #fail(chain: readonly CrashStep[], message: string): void {
    const words = [this.#options.subject.name, String(this.#options.seed), formatChain(chain)];
    this.report.failures.push({ message, replay: words.join(" ").trimEnd() });
  }
}

/** A log that was recovered takes appends, and a cursor. */
async function goOn(
  log: RecoveredLog,
  { before, history }: { readonly before: LogHistory; readonly history: LogHistory },
  random: SeededRandom,
): Promise<void> {
  // New records of the same sizes as lost ones land exactly where those were: whatever was left of the lost
  // ones then lies where a reader looks next.
  const lost = before.batches.filter((batch) => history.batch(batch.number) === undefined);
  const shapes = random.chance(0.5) ? lost.map((batch) => sizesOf(batch)) : [];
  const append = async (): Promise<void> => {
    const sizes = shapes.shift() ?? randomSizes(random);
    const batch = history.send(sizes, "power-loss");
    history.acknowledge(batch, await log.append(batch.payloads));
  };
  const expectedLsn = lastLsnOf(log) + 1;
  await append();
  const [first] = history.batches.slice(-1);
  if (first?.firstLsn !== expectedLsn) {
    throw new ModelViolation("order", `appended as ${first?.firstLsn}, expected ${expectedLsn}`);
  }
  if (random.chance(0.5)) await Promise.all([append(), append()]);
  const [name] = history.cursors.keys();
  if (name !== undefined && random.chance(0.5)) {
    const cursor = history.cursors.get(name);
    const lsn = random.between(cursor?.acknowledgedLsn ?? 0, expectedLsn);
    if (lsn > (cursor?.acknowledgedLsn ?? 0)) {
      history.requestCursor(name, lsn);
      await log.ackCursor(name, lsn);
      history.acknowledgeCursor(name, lsn);
    }
  }
}

function sizesOf(batch: SentBatch): number[] {
  return batch.payloads.map((payload) => payload.byteLength);
}

function randomSizes(random: SeededRandom): number[] {
  const largest = random.chance(0.1) ? 3_000 : 600;
  return Array.from({ length: random.between(1, 3) }, () => random.between(12, largest));
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  if (error instanceof ModelViolation) return error.message;
  const code = "code" in error ? ` ${String(error.code)}` : "";
  return `threw ${error.name}${code}: ${error.message}\n${error.stack ?? ""}`;
}
