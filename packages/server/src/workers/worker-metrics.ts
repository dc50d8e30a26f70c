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
/** One number for the whole server, which every worker knows: told once, without the label. */
const OF_THE_SERVER: ReadonlySet<string> = new Set([
  UNAVAILABLE,
  "walnut_idempotency_keys",
  "walnut_idempotency_evicted_total",
]);

/** The exposition over all workers, in the Prometheus text format. */
export async function renderAllMetrics(group: WorkerGroup): Promise<string> {
  const answers = await group.askAll(METRICS, {});
  const known = answers.flatMap((result) => (result.kind === "answered" ? [result.answer] : []));
  const unavailable = answers.length - known.length;
  const ofTheServer = known.flat().filter(({ name }) => OF_THE_SERVER.has(name));
  const once = new Map(ofTheServer.map((metric) => [metric.name, asOne(metric, unavailable)]));
  const others = known.map((metrics) => metrics.filter(({ name }) => !OF_THE_SERVER.has(name)));
  return await AggregatorRegistry.aggregate([...others, [...once.values()]]).metrics();
}

function asOne(metric: MetricsAsJson[number], unavailable: number): MetricsAsJson[number] {
  const values = metric.values.slice(0, 1).map(({ value }) => ({
    labels: {},
    value: metric.name === UNAVAILABLE ? unavailable : value,
  }));
  return { ...metric, values };
}
