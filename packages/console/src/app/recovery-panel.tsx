/** The starts of the workers: how far the present one is, or what the last one found and how long it took. */
import type { VNode } from "preact";
import type { History } from "./history.ts";
import type { Overview, RecoveryProgressOverview, WorkerOverview } from "../overview.ts";
import { Facts, Panel } from "./panel.tsx";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatInstant,
  formatMilliseconds,
  NO_NUMBER,
} from "./quantity.ts";

/** Recovery and process of every worker. */
export function RecoveryPanel({ history }: { readonly history: History }): VNode {
  const { latest } = history;
  return (
    <Panel
      id="recovery"
      title={latest?.status === "recovering" ? "Starting" : "Last start"}
      note="recovery of the log"
      class={(latest?.workers.length ?? 1) > 1 ? "full" : undefined}
    >
      {latest === undefined
        ? null
        : latest.workers.map((worker) => (
            <WorkerStart key={worker.worker} {...{ worker, overview: latest }} />
          ))}
    </Panel>
  );
}

function WorkerStart(props: {
  readonly worker: WorkerOverview;
  readonly overview: Overview;
}): VNode {
  const { worker, overview } = props;
  const upMs = overview.nowMs - worker.startedAtMs;
  const title = overview.workers.length === 1 ? null : <h3>Worker {worker.worker}</h3>;
  const process: readonly (readonly [string, string])[] = [
    ["Running for", formatDuration(upMs)],
    ["Memory of the process", formatBytes(worker.residentBytes)],
    ["CPU time", formatDuration(worker.cpuSeconds * 1_000)],
  ];
  if (worker.recovery === null) {
    return (
      <div>
        {title}
        <RecoveryProgress progress={worker.progress} />
        <Facts facts={process} />
      </div>
    );
  }
  const { segments, records, rows, bytes, durationMs, tornTailBytes } = worker.recovery;
  return (
    <div>
      {title}
      <Facts
        facts={[
          ["Started", formatInstant(worker.startedAtMs)],
          ["Recovery took", formatMilliseconds(durationMs)],
          ["Segments found", formatCount(segments)],
          ["Replayed", `${formatCount(rows)} rows in ${formatCount(records)} records`],
          ["Read", formatBytes(bytes)],
          [
            "Unfinished end",
            tornTailBytes === 0 ? "none" : `${formatBytes(tornTailBytes)} cut, never acknowledged`,
          ],
          ...process,
        ]}
      />
    </div>
  );
}

function RecoveryProgress({ progress }: { readonly progress: RecoveryProgressOverview }): VNode {
  const { phase, segmentsDone, segmentsTotal, bytesDone, bytesTotal } = progress;
  const { records, rows, bytesPerSecond, etaSeconds } = progress;
  return (
    <>
      <progress
        aria-label="Recovery"
        {...(bytesTotal > 0 ? { max: bytesTotal, value: bytesDone } : {})}
      />
      <Facts
        facts={[
          ["Step", phase === "scan" ? "reading segments" : "replaying rows"],
          ["Read", `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`],
          ["Speed", `${formatBytes(bytesPerSecond)}/s`],
          ["Time left", etaSeconds === undefined ? NO_NUMBER : formatDuration(etaSeconds * 1_000)],
          ["Segments", `${formatCount(segmentsDone)} of ${formatCount(segmentsTotal)}`],
          ["Replayed", `${formatCount(rows)} rows in ${formatCount(records)} records`],
        ]}
      />
    </>
  );
}
