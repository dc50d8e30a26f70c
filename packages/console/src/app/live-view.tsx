/** The view of what is happening now: figures first, then what is coming in, the log, latencies, tables, the start. */
import type { VNode } from "preact";
import { FirstPoint } from "./first-point.tsx";
import { ForwarderPanel } from "./forwarder-panel.tsx";
import { isServing, type History } from "./history.ts";
import { KeyFigures } from "./key-figures.tsx";
import { LogPanel } from "./log-panel.tsx";
import { RequestsPanel, RowsPanel, SmallChartPanels } from "./rate-panels.tsx";
import { RecoveryPanel } from "./recovery-panel.tsx";
import { TablesPanel } from "./tables-panel.tsx";

/** Everything live. `onOpen` is called with a table whose rows somebody wants to see. */
export function LiveView(props: {
  readonly history: History;
  readonly palette: string;
  readonly onOpen: (database: string, measurement: string) => void;
}): VNode {
  const { history, palette, onOpen } = props;
  const { latest } = history;
  const forwarder = latest?.forwarder ?? null;
  const isEmpty = latest !== undefined && isServing(latest) && latest.tables.length === 0;
  const isRecovering = latest?.status === "recovering";
  return (
    <>
      {isEmpty ? <FirstPoint /> : null}
      {isRecovering ? <RecoveryPanel history={history} /> : null}
      <KeyFigures history={history} />
      <div class="grid">
        <RowsPanel {...{ history, palette }} />
        <RequestsPanel history={history} />
        {latest === undefined ? null : <LogPanel overview={latest} />}
        <SmallChartPanels {...{ history, palette }} />
        {forwarder === null ? null : <ForwarderPanel forwarder={forwarder} />}
        <TablesPanel history={history} onOpen={onOpen} />
        {isRecovering ? null : <RecoveryPanel history={history} />}
      </div>
    </>
  );
}
