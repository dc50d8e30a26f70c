/**
 * The crash command: explores workloads until it has seen enough states, or until time is up.
 *
 *     npm run crash -- [--states N] [--seconds T] [--seed S] [--workload NAME] [--short] [--replay "LINE"]
 *
 * Each workload runs with seed S, S+1, … Every failure prints the line that replays it. Exit code 1 when a
 * promise was broken, 2 for a wrong command line.
 */

import { parseArgs } from "node:util";

import {
  exploreCrashes,
  parseCrashChain,
  replayCrash,
  type ExplorerOptions,
} from "@walnut/testkit";

import { SPREAD, shortHistories, WORKLOAD_NAMES, workloadSubject } from "./workloads.ts";

interface Plan {
  readonly maxStates: number;
  readonly deadlineMs: number;
  readonly firstSeed: number;
  readonly workloads: readonly string[];
  readonly isShort: boolean;
}

interface Tally {
  states: number;
  moments: number;
  exhaustiveMoments: number;
  runs: number;
  failures: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      states: { type: "string" },
      seconds: { type: "string" },
      seed: { type: "string", default: "1" },
      workload: { type: "string" },
      short: { type: "boolean", default: false },
      replay: { type: "string" },
    },
  });
  if (values.replay !== undefined) return await replay(values.replay);
  const { states, seconds, workload } = values;
  const defaultStates = seconds === undefined && !values.short ? 20_000 : Number.POSITIVE_INFINITY;
  return await explore({
    maxStates: states === undefined ? defaultStates : wholeNumber("states", states),
    deadlineMs:
      seconds === undefined
        ? Number.POSITIVE_INFINITY
        : performance.now() + 1_000 * wholeNumber("seconds", seconds),
    firstSeed: wholeNumber("seed", values.seed),
    workloads: workload === undefined ? WORKLOAD_NAMES : workload.split(","),
    isShort: values.short,
  });
}

async function explore(plan: Plan): Promise<number> {
  const startedMs = performance.now();
  const tally: Tally = { states: 0, moments: 0, exhaustiveMoments: 0, runs: 0, failures: 0 };
  const isOver = (): boolean =>
    tally.states >= plan.maxStates || performance.now() > plan.deadlineMs || tally.failures >= 10;
  let printedMs = startedMs;
  for (const [name, seed] of runs(plan)) {
    if (isOver()) break;
    await exploreOne(name, seed, { plan, tally, isOver });
    if (performance.now() - printedMs > 10_000) {
      printedMs = performance.now();
      console.log(`  ${tally.states} states, seed ${seed}`);
    }
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  console.log(
    `${tally.states} states of ${tally.moments} moments (${tally.exhaustiveMoments} exhaustively) in ` +
      `${tally.runs} runs, ${seconds.toFixed(1)} s, ${Math.round(tally.states / seconds)} states/s, ` +
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
  context: { readonly plan: Plan; readonly tally: Tally; readonly isOver: () => boolean },
): Promise<void> {
  const { plan, tally } = context;
  const report = await exploreCrashes({
    subject: workloadSubject(name, seed),
    seed,
    ...(plan.isShort ? { budget: { exhaustiveLimit: 600 } } : thoroughness(seed - plan.firstSeed)),
    maxStates: plan.maxStates - tally.states,
    shouldStop: () => performance.now() > plan.deadlineMs,
  });
  tally.runs += 1;
  tally.states += report.states;
  tally.moments += report.moments;
  tally.exhaustiveMoments += report.exhaustiveMoments;
  for (const failure of report.failures) {
    tally.failures += 1;
    console.log(`FAILED ${failure.message.split("\n").slice(0, 3).join("\n")}`);
    console.log(`  npm run crash -- --replay "${failure.replay}"`);
  }
}

/** Every fourth seed goes deep into few moments, the others see a little of many. */
function thoroughness(
  index: number,
): Pick<ExplorerOptions, "momentShare" | "budget" | "laterCutProbability"> {
  return index % 4 === 3 ? { momentShare: 0.2 } : { ...SPREAD, momentShare: 0.5 };
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
