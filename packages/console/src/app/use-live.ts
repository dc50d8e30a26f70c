/**
 * Keeps the overview current: one question a second, each after the answer to the last; none while nobody looks.
 */
import { useEffect, useState } from "preact/hooks";
import { EMPTY_HISTORY, remember, type History } from "./history.ts";
import { askOverview } from "./server-api.ts";

/** How it goes with the server. */
export interface Connection {
  /** Why there was no answer; `undefined` while there is one. */
  readonly problem: string | undefined;
  /** Clock of the browser: since when. */
  readonly sinceMs: number;
}

/** Everything live. */
export interface Live {
  readonly history: History;
  readonly connection: Connection;
}

const INTERVAL_MS = 1_000;
/** Pause after a question without an answer. */
const RETRY_MS = 2_000;

const BEGINNING: Live = {
  history: EMPTY_HISTORY,
  connection: { problem: undefined, sinceMs: 0 },
};

/** Asks for as long as the component lives. `onUnauthorized` is called when the token is no longer good. */
export function useLive(token: string, onUnauthorized: (reason: string) => void): Live {
  const [live, setLive] = useState<Live>(BEGINNING);
  useEffect(() => {
    let isStopped = false;
    let timer: ReturnType<typeof setTimeout> | undefined;

    async function ask(): Promise<void> {
      timer = undefined;
      const reply = await askOverview(token);
      if (isStopped) return;
      if (reply.kind === "unauthorized") {
        onUnauthorized(reply.reason);
        return;
      }
      if (reply.kind === "answered") setLive((before) => answered(before, reply.value));
      else setLive((before) => failed(before, textOf(reply)));
      if (!document.hidden) schedule(reply.kind === "answered" ? INTERVAL_MS : RETRY_MS);
    }

    function schedule(delayMs: number): void {
      clearTimeout(timer);
      timer = setTimeout(() => void ask(), delayMs);
    }

    function onVisibility(): void {
      if (document.hidden) clearTimeout(timer);
      else schedule(0);
    }

    document.addEventListener("visibilitychange", onVisibility);
    schedule(0);
    return () => {
      isStopped = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisibility);
    };
  }, [token]);
  return live;
}

function answered(before: Live, overview: Parameters<typeof remember>[1]): Live {
  return {
    history: remember(before.history, overview),
    connection: { problem: undefined, sinceMs: Date.now() },
  };
}

function failed(before: Live, problem: string): Live {
  const sinceMs = before.connection.sinceMs === 0 ? Date.now() : before.connection.sinceMs;
  return { ...before, connection: { problem, sinceMs } };
}

function textOf(
  reply: Exclude<Awaited<ReturnType<typeof askOverview>>, { kind: "answered" | "unauthorized" }>,
): string {
  return reply.kind === "unreachable" ? reply.reason : reply.refusal.message;
}
