/** Messages for the operator, the worst first; told to assistive programs as they appear. */
import type { VNode } from "preact";
import type { Notice } from "./notices.ts";

const SIGNS = { bad: "Problem", warning: "Warning", note: "Note" };

/** The list; empty it takes no room. */
export function NoticeList({ notices }: { readonly notices: readonly Notice[] }): VNode {
  return (
    <div role="status" aria-live="polite" class="notices">
      {notices.map(({ tone, title, advice }) => (
        <div key={title} class={`notice tone-${tone}`}>
          <strong>
            <span class="sign">{SIGNS[tone]}</span> {title}
          </strong>
          <p>{advice}</p>
        </div>
      ))}
    </div>
  );
}
