/**
 * The numbers of all workers as one exposition: every series has the label `worker`.
 *
 * A label, and not sums: the sum of two positions in two logs means nothing, and whoever wants a total writes
 * `sum by (…)`. Numbers of a worker that does not answer are absent, and `walnut_workers_unavailable` counts it.
 */
import { AggregatorRegistry } from "prom-client";
import type { MetricsAsJson } from "../server-metrics.ts";
import type { Question, WorkerGroup } from "./worker-group.ts";

/** Asks a worker for its numbers. */
export const METRICS: Question<object, MetricsAsJson> = { name: "metrics" };

const UNAVAILABLE = "walnut_workers_unavailable";

/** The exposition over all workers, in the Prometheus text format. */
export async function renderAllMetrics(group: WorkerGroup): Promise<string> {
  const answers = await group.askAll(METRICS, {});
  const known = answers.flatMap((result) => (result.kind === "answered" ? [result.answer] : []));
  const unavailable = answers.length - known.length;
  const [sample] = known.flat().filter(({ name }) => name === UNAVAILABLE);
  const total =
    sample === undefined ? [] : [[{ ...sample, values: [{ labels: {}, value: unavailable }] }]];
  const others = known.map((metrics) => metrics.filter(({ name }) => name !== UNAVAILABLE));
  return await AggregatorRegistry.aggregate([...others, ...total]).metrics();
}
