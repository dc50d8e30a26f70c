/** The answer of a query: how long it took, its rows, a chart of them, and the way to take them along. */
import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { textOf, toCsv, type Cell } from "./csv.ts";
import { Empty, Panel } from "./panel.tsx";
import { formatMilliseconds, formatValue, formatWhole, plural } from "./quantity.ts";
import { seriesOf, type QueryAnswer } from "./result-series.ts";
import { TimeChart } from "./time-chart.tsx";

/** More rows are not read by people, and slow the page down; the CSV has all. */
const MAX_SHOWN_ROWS = 500;
const CHART_HEIGHT_PX = 260;

/** Answer of a query. */
export function QueryResult(props: {
  readonly answer: QueryAnswer;
  readonly palette: string;
}): VNode {
  const { answer, palette } = props;
  const series = useMemo(() => seriesOf(answer), [answer]);
  const { columns, types, data, row_count: rowCount } = answer;
  const shown = data.slice(0, MAX_SHOWN_ROWS);
  return (
    <Panel
      id="result"
      title="Answer"
      note={`${plural(rowCount, "row")}, ${formatMilliseconds(answer.execution_time_ms)}`}
    >
      {series === undefined ? null : (
        <TimeChart
          title="Answer over time"
          times={series.times}
          lines={series.lines}
          format={formatValue}
          palette={palette}
          heightPx={CHART_HEIGHT_PX}
          scale="values"
        />
      )}
      <div class="actions">
        <CsvButton answer={answer} />
        <span class="note" role="status">
          {rowCount > shown.length
            ? `The first ${formatWhole(shown.length)} of ${formatWhole(rowCount)} rows are shown; the CSV has all.`
            : ""}
        </span>
      </div>
      {rowCount === 0 ? (
        <Empty>No rows. The query is fine; nothing matches it.</Empty>
      ) : (
        <div class="scroll tall" tabIndex={0} role="region" aria-labelledby="result-title">
          <table>
            <thead>
              <tr>
                {columns.map((name, index) => (
                  <th key={index} scope="col" class={isNumber(types[index]) ? "number" : ""}>
                    {name}
                    <small>{types[index]?.toLowerCase()}</small>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {shown.map((row, at) => (
                <tr key={at}>
                  {row.map((cell, index) => (
                    <td key={index} class={isNumber(types[index]) ? "number" : ""}>
                      {cell === null ? <i class="null">null</i> : shownText(cell, types[index])}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Panel>
  );
}

/** A link to the rows, made when somebody wants them. */
function CsvButton({ answer }: { readonly answer: QueryAnswer }): VNode {
  const [url, setUrl] = useState<string | undefined>(undefined);

  function download(): void {
    if (url !== undefined) URL.revokeObjectURL(url);
    const text = toCsv(answer.columns, answer.data);
    const made = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    setUrl(made);
    const link = document.createElement("a");
    link.href = made;
    link.download = "walnut.csv";
    link.click();
  }

  return (
    <button type="button" onClick={download} disabled={answer.row_count === 0}>
      Download CSV
    </button>
  );
}

/** Times without zeros that say nothing; the CSV has every digit. */
function shownText(cell: Cell, type: string | undefined): string {
  const text = textOf(cell);
  return type?.startsWith("TIMESTAMP") === true
    ? text
        .replace("T", " ")
        .replace(/(\.\d*?)0+Z$/, "$1")
        .replace(/\.?Z?$/, "")
    : text;
}

function isNumber(type: string | undefined): boolean {
  return /INT|DOUBLE|FLOAT|DECIMAL/.test(type ?? "");
}
