/**
 * The numbers of the server, kept as plain counters and written out in the Prometheus text format.
 *
 * Counting happens per request, never per row: an increment here costs nanoseconds and allocates nothing.
 * prom-client reads the counters when `/metrics` is asked for, and only then. Names, units and meanings
 * are documented in docs/metrics.md, which a test compares with this file.
 */
import type { RequestOverview } from "@walnut/console";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { exposedHistogram, type HistogramSource } from "./histogram-source.ts";
import type { RequestObserver } from "./http/request-handler.ts";
import type { WriteObserver, WriteProtocol } from "./http/ingest-service.ts";
import { sumHistograms } from "./overview/summed-histogram.ts";

/** One number, or one number per value of a label, that is read when metrics are asked for. */
export interface MetricSource {
  readonly kind: "counter" | "gauge";
  /** Name without the prefix `walnut_`. */
  readonly name: string;
  readonly help: string;
  /** Name of the label, when `read` returns a map of its values. */
  readonly label?: string;
  /** `undefined` while the number is not known; a promise for what another process knows. */
  readonly read: () => MetricValues | Promise<MetricValues>;
}

/** One number, or numbers by the value of a label. */
type MetricValues = number | ReadonlyMap<string, number> | undefined;

const PREFIX = "walnut_";
const MS_PER_SECOND = 1_000;
const DURATION_BUCKETS_SECONDS = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];

/** Numbers on their way to the worker that was asked for all. */
export type MetricsAsJson = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/** What {@link ServerMetrics} counted about requests since the start. */
export type RequestCounts = Omit<RequestOverview, "inFlight" | "inFlightBytes">;

/** Routes that take data are called `write_…`. */
const WRITE_ROUTE_PREFIX = "write";

interface RouteCounters {
  readonly byStatus: Map<number, number>;
  readonly duration: Histogram.Internal<"route">;
}

/** Counts, and renders what it and the registered sources know. */
export class ServerMetrics implements RequestObserver, WriteObserver {
  readonly #registry: Registry = new Registry();
  readonly #durations: Histogram<"route">;
  readonly #routes = new Map<string, RouteCounters>();
  readonly #errorsByCode = new Map<string, number>();
  readonly #rowsByProtocol = new Map<string, number>();
  readonly #bytesByProtocol = new Map<string, number>();
  readonly #writesByProtocol = new Map<string, number>();
  readonly #droppedByKind = new Map<string, number>();
  #replays = 0;

  constructor() {
    this.#durations = new Histogram({
      name: `${PREFIX}http_request_duration_seconds`,
      help: "Time from the end of a request's headers to its answer",
      labelNames: ["route"],
      buckets: DURATION_BUCKETS_SECONDS,
      registers: [this.#registry],
    });
    this.#registerResponses();
    this.register([
      labelled("errors_total", "Requests refused, by error code", "code", this.#errorsByCode),
      labelled("write_requests_total", "Writes accepted", "protocol", this.#writesByProtocol),
      labelled("write_rows_total", "Rows accepted", "protocol", this.#rowsByProtocol),
      labelled(
        "write_bytes_total",
        "Bytes of accepted bodies after decompression",
        "protocol",
        this.#bytesByProtocol,
      ),
      labelled(
        "write_dropped_total",
        "Parts of accepted bodies that are not stored by rule",
        "kind",
        this.#droppedByKind,
      ),
      {
        kind: "counter",
        name: "write_replays_total",
        help: "Writes answered again without being stored again",
        read: () => this.#replays,
      },
    ]);
  }

  observeRequest(route: string, status: number, durationMs: number): void {
    let counters = this.#routes.get(route);
    if (counters === undefined) {
      counters = { byStatus: new Map(), duration: this.#durations.labels(route) };
      this.#routes.set(route, counters);
    }
    add(counters.byStatus, status, 1);
    counters.duration.observe(durationMs / MS_PER_SECOND);
  }

  observeError(code: string): void {
    add(this.#errorsByCode, code, 1);
  }

  observeWrite(protocol: WriteProtocol, rows: number, bytes: number): void {
    add(this.#writesByProtocol, protocol, 1);
    add(this.#rowsByProtocol, protocol, rows);
    add(this.#bytesByProtocol, protocol, bytes);
  }

  observeDropped(kind: string, count: number): void {
    if (count > 0) add(this.#droppedByKind, kind, count);
  }

  observeReplay(): void {
    this.#replays++;
  }

  /** Adds numbers that live elsewhere. */
  register(sources: readonly (MetricSource | HistogramSource)[]): void {
    for (const source of sources) {
      if (source.kind === "histogram") {
        this.#registry.registerMetric(exposedHistogram(PREFIX + source.name, source));
      } else {
        registerSource(this.#registry, source);
      }
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** What was counted about requests, as numbers. */
  async requestCounts(): Promise<RequestCounts> {
    const byStatus = new Map<number, number>();
    for (const route of this.#routes.values()) {
      for (const [status, count] of route.byStatus) add(byStatus, status, count);
    }
    return {
      writes: sum(this.#writesByProtocol),
      rows: sum(this.#rowsByProtocol),
      bytes: sum(this.#bytesByProtocol),
      byStatus: Object.fromEntries(byStatus),
      errors: Object.fromEntries(this.#errorsByCode),
      writeMs: sumHistograms((await this.#durations.get()).values, (route) =>
        route.startsWith(WRITE_ROUTE_PREFIX),
      ),
    };
  }

  /** Puts a label on every series: which worker it comes from. */
  labelWorker(worker: number): void {
    this.#registry.setDefaultLabels({ worker: String(worker) });
  }

  /** All numbers as data that can go to another process. */
  async toJson(): Promise<MetricsAsJson> {
    return await this.#registry.getMetricsAsJSON();
  }

  /** All numbers as text. */
  render(): Promise<string> {
    return this.#registry.metrics();
  }

  /** Requests by route and status: the only number with two labels. */
  #registerResponses(): void {
    const routes = this.#routes;
    // prom-client adds the metric to the registry by itself.
    void new Counter({
      name: `${PREFIX}http_responses_total`,
      help: "Answered requests",
      labelNames: ["route", "status"],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [route, counters] of routes) {
          for (const [status, count] of counters.byStatus) {
            this.inc({ route, status: String(status) }, count);
          }
        }
      },
    });
  }
}

/** Has a source read each time metrics are rendered. */
function registerSource(registry: Registry, source: MetricSource): void {
  const { label, read } = source;
  const configuration = {
    name: PREFIX + source.name,
    help: source.help,
    labelNames: label === undefined ? [] : [label],
    registers: [registry],
  };
  if (source.kind === "gauge") {
    void new Gauge({
      ...configuration,
      async collect() {
        const values = await read();
        this.reset();
        writeValues(values, label, (labels, value) => this.set(labels, value));
      },
    });
    return;
  }
  void new Counter({
    ...configuration,
    async collect() {
      const values = await read();
      this.reset();
      writeValues(values, label, (labels, value) => this.inc(labels, value));
    },
  });
}

function writeValues(
  values: MetricValues,
  label: string | undefined,
  write: (labels: Record<string, string>, value: number) => void,
): void {
  if (values === undefined) return;
  if (typeof values === "number") {
    write({}, values);
    return;
  }
  if (label === undefined) throw new RangeError("a source with several values needs a label");
  for (const [labelValue, value] of values) write({ [label]: labelValue }, value);
}

function labelled(
  name: string,
  help: string,
  label: string,
  values: ReadonlyMap<string, number>,
): MetricSource {
  return { kind: "counter", name, help, label, read: () => values };
}

function add<Key>(counts: Map<Key, number>, key: Key, amount: number): void {
  counts.set(key, (counts.get(key) ?? 0) + amount);
}

function sum(counts: ReadonlyMap<unknown, number>): number {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
}
