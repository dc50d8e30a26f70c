/**
 * Median and 99th percentile of measured times. Pure.
 */

export interface Latencies {
  readonly samples: number;
  readonly medianUs: number;
  readonly p99Us: number;
  readonly meanUs: number;
}

export function latenciesOf(micros: readonly number[]): Latencies {
  const sorted = Float64Array.from(micros).sort();
  const at = (percent: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
  const sum = sorted.reduce((total, value) => total + value, 0);
  const meanUs = sorted.length === 0 ? 0 : sum / sorted.length;
  return { samples: sorted.length, medianUs: at(50), p99Us: at(99), meanUs };
}
