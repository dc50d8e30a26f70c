/** The agent on the server's host (`walnut forward`): what waits in each category, and whether the upstream takes it. */
import type { VNode } from "preact";
import type { ForwardedCategory, ForwarderOverview, ForwarderStatus } from "../overview.ts";
import { isQuiet, judgeUpstream, type Judgement } from "./forwarder-health.ts";
import { Facts, Meter, Panel } from "./panel.tsx";
import { formatBytes, formatCount, formatDuration, NO_NUMBER, plural } from "./quantity.ts";

type Silence = Exclude<ForwarderOverview, { kind: "answered" }>;

const TITLES = [
  "Waiting",
  "On disk",
  "Oldest",
  "In/s",
  "Out/s",
  "Shipped",
  "Retries",
  "Dropped",
  "Refused",
  "Dead letters",
];
const SILENCES: Readonly<Record<Silence["kind"], Judgement>> = {
  "not-running": { tone: "bad", text: "Not running" },
  "no-answer": { tone: "bad", text: "No status" },
  unknown: { tone: "idle", text: "Asking" },
};

const STATES: Readonly<Record<ForwarderStatus["state"], Judgement>> = {
  running: { tone: "good", text: "Running" },
  paused: { tone: "warning", text: "Paused: items are taken, none is sent" },
};

/** Status, or why there is none. */
export function ForwarderPanel({ forwarder }: { readonly forwarder: ForwarderOverview }): VNode {
  return (
    <Panel
      id="forwarder"
      title="Forwarder"
      note={`walnut forward at ${forwarder.listen}`}
      class="full"
    >
      {forwarder.kind === "answered" ? (
        <Status status={forwarder.status} />
      ) : (
        <p>
          <Lamp
            judgement={{
              tone: SILENCES[forwarder.kind].tone,
              text: `${SILENCES[forwarder.kind].text}: ${forwarder.reason}`,
            }}
          />
        </p>
      )}
    </Panel>
  );
}

function Status({ status }: { readonly status: ForwarderStatus }): VNode {
  const { to, state, directory, survives, warnings, depth, deadLetters } = status;
  const upstream = judgeUpstream(status);
  return (
    <>
      <p class="judgements">
        <Lamp judgement={STATES[state]} />
        <Lamp judgement={{ ...upstream, text: `Upstream ${to} ${upstream.text}` }} />
      </p>
      <Facts
        facts={[
          ["Waiting", plural(depth, "item")],
          [
            "Dead letters",
            deadLetters === 0 ? "none" : <span class="refused">{formatCount(deadLetters)}</span>,
          ],
          ["Survives", survives],
          ["Spool", directory],
          ...warnings.map((warning) => ["Warning", warning] as const),
        ]}
      />
      <Meter label="Capacity used" value={status.sizeBytes} max={status.maxTotalBytes} />
      <div class="scroll" tabIndex={0} role="region" aria-labelledby="forwarder-title">
        <Categories categories={status.categories} />
      </div>
    </>
  );
}

function Categories(props: { readonly categories: readonly ForwardedCategory[] }): VNode {
  const quiet = props.categories.filter(isQuiet).map(({ name }) => name);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Category</th>
          <th scope="col">State</th>
          {TITLES.map((title) => (
            <th key={title} scope="col" class="number">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {props.categories
          .filter((category) => !isQuiet(category))
          .map((category) => (
            <Row key={category.name} category={category} />
          ))}
        {quiet.length === 0 ? null : (
          <tr>
            <td class="null wraps" colSpan={TITLES.length + 2}>
              Nothing yet: {quiet.join(", ")}
            </td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

function Row({ category }: { readonly category: ForwardedCategory }): VNode {
  const { name, state, depth, depthBytes, oldestAgeMs, lastFailure } = category;
  const cells = [
    formatCount(depth),
    formatBytes(depthBytes),
    depth === 0 ? NO_NUMBER : formatDuration(oldestAgeMs),
    formatCount(category.putItemsPerSecond),
    formatCount(category.shippedItemsPerSecond),
    formatCount(category.shippedItems),
    formatCount(category.retries),
    formatCount(category.droppedItems),
    formatCount(category.refusedItems),
    formatCount(category.deadLetters),
  ];
  return (
    <tr>
      <th scope="row">{name}</th>
      <td class={lastFailure === null ? "" : "refused"}>{state}</td>
      {cells.map((text, index) => (
        <td key={index} class="number">
          {text}
        </td>
      ))}
    </tr>
  );
}

function Lamp({ judgement: { tone, text } }: { readonly judgement: Judgement }): VNode {
  return (
    <span class="judged">
      <span class={`lamp ${tone}`} aria-hidden="true" />
      <span>{text}</span>
    </span>
  );
}
