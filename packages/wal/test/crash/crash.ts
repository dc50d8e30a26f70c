/**
 * The crash command: explores workloads until it has seen enough states, or until time is up.
 *
 *     npm run crash -- [--states N] [--seconds T] [--seed S] [--workload NAME,NAME] [--failures N] [--short]
 *     npm run crash -- --replay "LINE"
 *     npm run crash -- --mutants [NAME,NAME]
 *
 * Each workload runs with seed S, S+1, … Every failure prints the line that replays it. Exit code 1 when a
 * promise was broken or a mutant was not caught, 2 for a wrong command line.
 */

import { parseArgs } from "node:util";

import {
  exploreCrashes,
  parseCrashChain,
  replayCrash,
  type ExplorerOptions,
} from "@walnut/testkit";

import { tryMutant } from "./mutant-runner.ts";
import { ProgressLine } from "./progress-line.ts";
import { SOURCE_MUTANTS } from "./source-mutants.ts";
import { SPREAD, shortHistories, WORKLOAD_NAMES, workloadSubject } from "./workloads.ts";

interface Plan {
  readonly maxStates: number;
  readonly maxSeconds: number;
  readonly maxFailures: number;
  readonly firstSeed: number;
  readonly workloads: readonly string[];
  readonly isShort: boolean;
}

interface Tally {
  readonly startedMs: number;
  states: number;
  moments: number;
  exhaustiveMoments: number;
  runs: number;
  failures: number;
}

/** Without a limit the command would never end. */
const DEFAULT_STATES = 20_000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      states: { type: "string" },
      seconds: { type: "string" },
      seed: { type: "string", default: "1" },
      failures: { type: "string", default: "10" },
      workload: { type: "string" },
      short: { type: "boolean", default: false },
      replay: { type: "string" },
      mutants: { type: "boolean", default: false },
    },
  });
  if (values.mutants) return await runMutants(positionals.flatMap((words) => words.split(",")));
  if (values.replay !== undefined) return await replay(values.replay);
  const { states, seconds, workload } = values;
  const isEndless = states === undefined && seconds === undefined && !values.short;
  const defaultStates = isEndless ? DEFAULT_STATES : Number.POSITIVE_INFINITY;
  return await explore({
    maxStates: states === undefined ? defaultStates : wholeNumber("states", states),
    maxSeconds: seconds === undefined ? Number.POSITIVE_INFINITY : wholeNumber("seconds", seconds),
    maxFailures: wholeNumber("failures", values.failures),
    firstSeed: wholeNumber("seed", values.seed),
    workloads: workload === undefined ? WORKLOAD_NAMES : workload.split(","),
    isShort: values.short,
  });
}

async function explore(plan: Plan): Promise<number> {
  const tally: Tally = {
    startedMs: performance.now(),
    states: 0,
    moments: 0,
    exhaustiveMoments: 0,
    runs: 0,
    failures: 0,
  };
  const progress = new ProgressLine();
  const isOver = (): boolean =>
    tally.states >= plan.maxStates ||
    secondsOf(tally) >= plan.maxSeconds ||
    tally.failures >= plan.maxFailures;
  for (const [name, seed] of runs(plan)) {
    if (isOver()) break;
    await exploreOne(name, seed, { plan, tally, progress, isOver });
  }
  progress.end(
    `${tally.states} states of ${tally.moments} moments (${tally.exhaustiveMoments} exhaustively) in ` +
      `${tally.runs} runs, ${secondsOf(tally).toFixed(1)} s, ${statesPerSecond(tally)} states/s, ` +
      `${tally.failures} failures`,
  );
  return tally.failures === 0 ? 0 : 1;
}

/** Short histories once each, or all workloads with one seed after the other. */
function* runs(plan: Plan): Generator<readonly [name: string, seed: number]> {
  if (plan.isShort) {
    for (const name of shortHistories()) yield [name, plan.firstSeed];
    return;
  }
  for (let seed = plan.firstSeed; ; seed += 1)
    for (const name of plan.workloads) yield [name, seed];
}

async function exploreOne(
  name: string,
  seed: number,
  context: {
    readonly plan: Plan;
    readonly tally: Tally;
    readonly progress: ProgressLine;
    readonly isOver: () => boolean;
  },
): Promise<void> {
  const { plan, tally, progress } = context;
  const report = await exploreCrashes({
    subject: workloadSubject(name, seed),
    seed,
    ...(plan.isShort ? { budget: { exhaustiveLimit: 600 } } : thoroughness(seed - plan.firstSeed)),
    maxStates: plan.maxStates - tally.states,
    shouldStop: () => secondsOf(tally) >= plan.maxSeconds,
  });
  tally.runs += 1;
  tally.states += report.states;
  tally.moments += report.moments;
  tally.exhaustiveMoments += report.exhaustiveMoments;
  for (const failure of report.failures) {
    tally.failures += 1;
    progress.print(`FAILED ${failure.message.split("\n").slice(0, 3).join("\n")}`);
    progress.print(`  npm run crash -- --replay "${failure.replay}"`);
  }
  progress.show(doneShare(plan, tally), `${name} ${seed}, ${statesPerSecond(tally)} states/s`);
}

/** How far the run has come, from 0 to 1. */
function doneShare(plan: Plan, tally: Tally): number {
  const share = plan.isShort ? tally.runs / shortHistories().length : 0;
  return Math.min(
    1,
    Math.max(share, tally.states / plan.maxStates, secondsOf(tally) / plan.maxSeconds),
  );
}

/** Every fourth seed goes deep into few moments, the others see a little of many. */
function thoroughness(
  index: number,
): Pick<ExplorerOptions, "momentShare" | "budget" | "laterCutProbability"> {
  return index % 4 === 3 ? { momentShare: 0.2 } : { ...SPREAD, momentShare: 0.5 };
}

/** Every mutant of the sources, one after the other; all must be caught, and the engine itself must not be. */
async function runMutants(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => SOURCE_MUTANTS.every((mutant) => mutant.name !== name));
  if (unknown !== undefined) throw new RangeError(`no mutant is called ${JSON.stringify(unknown)}`);
  const chosen = SOURCE_MUTANTS.filter(
    (mutant) => names.length === 0 || names.includes(mutant.name),
  );
  const progress = new ProgressLine();
  let missed = 0;
  for (const [index, mutant] of chosen.entries()) {
    progress.show(index / chosen.length, mutant.name);
    const { isCaught, evidence } = await tryMutant(mutant);
    if (!isCaught) missed += 1;
    progress.print(`${isCaught ? "caught" : "MISSED"} ${mutant.name}: ${evidence}`);
  }
  const healthy = await tryMutant(undefined);
  if (healthy.isCaught) progress.print(`MISTAKEN the engine as it is: ${healthy.evidence}`);
  progress.end(`${chosen.length - missed} of ${chosen.length} mutants caught`);
  return missed === 0 && !healthy.isCaught ? 0 : 1;
}

async function replay(line: string): Promise<number> {
  const [name = "", seedText = "", ...chain] = line.split(" ").filter((word) => word !== "");
  const seed = wholeNumber("replay's seed", seedText);
  const report = await replayCrash({
    subject: workloadSubject(name, seed),
    seed,
    chain: parseCrashChain(chain.join(" ")),
    print: (text) => console.log(text),
  });
  for (const failure of report.failures) console.log(`FAILED ${failure.message}`);
  if (report.failures.length === 0) console.log("nothing failed");
  return report.failures.length === 0 ? 0 : 1;
}

function secondsOf(tally: Tally): number {
  return (performance.now() - tally.startedMs) / 1_000;
}

function statesPerSecond(tally: Tally): number {
  return Math.round(tally.states / Math.max(0.001, secondsOf(tally)));
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && text !== "") return value;
  throw new RangeError(`--${name} takes a whole number, not ${JSON.stringify(text)}`);
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof RangeError || error instanceof TypeError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
