/** A part of the page with a heading, and the small pieces that several parts are made of. */
import type { ComponentChildren, VNode } from "preact";

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

/** Said where there is nothing to show yet. */
export function Empty(props: { readonly children: ComponentChildren }): VNode {
  return <div class="empty">{props.children}</div>;
}
