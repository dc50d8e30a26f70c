/**
 * Histograms of several routes as prom-client keeps them (cumulative, in seconds), as one in the engine's form: counts
 * per bucket, in milliseconds. Pure.
 */
import type { RequestOverview } from "@walnut/console";

const MS_PER_SECOND = 1_000;

/** One line of a histogram as prom-client gives it. */
export interface HistogramLine {
  readonly metricName?: string;
  readonly labels: Readonly<{ route?: string | number; le?: string | number }>;
  readonly value: number;
}

/** Adds up the histograms of those routes for which `isWanted` holds. */
export function sumHistograms(
  values: readonly HistogramLine[],
  isWanted: (route: string) => boolean,
): RequestOverview["writeMs"] {
  const cumulative = new Map<number, number>();
  let [count, sum] = [0, 0];
  for (const { metricName = "", labels, value } of values) {
    if (!isWanted(String(labels.route))) continue;
    if (metricName.endsWith("_sum")) sum += value;
    else if (metricName.endsWith("_count")) count += value;
    else if (typeof labels.le === "number") {
      cumulative.set(labels.le, (cumulative.get(labels.le) ?? 0) + value);
    }
  }
  const bounds = [...cumulative.keys()].sort((left, right) => left - right);
  let below = 0;
  const counts = [...bounds.map((bound) => cumulative.get(bound) ?? 0), count].map((upTo) => {
    const inside = upTo - below;
    below = upTo;
    return inside;
  });
  return {
    bounds: bounds.map((bound) => bound * MS_PER_SECOND),
    counts,
    count,
    sum: sum * MS_PER_SECOND,
  };
}
