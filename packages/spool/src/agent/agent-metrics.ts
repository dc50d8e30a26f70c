/**
 * Metrics of a forwarder in the text format of Prometheus. Names and meanings: docs/metrics.md, "Forwarder".
 */
import type { ForwardedCategory, ForwarderStatus } from "../forward/forwarder-status.ts";

interface Series {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
  readonly of: (category: ForwardedCategory) => number;
}

const MS_PER_SECOND = 1_000;
const PREFIX = "walnut_forward_";

const SERIES: readonly Series[] = [
  gauge("queue_items", "items that are not shipped", ({ depth }) => depth),
  gauge(
    "queue_bytes",
    "bytes on disk of items that are not shipped",
    ({ depthBytes }) => depthBytes,
  ),
  gauge(
    "oldest_age_seconds",
    "age of the oldest item that is not shipped",
    ({ oldestAgeMs }) => oldestAgeMs / MS_PER_SECOND,
  ),
  gauge("size_bytes", "bytes of segments", ({ sizeBytes }) => sizeBytes),
  gauge("dead_letters", "refused requests that are kept", ({ deadLetters }) => deadLetters),
  counter("put_items_total", "items taken", ({ putItems }) => putItems),
  counter("put_bytes_total", "bytes of items taken", ({ putBytes }) => putBytes),
  counter("shipped_items_total", "items stored upstream", ({ shippedItems }) => shippedItems),
  counter(
    "shipped_bytes_total",
    "bytes of items stored upstream",
    ({ shippedBytes }) => shippedBytes,
  ),
  counter("requests_total", "requests sent", ({ requests }) => requests),
  counter("retries_total", "requests that have to be sent again", ({ retries }) => retries),
  counter(
    "refused_requests_total",
    "requests the upstream refused",
    (each) => each.refusedRequests,
  ),
  counter("refused_puts_total", "puts without room", ({ refusedItems }) => refusedItems),
  counter(
    "dropped_items_total",
    "items dropped because there was no room",
    ({ dropped }) => dropped.oldestRecords + dropped.newestRecords,
  ),
  counter(
    "dropped_bytes_total",
    "bytes dropped because there was no room",
    ({ dropped }) => dropped.oldestBytes + dropped.newestBytes,
  ),
];

/** The text and its media type. */
export async function agentMetrics(
  status: ForwarderStatus,
): Promise<{ readonly text: string; readonly type: string }> {
  const { Counter, Gauge, Registry } = await import("prom-client");
  const registry = new Registry();
  for (const { name, help, type, of } of SERIES) {
    const options = { name: PREFIX + name, help, labelNames: ["category"], registers: [registry] };
    const gaugeOrCounter = type === "gauge" ? new Gauge(options) : new Counter(options);
    for (const each of status.categories) gaugeOrCounter.inc({ category: each.name }, of(each));
  }
  const help = "1 while no request is sent because of a pause";
  const paused = new Gauge({ name: `${PREFIX}paused`, help, registers: [registry] });
  paused.set(status.state === "paused" ? 1 : 0);
  return { text: await registry.metrics(), type: registry.contentType };
}

function gauge(name: string, help: string, of: Series["of"]): Series {
  return { name, help, type: "gauge", of };
}

function counter(name: string, help: string, of: Series["of"]): Series {
  return { name, help, type: "counter", of };
}
