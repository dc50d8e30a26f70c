/**
 * A histogram that is counted elsewhere, as prom-client writes it out.
 *
 * prom-client's own class only takes single values; the engine hands over what it has counted. All the registry needs
 * of a metric is its name and a `get` that answers with finished lines.
 */
import type { HistogramSnapshot } from "@walnut/wal";
import type { Histogram } from "prom-client";

/** A histogram that is read when metrics are asked for. */
export interface HistogramSource {
  readonly kind: "histogram";
  /** Name without the prefix `walnut_`. */
  readonly name: string;
  readonly help: string;
  /** Size of one unit of the snapshot in the metric's unit: 0.001 for milliseconds in a metric of seconds. */
  readonly unit: number;
  /** `undefined` while nothing is known: then there are no lines. */
  readonly read: () => HistogramSnapshot | undefined;
}

interface Line {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A metric for the registry. */
export function exposedHistogram(name: string, source: HistogramSource): Histogram {
  const { help, read, unit } = source;
  const get = (): Promise<object> => {
    const snapshot = read();
    const values = snapshot === undefined ? [] : linesOf(name, snapshot, unit);
    return Promise.resolve({ name, help, type: "histogram", aggregator: "sum", values });
  };
  // The registry calls `get` and looks at `name`, for which this is as good as the class.
  return { name, get } as unknown as Histogram;
}

/** Buckets of Prometheus are cumulative and end with +Inf. */
function linesOf(name: string, snapshot: HistogramSnapshot, unit: number): readonly Line[] {
  const { bounds, counts, count, sum } = snapshot;
  const metricName = `${name}_bucket`;
  let below = 0;
  const buckets = bounds.map((bound, index) => {
    below += counts[index] ?? 0;
    // Six digits are plenty for a bound, and free of the dust of powers.
    return { metricName, labels: { le: Number((bound * unit).toPrecision(6)) }, value: below };
  });
  return [
    ...buckets,
    { metricName, labels: { le: "+Inf" }, value: count },
    { metricName: `${name}_sum`, labels: {}, value: sum * unit },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
}
