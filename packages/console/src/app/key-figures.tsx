/** The numbers that an operator looks at first. */
import type { VNode } from "preact";
import { newestSample, type History } from "./history.ts";
import type { Overview } from "../overview.ts";
import { formatBytes, formatCount, formatDuration, formatMilliseconds } from "./quantity.ts";

interface Figure {
  readonly name: string;
  readonly value: string;
  readonly detail: string;
}

interface Totals {
  readonly rows: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly errors: number;
  readonly rowsInMemory: number;
  readonly bytesInMemory: number;
  readonly oldestMs: number;
  readonly bytesOnDisk: number;
  readonly rowsOnDisk: number;
  readonly files: number;
}

/** A row of figures. */
export function KeyFigures(props: { readonly history: History }): VNode {
  return (
    <dl class="figures" aria-label="Key figures">
      {figuresOf(props.history).map(({ name, value, detail }) => (
        <div class="figure" key={name}>
          <dt>{name}</dt>
          <dd class="figure-value">{value}</dd>
          <dd class="figure-detail">{detail}</dd>
        </div>
      ))}
    </dl>
  );
}

function figuresOf(history: History): readonly Figure[] {
  const { latest } = history;
  const sample = newestSample(history);
  const totals = latest === undefined ? undefined : totalsOf(latest);
  return [
    {
      name: "Rows",
      value: `${formatCount(sample?.rowsPerSecond)}/s`,
      detail: `${formatCount(totals?.rows)} since start`,
    },
    {
      name: "Bytes in",
      value: `${formatBytes(sample?.bytesPerSecond)}/s`,
      detail: `${formatBytes(totals?.bytes)} since start`,
    },
    {
      name: "Requests",
      value: `${formatCount(sample?.requestsPerSecond)}/s`,
      detail: `${formatCount(totals?.inFlight)} being served`,
    },
    {
      name: "Refused",
      value: `${formatCount(sample?.errorsPerSecond)}/s`,
      detail: `${formatCount(totals?.errors)} since start`,
    },
    {
      name: "Write latency p99",
      value: formatMilliseconds(sample?.writes.p99),
      detail: `p50 ${formatMilliseconds(sample?.writes.p50)}`,
    },
    {
      name: "Sync latency p99",
      value: formatMilliseconds(sample?.syncs.p99),
      detail: `p50 ${formatMilliseconds(sample?.syncs.p50)}`,
    },
    {
      name: "Rows in memory",
      value: formatCount(totals?.rowsInMemory),
      detail: `oldest ${formatDuration(totals?.oldestMs)}, ${formatBytes(totals?.bytesInMemory)}`,
    },
    {
      name: "In Parquet",
      value: formatBytes(totals?.bytesOnDisk),
      detail: `${formatCount(totals?.rowsOnDisk)} rows, ${formatCount(totals?.files)} files`,
    },
  ];
}

function totalsOf({ workers }: Overview): Totals {
  const sum = (read: (worker: Overview["workers"][number]) => number): number =>
    workers.reduce((total, worker) => total + read(worker), 0);
  return {
    rows: sum(({ requests }) => requests.rows),
    bytes: sum(({ requests }) => requests.bytes),
    inFlight: sum(({ requests }) => requests.inFlight),
    errors: sum(({ requests }) => Object.values(requests.errors).reduce((a, b) => a + b, 0)),
    rowsInMemory: sum(({ store }) => store?.rowsInMemory ?? 0),
    bytesInMemory: sum(({ store }) => store?.bytesInMemory ?? 0),
    oldestMs: Math.max(0, ...workers.map(({ store }) => store?.oldestUnflushedAgeMs ?? 0)),
    bytesOnDisk: sum(({ store }) => store?.bytesOnDisk ?? 0),
    rowsOnDisk: sum(({ store }) => store?.rowsOnDisk ?? 0),
    files: sum(({ store }) => store?.files ?? 0),
  };
}
