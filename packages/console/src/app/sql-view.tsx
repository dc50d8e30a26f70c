/** The SQL box: a plain editor, and the answer as a table and, where it has a time and a number, as a chart. */
import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { QueryResult } from "./query-result.tsx";
import type { Refusal } from "./server-api.ts";
import { SqlEditor } from "./sql-editor.tsx";
import { placeInText } from "./text-place.ts";
import { useQuery } from "./use-query.ts";

/** A query that somebody asked for elsewhere; `at` tells one wish from the next. */
export interface QueryWish {
  readonly sql: string;
  readonly at: number;
}

const FIRST_SQL = "SELECT 1 AS one";

/** Editor and answer. */
export function SqlView(props: {
  readonly token: string;
  readonly wish: QueryWish | undefined;
  readonly palette: string;
  readonly isShown: boolean;
  readonly onUnauthorized: (reason: string) => void;
}): VNode {
  const { token, wish, palette, isShown, onUnauthorized } = props;
  const runs = useQuery(token, onUnauthorized);
  const { outcome } = runs;
  const [sql, setSql] = useState(runs.queries[0] ?? FIRST_SQL);

  useEffect(() => {
    if (wish === undefined) return;
    setSql(wish.sql);
    runs.run(wish.sql);
  }, [wish]);

  return (
    <div class="sql">
      <section class="panel" aria-labelledby="sql-title">
        <header class="panel-head">
          <h2 id="sql-title">SQL</h2>
          <p class="note">
            Tables are <code>database.measurement</code>; the timestamp is <code>time</code>
          </p>
        </header>
        <SqlEditor onChange={setSql} {...{ sql, runs, isShown }} />
        {outcome.kind === "refusal" ? <RefusalText {...outcome} /> : null}
      </section>
      {outcome.kind === "answer" ? <QueryResult answer={outcome.answer} palette={palette} /> : null}
    </div>
  );
}

function RefusalText({ refusal, sql }: { readonly refusal: Refusal; readonly sql: string }): VNode {
  const { offsetBytes } = refusal.details;
  const place = typeof offsetBytes === "number" ? placeInText(sql, offsetBytes) : undefined;
  return (
    <div class="notice tone-bad" role="alert">
      <strong>
        {refusal.code}
        {place === undefined ? "" : `, line ${place.line}, column ${place.column}`}
      </strong>
      <p class="message">{refusal.message}</p>
      {place === undefined ? null : (
        <pre>
          {place.text}
          {"\n"}
          <b>{`${" ".repeat(place.column - 1)}^`}</b>
        </pre>
      )}
    </div>
  );
}
