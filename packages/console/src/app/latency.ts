/**
 * Latencies of an interval, from two readings of a histogram that only ever grows. Pure.
 */
import type { Histogram } from "../overview.ts";

/** What happened between two readings. */
export interface Latency {
  /** Values in the interval. */
  readonly count: number;
  /** Milliseconds; `undefined` when nothing happened. Exact to the width of a bucket. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
  readonly max: number | undefined;
}

/** Sums histograms with the same buckets: those of several workers. */
export function addHistograms(histograms: readonly Histogram[]): Histogram {
  const [first] = histograms;
  if (first === undefined) return { bounds: [], counts: [], count: 0, sum: 0 };
  const widest = histograms.reduce((a, b) => (b.bounds.length > a.bounds.length ? b : a), first);
  const counts = widest.counts.map((_, index) =>
    histograms.reduce((total, histogram) => total + (histogram.counts[index] ?? 0), 0),
  );
  const count = histograms.reduce((total, histogram) => total + histogram.count, 0);
  const sum = histograms.reduce((total, histogram) => total + histogram.sum, 0);
  return { bounds: widest.bounds, counts, count, sum };
}

/** Latencies between two readings. A reading that shrank begins anew: the process was restarted. */
export function latencyBetween(before: Histogram | undefined, after: Histogram): Latency {
  const isContinued = before !== undefined && before.count <= after.count;
  const counts = after.counts.map((count, index) =>
    Math.max(0, count - (isContinued ? (before.counts[index] ?? 0) : 0)),
  );
  const count = counts.reduce((total, inBucket) => total + inBucket, 0);
  if (count === 0) return { count, p50: undefined, p99: undefined, max: undefined };
  const { bounds } = after;
  return {
    count,
    p50: quantile({ bounds, counts, count }, 0.5),
    p99: quantile({ bounds, counts, count }, 0.99),
    max: bounds[counts.findLastIndex((inBucket) => inBucket > 0)] ?? bounds.at(-1),
  };
}

/** A value that a share of all values do not exceed, evenly spread inside its bucket. */
function quantile(
  { bounds, counts, count }: Pick<Histogram, "bounds" | "counts" | "count">,
  share: number,
): number | undefined {
  const wanted = share * count;
  let below = 0;
  for (const [index, inBucket] of counts.entries()) {
    if (inBucket > 0 && below + inBucket >= wanted) {
      const low = index === 0 ? 0 : (bounds[index - 1] ?? 0);
      const high = bounds[index];
      // Above the last bound nothing is known but that.
      if (high === undefined) return low;
      return low + ((high - low) * (wanted - below)) / inBucket;
    }
    below += inBucket;
  }
  return undefined;
}
