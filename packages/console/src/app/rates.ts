/**
 * What happened between two overviews: rates and latencies. Pure.
 *
 * Counters of the server only grow while a process lives; one that shrank belongs to a new process and counts from 0.
 */
import { addHistograms, latencyBetween, type Latency } from "./latency.ts";
import type { LogOverview, Overview, TableOverview } from "../overview.ts";

/** Rates of one table. */
export interface TableRate {
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** One moment of the history. */
export interface Sample {
  /** Wall clock of the server, milliseconds since 1970. */
  readonly atMs: number;
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  /** Refusals per second, by error code; only codes that occurred. */
  readonly errors: ReadonlyMap<string, number>;
  /** Answers per second, by HTTP status; only those that occurred. */
  readonly statuses: ReadonlyMap<string, number>;
  readonly tables: ReadonlyMap<string, TableRate>;
  readonly writes: Latency;
  readonly syncs: Latency;
  readonly bytesPerSync: number | undefined;
}

const MS_PER_SECOND = 1_000;

/** The name of a table as SQL takes it. */
export function tableTitle({
  database,
  measurement,
}: Pick<TableOverview, "database" | "measurement">): string {
  return `${database}.${measurement}`;
}

/** What happened between two overviews; `undefined` when no time has passed. */
export function sampleBetween(before: Overview, after: Overview): Sample | undefined {
  const seconds = (after.nowMs - before.nowMs) / MS_PER_SECOND;
  if (!(seconds > 0)) return undefined;
  const errors = ratesOf(counts(before, "errors"), counts(after, "errors"), seconds);
  const statuses = ratesOf(counts(before, "byStatus"), counts(after, "byStatus"), seconds);
  const written = grownBy(logTotal(before, "writtenBytes"), logTotal(after, "writtenBytes"));
  const syncs = grownBy(logTotal(before, "syncs"), logTotal(after, "syncs"));
  return {
    atMs: after.nowMs,
    rowsPerSecond: grownBy(requestTotal(before, "rows"), requestTotal(after, "rows")) / seconds,
    bytesPerSecond: grownBy(requestTotal(before, "bytes"), requestTotal(after, "bytes")) / seconds,
    requestsPerSecond: sumOf(statuses),
    errorsPerSecond: sumOf(errors),
    errors,
    statuses,
    tables: tableRates(before, after, seconds),
    writes: latencyBetween(writeHistogram(before), writeHistogram(after)),
    syncs: latencyBetween(syncHistogram(before), syncHistogram(after)),
    bytesPerSync: syncs === 0 ? undefined : written / syncs,
  };
}

/** How much a counter grew. */
export function grownBy(before: number, after: number): number {
  return after >= before ? after - before : after;
}

/** Counters of all workers by name, summed. */
export function counts(
  overview: Overview,
  which: "errors" | "byStatus",
): ReadonlyMap<string, number> {
  const total = new Map<string, number>();
  for (const { requests } of overview.workers) {
    for (const [name, count] of Object.entries(requests[which])) {
      total.set(name, (total.get(name) ?? 0) + count);
    }
  }
  return total;
}

function tableRates(
  before: Overview,
  after: Overview,
  seconds: number,
): ReadonlyMap<string, TableRate> {
  const earlier = new Map(before.tables.map((table) => [tableTitle(table), table]));
  const hasAll = before.others.tables === 0;
  const rates = new Map<string, TableRate>();
  for (const table of after.tables) {
    const title = tableTitle(table);
    const old = earlier.get(title);
    // A table that was not listed was new only if nothing was left out.
    if (old === undefined && !hasAll) continue;
    rates.set(title, {
      rowsPerSecond: grownBy(old?.rows ?? 0, table.rows) / seconds,
      bytesPerSecond: grownBy(old?.bytes ?? 0, table.bytes) / seconds,
    });
  }
  return rates;
}

function ratesOf(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  seconds: number,
): ReadonlyMap<string, number> {
  const rates = new Map<string, number>();
  for (const [name, count] of after) {
    const grown = grownBy(before.get(name) ?? 0, count);
    if (grown > 0) rates.set(name, grown / seconds);
  }
  return rates;
}

function requestTotal(overview: Overview, which: "rows" | "bytes"): number {
  return overview.workers.reduce((total, { requests }) => total + requests[which], 0);
}

function logTotal(overview: Overview, which: "writtenBytes" | "syncs"): number {
  return logsOf(overview).reduce((total, { totals }) => total + totals[which], 0);
}

function writeHistogram({ workers }: Overview): ReturnType<typeof addHistograms> {
  return addHistograms(workers.map(({ requests }) => requests.writeMs));
}

function syncHistogram(overview: Overview): ReturnType<typeof addHistograms> {
  return addHistograms(logsOf(overview).map(({ syncMs }) => syncMs));
}

function logsOf({ workers }: Overview): readonly LogOverview[] {
  return workers.flatMap(({ logs }) => logs);
}

function sumOf(values: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const value of values.values()) sum += value;
  return sum;
}
