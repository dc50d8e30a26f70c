/** Where SQL is written: a plain field, with the keyboard for all that the buttons do. */
import type { VNode } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { QueryRuns } from "./use-query.ts";

const MIN_LINES = 5;
const MAX_LINES = 14;
const SHOWN_LENGTH = 90;

/** The field and its buttons. */
export function SqlEditor(props: {
  readonly sql: string;
  readonly onChange: (sql: string) => void;
  readonly runs: QueryRuns;
  /** Gets the keyboard when it becomes true. */
  readonly isShown: boolean;
}): VNode {
  const { sql, onChange, runs, isShown } = props;
  const { queries } = runs;
  const editor = useRef<HTMLTextAreaElement>(null);
  const [recalled, setRecalled] = useState(-1);

  useEffect(() => {
    if (isShown) editor.current?.focus();
  }, [isShown]);

  function recall(step: number): void {
    const next = Math.max(-1, Math.min(queries.length - 1, recalled + step));
    setRecalled(next);
    onChange(queries[next] ?? sql);
  }

  function onKeyDown(event: KeyboardEvent): void {
    const { key } = event;
    if (key === "Enter" && (event.ctrlKey || event.metaKey)) runs.run(sql);
    else if (key === "Escape" && runs.isRunning) runs.cancel();
    else if (event.altKey && key === "ArrowUp") recall(1);
    else if (event.altKey && key === "ArrowDown") recall(-1);
    else return;
    event.preventDefault();
  }

  return (
    <>
      <textarea
        ref={editor}
        aria-label="SQL query"
        aria-keyshortcuts="Control+Enter"
        spellcheck={false}
        autocomplete="off"
        rows={Math.min(MAX_LINES, Math.max(MIN_LINES, sql.split("\n").length + 1))}
        value={sql}
        onInput={(event) => onChange(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div class="actions">
        <button type="button" class="primary" onClick={() => runs.run(sql)}>
          Run <kbd>Ctrl Enter</kbd>
        </button>
        <button type="button" disabled={!runs.isRunning} onClick={runs.cancel}>
          Cancel
        </button>
        <Earlier queries={queries} onChoose={onChange} />
        <span class="note" role="status">
          {runs.isRunning ? "running…" : ""}
        </span>
      </div>
    </>
  );
}

function Earlier(props: {
  readonly queries: readonly string[];
  readonly onChoose: (sql: string) => void;
}): VNode {
  const { queries, onChoose } = props;
  return (
    <label class="recall">
      <span>Earlier queries</span>
      <select
        disabled={queries.length === 0}
        value=""
        onChange={(event) => {
          const sql = queries[Number(event.currentTarget.value)];
          if (event.currentTarget.value !== "" && sql !== undefined) onChoose(sql);
        }}
      >
        <option value="">
          {queries.length === 0 ? "none yet" : `${queries.length}, also Alt ↑ ↓`}
        </option>
        {queries.map((query, index) => (
          <option key={query} value={index}>
            {query.replaceAll(/\s+/g, " ").slice(0, SHOWN_LENGTH)}
          </option>
        ))}
      </select>
    </label>
  );
}
