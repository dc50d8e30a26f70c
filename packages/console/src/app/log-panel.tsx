/**
 * The log as a picture: its segments to scale, how much of them is in Parquet, durable, or only written, and where the
 * cursors are. The arrow keys go through the segments.
 */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { mapLog, type PlacedSegment } from "./log-map.ts";
import type { LogOverview, Overview } from "../overview.ts";
import { Empty, Facts, Panel } from "./panel.tsx";
import { formatBytes, formatDuration, formatWhole, plural } from "./quantity.ts";

/** One panel for the logs of all workers. */
export function LogPanel({ overview }: { readonly overview: Overview }): VNode {
  const logs = overview.workers.flatMap((worker) =>
    worker.logs.map((log, index) => ({ worker, log, isOwn: index === 0 })),
  );
  return (
    <Panel id="log" title="The log" note="segments to scale, oldest first" class="full">
      {logs.length === 0 ? (
        <Empty>The log is not open yet. It is shown when recovery has read it.</Empty>
      ) : (
        logs.map(({ worker, log, isOwn }) => (
          <div class="log" key={log.shard}>
            {logs.length === 1 ? null : (
              <h3>
                {isOwn
                  ? `Worker ${worker.worker}`
                  : `Log ${log.shard}, adopted by worker ${worker.worker}`}
              </h3>
            )}
            <LogPicture log={log} overview={overview} />
          </div>
        ))
      )}
      {logs.length === 0 ? null : <Keys />}
    </Panel>
  );
}

/** What the colours mean. */
function Keys(): VNode {
  return (
    <ul class="keys" aria-label="Colours of the log">
      <li>
        <span class="key in-parquet" aria-hidden="true" /> in Parquet, space about to be released
      </li>
      <li>
        <span class="key only-log" aria-hidden="true" /> durable, only in the log
      </li>
      <li>
        <span class="key not-durable" aria-hidden="true" /> not on the device yet
      </li>
      <li>
        <span class="key room" aria-hidden="true" /> room in the active segment
      </li>
    </ul>
  );
}

function LogPicture(props: { readonly log: LogOverview; readonly overview: Overview }): VNode {
  const { log, overview } = props;
  const map = mapLog(log, overview.limits.segmentBytes);
  const { firstLsn, durableLsn, flushedLsn, appendedLsn } = log.positions;
  const flushed = map.placeOf(flushedLsn);
  const durable = Math.max(flushed, map.placeOf(durableLsn));
  const appended = Math.max(durable, map.placeOf(appendedLsn));
  return (
    <>
      <div class="track-frame">
        <div class="fills" aria-hidden="true">
          <Fill name="in-parquet" from={0} to={flushed} />
          <Fill name="only-log" from={flushed} to={durable} />
          <Fill name="not-durable" from={durable} to={appended} />
        </div>
        <Track
          segments={map.segments}
          nowMs={overview.nowMs}
          name={`log-${log.shard}`}
          ends={[firstLsn, appendedLsn]}
        />
        <div class="cursors" aria-hidden="true">
          {log.cursors.map(({ name, lsn }) => (
            <span key={name} class="cursor" style={{ left: percent(map.placeOf(lsn)) }}>
              <i />
            </span>
          ))}
        </div>
      </div>
      <Facts facts={factsOf(log)} />
    </>
  );
}

function Fill(props: {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}): VNode | null {
  const { name, from, to } = props;
  if (to <= from) return null;
  return <span class={name} style={{ left: percent(from), width: percent(to - from) }} />;
}

function Track(props: {
  readonly segments: readonly PlacedSegment[];
  readonly nowMs: number;
  readonly name: string;
  readonly ends: readonly [firstLsn: number, lastLsn: number];
}): VNode {
  const { segments, nowMs, name, ends } = props;
  const [chosen, setChosen] = useState<number | undefined>(undefined);
  const index = Math.min(chosen ?? segments.length - 1, segments.length - 1);
  const placed = segments[index];

  function onKeyDown(event: KeyboardEvent): void {
    const step = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: segments.length - 1 };
    const next = step[event.key as keyof typeof step] as number | undefined;
    if (next === undefined) return;
    event.preventDefault();
    setChosen(Math.max(0, Math.min(segments.length - 1, next)));
  }

  return (
    <>
      <div
        class="track"
        role="listbox"
        tabIndex={0}
        aria-label="Segments; arrow keys choose one"
        aria-orientation="horizontal"
        aria-activedescendant={placed === undefined ? undefined : `${name}-${index}`}
        onKeyDown={onKeyDown}
      >
        {segments.map(({ segment, start, end }, at) => (
          <span
            key={segment.firstLsn}
            id={`${name}-${at}`}
            role="option"
            aria-selected={at === index}
            aria-label={describe(segment, nowMs)}
            class={`segment ${segment.isSealed ? "sealed" : "active"} ${at === chosen ? "chosen" : ""}`}
            style={{ left: percent(start), width: percent(end - start) }}
            onMouseEnter={() => setChosen(at)}
          />
        ))}
      </div>
      <p class="ends">
        {placed === undefined ? (
          <span>Nothing has been written to this log yet.</span>
        ) : (
          <>
            <span>LSN {formatWhole(ends[0])}</span>
            <span>{describe(placed.segment, nowMs)}</span>
            <span>LSN {formatWhole(ends[1])}</span>
          </>
        )}
      </p>
    </>
  );
}

function describe(segment: PlacedSegment["segment"], nowMs: number): string {
  const { firstLsn, lastLsn, sizeBytes, createdAtMs, isSealed, files } = segment;
  const what =
    files > 1
      ? `${formatWhole(files)} older segments`
      : isSealed
        ? "Sealed segment"
        : "Active segment";
  const records =
    lastLsn < firstLsn
      ? "no record yet"
      : `LSN ${formatWhole(firstLsn)} to ${formatWhole(lastLsn)}`;
  return `${what}: ${records}, ${formatBytes(sizeBytes)}, begun ${formatDuration(nowMs - createdAtMs)} ago`;
}

function factsOf(log: LogOverview): readonly (readonly [string, string])[] {
  const { durableLsn, flushedLsn, appendedLsn, writtenLsn } = log.positions;
  const behind = (lsn: number): string =>
    lsn >= appendedLsn ? "all" : `${plural(appendedLsn - lsn, "record")} behind`;
  const { spaceHolder: holder } = log;
  const held =
    holder === null || holder.lagRecords === 0
      ? "nobody"
      : `${holder.cursor}, ${formatBytes(holder.lagBytes)} for ${formatDuration(holder.lagMs)}`;
  return [
    ["Written", `LSN ${formatWhole(writtenLsn)} (${behind(writtenLsn)})`],
    ["Durable", `LSN ${formatWhole(durableLsn)} (${behind(durableLsn)})`],
    ["In Parquet", `LSN ${formatWhole(flushedLsn)} (${behind(flushedLsn)})`],
    ["Space is held by", held],
    ["Size", `${formatBytes(log.sizeBytes)} in ${plural(log.segmentCount, "segment")}`],
    ["Free on the device", formatBytes(log.freeBytes ?? undefined)],
    [
      "Cursors",
      log.cursors.map(({ name, lsn }) => `${name} at ${formatWhole(lsn)}`).join(", ") || "none",
    ],
    ["Released", plural(log.totals.releasedSegments, "segment")],
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(3)}%`;
}
