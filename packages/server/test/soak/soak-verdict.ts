/**
 * Whether a server that ran undisturbed for a while stayed as it was: memory, open files, time to an answer. Pure.
 *
 * The beginning is warming up: compilers, caches and pools fill. The rest is halved, and its halves are compared. A short
 * run says little about memory, so it is allowed more.
 */
import type { ProcessSample } from "./process-watch.ts";

/** One answered request. */
export interface LatencySample {
  readonly atMs: number;
  readonly ms: number;
}

/** One thing that was judged. */
export interface Judgement {
  readonly name: string;
  readonly isGood: boolean;
  readonly text: string;
}

const WARM_UP_SHARE = 0.3;
const LONG_RUN_MS = 120_000;
const MIB = 1_048_576;
const EXTRA_FILES = 24;
const LATENCY_FACTOR = 3;
const LATENCY_EXTRA_MS = 250;

/** Compares the halves of a quiet time. */
export function judgeSteadiness(
  samples: readonly ProcessSample[],
  latencies: readonly LatencySample[],
): readonly Judgement[] {
  return [...judgeProcess(samples), judgeLatency(latencies)];
}

function judgeProcess(samples: readonly ProcessSample[]): readonly Judgement[] {
  const [first, second] = halves(samples);
  if (first.length === 0 || second.length === 0) {
    return [{ name: "memory", isGood: false, text: "the process could not be looked at" }];
  }
  const isLong = (samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0) >= LONG_RUN_MS;
  const before = mean(first.map(({ residentBytes }) => residentBytes));
  const after = mean(second.map(({ residentBytes }) => residentBytes));
  const allowed = isLong ? 48 * MIB + 0.08 * before : 96 * MIB + 0.25 * before;
  const filesBefore = Math.max(...first.map(({ openFiles }) => openFiles));
  const filesAfter = Math.max(...second.map(({ openFiles }) => openFiles));
  return [
    {
      name: "memory",
      isGood: after - before <= allowed,
      text: `${mib(before)} -> ${mib(after)} MiB resident (may grow by ${mib(allowed)})`,
    },
    {
      name: "open files",
      isGood: filesAfter - filesBefore <= EXTRA_FILES,
      text: `at most ${filesBefore} -> ${filesAfter} (may grow by ${EXTRA_FILES})`,
    },
  ];
}

function judgeLatency(latencies: readonly LatencySample[]): Judgement {
  const [first, second] = halves(latencies);
  const before = percentile(first, 0.99);
  const after = percentile(second, 0.99);
  const limit = LATENCY_FACTOR * before + LATENCY_EXTRA_MS;
  return {
    name: "p99 of writes",
    isGood: first.length > 0 && second.length > 0 && after <= limit,
    text: `${before.toFixed(0)} -> ${after.toFixed(0)} ms (at most ${limit.toFixed(0)})`,
  };
}

/** The two halves of what comes after the warm-up, by time. */
function halves<Sample extends { readonly atMs: number }>(
  samples: readonly Sample[],
): readonly [readonly Sample[], readonly Sample[]] {
  const start = samples[0]?.atMs ?? 0;
  const end = samples.at(-1)?.atMs ?? 0;
  const warm = start + WARM_UP_SHARE * (end - start);
  const middle = (warm + end) / 2;
  return [
    samples.filter(({ atMs }) => atMs >= warm && atMs < middle),
    samples.filter(({ atMs }) => atMs >= middle),
  ];
}

/** Share 0 to 1 of the times; 0 without samples. */
export function percentile(samples: readonly LatencySample[], share: number): number {
  const sorted = samples.map(({ ms }) => ms).toSorted((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
