/** Every measurement: what comes in, what is in memory, what is in Parquet. */
import type { ComponentChildren, VNode } from "preact";
import { isServing, newestSample, type History } from "./history.ts";
import type { Overview, TableNumbers } from "../overview.ts";
import { Empty, Facts, Panel } from "./panel.tsx";
import { formatBytes, formatCount, formatDuration, plural } from "./quantity.ts";
import { tableTitle, type Sample, type TableRate } from "./rates.ts";

type OnOpen = (database: string, measurement: string) => void;

const TITLES = ["Rows/s", "Bytes/s", "In memory", "In Parquet", "Files", "Size"];

/** A table of tables. `onOpen` is called with the one whose rows somebody wants to see. */
export function TablesPanel(props: { readonly history: History; readonly onOpen: OnOpen }): VNode {
  const { history, onOpen } = props;
  const { latest } = history;
  const hasTables = latest !== undefined && latest.tables.length > 0;
  const ages = latest?.workers.map(({ store }) => store?.oldestUnflushedAgeMs ?? 0) ?? [];
  const note = `oldest row outside of Parquet: ${formatDuration(Math.max(0, ...ages))}`;
  return (
    <Panel
      id="tables"
      title="Measurements and Parquet"
      note={hasTables ? note : undefined}
      class={panelClass(latest)}
    >
      {hasTables ? (
        <div class="scroll" tabIndex={0} role="region" aria-labelledby="tables-title">
          <Tables overview={latest} sample={newestSample(history)} onOpen={onOpen} />
        </div>
      ) : (
        <Empty>
          {isServing(latest)
            ? "No measurement yet: the first point that is written makes one."
            : "Tables are shown when the server is ready."}
        </Empty>
      )}
      {latest === undefined ? null : <Uploads workers={latest.workers} />}
    </Panel>
  );
}

/** Beside the start of one worker, above those of several. */
function panelClass(latest: Overview | undefined): string {
  return (latest?.workers.length ?? 1) > 1 ? "full" : "wide";
}

/** What is on its way to object storage; nothing where files stay local. */
function Uploads({ workers }: Pick<Overview, "workers">): VNode | null {
  const facts = workers.flatMap(({ worker, store }): readonly (readonly [string, string])[] => {
    if (store === null || store.uploads === null) return [];
    const { pendingFiles, pendingBytes, oldestPendingMs, uploadedFiles } = store.uploads;
    const name = workers.length === 1 ? "To object storage" : `Worker ${worker} to object storage`;
    const waiting =
      pendingFiles === 0
        ? "nothing waits"
        : `${plural(pendingFiles, "file")} waiting, ${formatBytes(pendingBytes)}, oldest ${formatDuration(oldestPendingMs)}`;
    return [[name, `${waiting}; ${formatCount(uploadedFiles)} moved`]];
  });
  return facts.length === 0 ? null : (
    <div class="below">
      <Facts facts={facts} />
    </div>
  );
}

function Tables(props: {
  readonly overview: Overview;
  readonly sample: Sample | undefined;
  readonly onOpen: OnOpen;
}): VNode {
  const { overview, sample, onOpen } = props;
  const { others } = overview;
  // By name: rows that change places every second cannot be read.
  const tables = overview.tables.toSorted((a, b) => (tableTitle(a) < tableTitle(b) ? -1 : 1));
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Measurement</th>
          {TITLES.map((title) => (
            <th key={title} scope="col" class="number">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {tables.map((table) => (
          <Row key={tableTitle(table)} numbers={table} rate={sample?.tables.get(tableTitle(table))}>
            <button
              type="button"
              class="link"
              title="Show its newest rows"
              onClick={() => onOpen(table.database, table.measurement)}
            >
              {tableTitle(table)}
            </button>
          </Row>
        ))}
        {others.tables === 0 ? null : (
          <Row numbers={others} rate={undefined}>
            {formatCount(others.tables)} quieter ones
          </Row>
        )}
      </tbody>
    </table>
  );
}

function Row(props: {
  readonly numbers: TableNumbers;
  readonly rate: TableRate | undefined;
  readonly children: ComponentChildren;
}): VNode {
  const { numbers, rate, children } = props;
  const cells = [
    formatCount(rate?.rowsPerSecond),
    formatBytes(rate?.bytesPerSecond),
    formatCount(numbers.rowsInMemory),
    formatCount(numbers.rowsOnDisk),
    formatCount(numbers.files),
    formatBytes(numbers.bytesOnDisk),
  ];
  return (
    <tr>
      <th scope="row">{children}</th>
      {cells.map((text, index) => (
        <td key={index} class="number">
          {text}
        </td>
      ))}
    </tr>
  );
}
