/** Said where there is no data: the line that writes the first point to this very server. */
import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { Panel } from "./panel.tsx";

/** What to do on an empty server. */
export function FirstPoint(): VNode {
  const [isCopied, setCopied] = useState(false);
  const command = firstPointCommand(location.origin);

  async function copy(): Promise<void> {
    await navigator.clipboard.writeText(command);
    setCopied(true);
  }

  return (
    <Panel id="first-point" title="Nothing has been written yet" class="first-point">
      <p>In the folder where the server was started, this writes the first point:</p>
      <pre tabIndex={0}>{command}</pre>
      {/* Browsers have no clipboard for pages that came over plain HTTP from another machine. */}
      {isSecureContext ? (
        <button type="button" onClick={() => void copy()}>
          {isCopied ? "Copied" : "Copy"}
        </button>
      ) : null}
    </Panel>
  );
}

function firstPointCommand(origin: string): string {
  return [
    `curl -i '${origin}/write?db=demo' \\`,
    `  -H "Authorization: Bearer $(cat data/token)" \\`,
    `  --data-binary 'cpu,host=web-1 usage=0.64'`,
  ].join("\n");
}
