/** Runs one query at a time: a new one, or a wish to stop, cancels the one before, here and on the server. */
import { useState } from "preact/hooks";
import { keepQueries, recallQueries } from "./browser-memory.ts";
import type { QueryAnswer } from "./result-series.ts";
import { askQuery, type Refusal } from "./server-api.ts";
import { rememberQuery } from "./sql-history.ts";

/** How the last query ended. */
export type Outcome =
  | { readonly kind: "nothing" }
  | { readonly kind: "answer"; readonly answer: QueryAnswer }
  | { readonly kind: "refusal"; readonly refusal: Refusal; readonly sql: string };

/** Queries of one view. */
export interface QueryRuns {
  /** Those that were run, the newest first. */
  readonly queries: readonly string[];
  readonly outcome: Outcome;
  readonly isRunning: boolean;
  readonly run: (sql: string) => void;
  readonly cancel: () => void;
}

/** Queries with this token; `onUnauthorized` is called when it is no longer good. */
export function useQuery(token: string, onUnauthorized: (reason: string) => void): QueryRuns {
  const [queries, setQueries] = useState(recallQueries);
  const [outcome, setOutcome] = useState<Outcome>({ kind: "nothing" });
  const [running, setRunning] = useState<AbortController | undefined>(undefined);

  async function ask(sql: string, abort: AbortController): Promise<void> {
    const reply = await askQuery(token, sql, abort.signal);
    if (abort.signal.aborted) return;
    setRunning(undefined);
    switch (reply.kind) {
      case "answered":
        setOutcome({ kind: "answer", answer: reply.value });
        return;
      case "unauthorized":
        onUnauthorized(reply.reason);
        return;
      case "refused":
        setOutcome({ kind: "refusal", refusal: reply.refusal, sql });
        return;
      case "unreachable": {
        const refusal = { code: "No answer", message: reply.reason, details: {} };
        setOutcome({ kind: "refusal", refusal, sql });
      }
    }
  }

  function run(sql: string): void {
    running?.abort();
    const abort = new AbortController();
    setRunning(abort);
    const remembered = rememberQuery(queries, sql);
    setQueries(remembered);
    keepQueries(remembered);
    void ask(sql, abort);
  }

  function cancel(): void {
    running?.abort();
    setRunning(undefined);
  }

  return { queries, outcome, isRunning: running !== undefined, run, cancel };
}
