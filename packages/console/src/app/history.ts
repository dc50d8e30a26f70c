/**
 * The last minutes, kept in the browser: the server needs no memory for them. Pure; immutable values.
 */
import type { Overview } from "../overview.ts";
import { sampleBetween, type Sample } from "./rates.ts";

/** A moment without numbers: charts leave a gap there. */
export interface Gap {
  readonly atMs: number;
  readonly isGap: true;
}

/** What the console knows: the newest overview, and what happened before it. */
export interface History {
  readonly latest: Overview | undefined;
  readonly moments: readonly (Sample | Gap)[];
}

/** How far back charts go. */
export const HISTORY_MS = 300_000; // 5 minutes
const WINDOWS_MS = [60_000, 120_000];
/** Two answers further apart than this are not joined by a line. */
const LONGEST_STEP_MS = 6_000;

/** Nothing yet. */
export const EMPTY_HISTORY: History = { latest: undefined, moments: [] };

/** The history with one more overview, without what is too old. */
export function remember(history: History, overview: Overview): History {
  const { latest, moments } = history;
  if (latest === undefined) return { latest: overview, moments };
  // A clock that was set back would fold the lines of a chart over each other.
  if (overview.nowMs <= latest.nowMs) return { latest: overview, moments: [] };
  const next = momentBetween(latest, overview);
  const oldestMs = overview.nowMs - HISTORY_MS;
  return {
    latest: overview,
    moments: [...moments.filter(({ atMs }) => atMs >= oldestMs), ...next],
  };
}

/** True when a worker knows its tables: recovery has opened its store. */
export function isServing(overview: Overview | undefined): boolean {
  return overview?.workers.some(({ store }) => store !== null) ?? false;
}

/** The newest sample, when there is one. */
export function newestSample({ moments }: History): Sample | undefined {
  const newest = moments.at(-1);
  return newest === undefined || isGap(newest) ? undefined : newest;
}

/** True for a moment without numbers. */
export function isGap(moment: Sample | Gap): moment is Gap {
  return "isGap" in moment;
}

/** One number of every moment, with gaps as `null`: a line of a chart. */
export function lineOf(
  history: History,
  read: (sample: Sample) => number | undefined,
): readonly (number | null)[] {
  return history.moments.map((moment) => (isGap(moment) ? null : (read(moment) ?? null)));
}

/** First and last second of the time axis: as long as the history, in steps, so that it seldom changes. */
export function windowOf({ latest, moments }: History): readonly [number, number] {
  const newestMs = latest?.nowMs ?? 0;
  const ageMs = newestMs - (moments[0]?.atMs ?? newestMs);
  const lengthMs = WINDOWS_MS.find((candidate) => ageMs <= candidate) ?? HISTORY_MS;
  return [(newestMs - lengthMs) / 1_000, newestMs / 1_000];
}

/** Seconds since 1970 of every moment: the other axis. */
export function timesOf(history: History): readonly number[] {
  return history.moments.map(({ atMs }) => atMs / 1_000);
}

function momentBetween(before: Overview, after: Overview): readonly (Sample | Gap)[] {
  if (after.nowMs - before.nowMs > LONGEST_STEP_MS) return [{ atMs: after.nowMs, isGap: true }];
  const sample = sampleBetween(before, after);
  return sample === undefined ? [] : [sample];
}
