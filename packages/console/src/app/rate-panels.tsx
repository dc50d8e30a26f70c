/** What is coming in, and how fast it is answered and made durable: the charts of the live view. */
import type { VNode } from "preact";
import { isGap, lineOf, newestSample, timesOf, windowOf, type History } from "./history.ts";
import type { Latency } from "./latency.ts";
import { Empty, Panel } from "./panel.tsx";
import { BYTE_STEPS, formatBytes, formatCount, formatMilliseconds } from "./quantity.ts";
import { counts, type Sample } from "./rates.ts";
import { TimeChart, type ChartLine } from "./time-chart.tsx";

interface RatePanelProps {
  readonly history: History;
  readonly palette: string;
}

const CHART_HEIGHT_PX = 190;
const SMALL_CHART_HEIGHT_PX = 150;
/** Tables with a line of their own; the others are drawn as one. */
const TABLE_LINES = 5;

/** Rows per second by measurement. */
export function RowsPanel({ history, palette }: RatePanelProps): VNode {
  return (
    <Panel id="rows" title="Rows per second" note="by measurement" class="wide">
      <LiveChart
        title="Rows per second by measurement"
        lines={tableLines(history)}
        format={formatCount}
        scale="zero"
        heightPx={CHART_HEIGHT_PX}
        {...{ history, palette }}
      />
    </Panel>
  );
}

/** A panel with a small chart: what is in it, and what it is called. */
interface SmallChart {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  /** For assistive programs. */
  readonly chart: string;
  readonly format: (value: number | undefined) => string;
  readonly scale: "zero" | "powers";
  readonly steps?: readonly number[];
  readonly lines: (history: History) => readonly ChartLine[];
}

const SMALL_CHARTS: readonly SmallChart[] = [
  {
    id: "write-latency",
    title: "Write latency",
    // From the headers of a write to its answer.
    note: "sync included",
    chart: "Latency of writes",
    format: formatMilliseconds,
    scale: "powers",
    lines: (history) => latencyLines(history, ({ writes }) => writes),
  },
  {
    id: "sync-latency",
    title: "Sync latency",
    note: "the disk’s part of it",
    chart: "Latency of syncs",
    format: formatMilliseconds,
    scale: "powers",
    lines: (history) => latencyLines(history, ({ syncs }) => syncs),
  },
  {
    id: "bytes",
    title: "Bytes per second",
    note: "bodies, uncompressed",
    chart: "Bytes per second",
    format: formatBytes,
    scale: "zero",
    steps: BYTE_STEPS,
    lines: (history) => [
      { label: "accepted", values: lineOf(history, (sample) => sample.bytesPerSecond) },
    ],
  },
  {
    id: "bytes-per-sync",
    title: "Bytes per sync",
    // The more bytes, the more writers share one.
    note: "how well syncs are shared",
    chart: "Bytes written per sync",
    format: formatBytes,
    scale: "zero",
    steps: BYTE_STEPS,
    lines: (history) => [
      { label: "written", values: lineOf(history, (sample) => sample.bytesPerSync) },
    ],
  },
];

/** Latencies and bytes, side by side. */
export function SmallChartPanels({ history, palette }: RatePanelProps): VNode {
  return (
    <div class="quarters">
      {SMALL_CHARTS.map(({ id, title, note, chart, lines, ...look }) => (
        <Panel key={id} {...{ id, title, note }}>
          <LiveChart
            title={chart}
            lines={lines(history)}
            heightPx={SMALL_CHART_HEIGHT_PX}
            {...{ ...look, history, palette }}
          />
        </Panel>
      ))}
    </div>
  );
}

/** Answers by status, refusals by code. */
export function RequestsPanel({ history }: { readonly history: History }): VNode {
  const { latest } = history;
  const sample = newestSample(history);
  const statuses = latest === undefined ? [] : [...counts(latest, "byStatus")].sort(byName);
  const errors = latest === undefined ? [] : [...counts(latest, "errors")].sort(byName);
  const rows = [
    ...statuses.map(([name, count]) => ({ name, count, rate: sample?.statuses.get(name) ?? 0 })),
    ...errors.map(([name, count]) => ({ name, count, rate: sample?.errors.get(name) ?? 0 })),
  ];
  return (
    <Panel id="requests" title="Answers" note="by status, and why refused">
      {rows.length === 0 ? (
        <Empty>No request has been answered yet.</Empty>
      ) : (
        <div class="scroll short" tabIndex={0} role="region" aria-labelledby="requests-title">
          <AnswerTable rows={rows} />
        </div>
      )}
    </Panel>
  );
}

/** The order in which they first occurred says nothing. */
function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1;
}

function AnswerTable(props: {
  readonly rows: readonly {
    readonly name: string;
    readonly count: number;
    readonly rate: number;
  }[];
}): VNode {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Status or code</th>
          <th scope="col" class="number">
            per s
          </th>
          <th scope="col" class="number">
            since start
          </th>
        </tr>
      </thead>
      <tbody>
        {props.rows.map(({ name, count, rate }) => (
          <tr key={name}>
            <th scope="row" class={/^[123]/.test(name) ? "" : "refused"}>
              {name}
            </th>
            <td class="number">{formatCount(rate)}</td>
            <td class="number">{formatCount(count)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function LiveChart(
  props: RatePanelProps & {
    readonly title: string;
    readonly lines: readonly ChartLine[];
    readonly format: (value: number | undefined) => string;
    readonly scale: "zero" | "powers";
    readonly steps?: readonly number[];
    readonly heightPx: number;
  },
): VNode {
  const { history, ...rest } = props;
  return <TimeChart {...rest} times={timesOf(history)} window={windowOf(history)} group="live" />;
}

function latencyLines(history: History, read: (sample: Sample) => Latency): readonly ChartLine[] {
  return [
    { label: "p50", values: lineOf(history, (sample) => read(sample).p50) },
    { label: "p99", values: lineOf(history, (sample) => read(sample).p99) },
    { label: "max", values: lineOf(history, (sample) => read(sample).max), isFaint: true },
  ];
}

/** The busiest tables of the whole history, so that lines do not come and go. */
function tableLines(history: History): readonly ChartLine[] {
  const totals = new Map<string, number>();
  for (const moment of history.moments) {
    if (isGap(moment)) continue;
    for (const [title, { rowsPerSecond }] of moment.tables) {
      totals.set(title, (totals.get(title) ?? 0) + rowsPerSecond);
    }
  }
  const busiest = [...totals]
    .filter(([, total]) => total > 0)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const named = busiest.slice(0, TABLE_LINES).map(([title]) => title);
  // In the order of names: a line keeps its colour when another overtakes it.
  const lines = named.sort().map((title): ChartLine => ({
    label: title,
    values: lineOf(history, ({ tables }) => tables.get(title)?.rowsPerSecond ?? 0),
  }));
  if (lines.length === 0) {
    return [{ label: "all", values: lineOf(history, ({ rowsPerSecond }) => rowsPerSecond) }];
  }
  if (busiest.length <= TABLE_LINES) return lines;
  const others = lineOf(history, ({ rowsPerSecond, tables }) =>
    named.reduce((rest, title) => rest - (tables.get(title)?.rowsPerSecond ?? 0), rowsPerSecond),
  );
  return [...lines, { label: "others", values: others }];
}
