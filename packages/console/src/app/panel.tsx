/** A part of the page with a heading, and the small pieces that several parts are made of. */
import type { ComponentChildren, VNode } from "preact";
import { formatBytes } from "./quantity.ts";

/** Percentages of a limit from which a bar warns. */
const FILLING = 80;
const NEARLY_FULL = 95;

/** A titled part. `id` names it for assistive programs and links. */
export function Panel(props: {
  readonly id: string;
  readonly title: string;
  readonly note?: string | undefined;
  readonly class?: string | undefined;
  readonly children: ComponentChildren;
}): VNode {
  const { id, title, note, children } = props;
  return (
    <section class={`panel ${props.class ?? ""}`} aria-labelledby={`${id}-title`}>
      <header class="panel-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {note === undefined ? null : <p class="note">{note}</p>}
      </header>
      {children}
    </section>
  );
}

/** A list of names and values. */
export function Facts(props: {
  readonly facts: readonly (readonly [name: string, value: ComponentChildren])[];
}): VNode {
  return (
    <dl class="facts">
      {props.facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A bar: how much of something limited is used. */
export function Meter(props: {
  readonly label: string;
  readonly value: number;
  readonly max: number;
}): VNode {
  const { label, value, max } = props;
  const percent = max === 0 ? 0 : Math.min(100, (value / max) * 100);
  const tone = percent >= NEARLY_FULL ? "bad" : percent >= FILLING ? "warning" : "";
  const text = `${formatBytes(value)} of ${formatBytes(max)}`;
  return (
    <div class="meter">
      <span>{label}</span>
      <div
        class="meter-track"
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(percent)}
        aria-valuetext={text}
      >
        <span class={tone} style={{ width: `${percent.toFixed(2)}%` }} />
      </div>
      <span>{text}</span>
    </div>
  );
}

/** Said where there is nothing to show yet. */
export function Empty(props: { readonly children: ComponentChildren }): VNode {
  return <div class="empty">{props.children}</div>;
}
