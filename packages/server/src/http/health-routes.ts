/**
 * The routes for machines that watch: is the process alive, may it get traffic, what are its numbers.
 *
 * They answer in every phase, from the first moment the port is open.
 */
import type { ServerState } from "../server-state.ts";
import { WALNUT_VERSION } from "../package-version.ts";
import { troubledWorkers, type Supervision } from "../workers/supervision.ts";
import type { Question, WorkerGroup } from "../workers/worker-group.ts";
import type { Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";

/** What is asked of the storage. */
export interface WatchedStorage {
  /** Why writes would fail although the server is up, or `undefined` when they would not. */
  findTrouble(): Promise<string | undefined>;
  /** What is not as it should be although writes are taken, or `undefined`. */
  findConcern(): Promise<string | undefined>;
}

/** What the health routes need. */
export interface HealthRoutesOptions {
  readonly state: ServerState;
  readonly group: WorkerGroup;
  /** What is on disk; `undefined` until it is open. */
  readonly storage: () => WatchedStorage | undefined;
  /** What the primary knows of all workers; `undefined` without one. */
  readonly supervision: () => Supervision | undefined;
  /** Text of /metrics in the Prometheus exposition format, and its content type. */
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  readonly publicMetrics: boolean;
  readonly nowMs: () => number;
}

/** Why a worker needs a look; `null` when it does not. */
const CONCERN: Question<object, string | null> = { name: "concern" };
/** A worker that hangs must not make the others look dead. */
const ASK_TIMEOUT_MS = 2_000;
/** How long a client stays away from a log that refuses writes, as with the refusals themselves. */
const DEGRADED_RETRY_SECONDS = 5;
const MS_PER_SECOND = 1_000;

/** `/health`, `/ready` and `/metrics`. */
export function healthRoutes(context: HealthRoutesOptions): readonly Route[] {
  const { state, group } = context;
  group.answer(CONCERN, async () => {
    const storage = context.storage();
    return (await storage?.findTrouble()) ?? (await storage?.findConcern()) ?? null;
  });

  /** 200 as long as the process can answer at all; `concern` says what needs a look. `status` is the word InfluxDB clients look for. */
  async function health(exchange: Exchange): Promise<void> {
    const nowMs = context.nowMs();
    const concern = await findConcern(group);
    const body = {
      name: "walnut",
      status: "pass",
      message: sentenceOf(state),
      phase: state.phase,
      degraded: concern !== undefined,
      ...(concern === undefined ? {} : { concern }),
      version: WALNUT_VERSION,
      time: new Date(nowMs).toISOString(),
      uptime_sec: Math.floor((nowMs - state.startedAtMs) / MS_PER_SECOND),
      ...workersOf(context.supervision()),
    };
    exchange.json(200, JSON.stringify(body));
  }

  /**
   * 200 when a write would be accepted now, 503 with the reason and the progress otherwise. With several workers the
   * first recovery ends when that of the last one does; one that is started again later leaves the server ready.
   */
  async function ready(exchange: Exchange): Promise<void> {
    const trouble = state.phase === "ready" ? await context.storage()?.findTrouble() : undefined;
    const supervision = context.supervision();
    const hasRecovered = supervision?.hasRecovered ?? true;
    if (state.phase === "ready" && trouble === undefined && hasRecovered) {
      exchange.json(200, JSON.stringify({ status: "ready", ...workersOf(supervision) }));
      return;
    }
    const body =
      trouble === undefined
        ? {
            status: hasRecovered ? state.phase : "recovering",
            progress: progressOf(state),
            ...workersOf(supervision),
          }
        : { status: "degraded", reason: trouble };
    const retrySeconds = trouble === undefined ? state.retryAfterSeconds : DEGRADED_RETRY_SECONDS;
    exchange.json(503, JSON.stringify(body), { "Retry-After": String(retrySeconds) });
  }

  async function metrics(exchange: Exchange): Promise<void> {
    exchange.text(200, context.metrics.contentType, await context.metrics.render());
  }

  return [
    route("health", "/health", "public", health),
    route("ready", "/ready", "public", ready),
    route("metrics", "/metrics", context.publicMetrics ? "public" : "read", metrics),
  ];
}

/** Why any worker needs a look. One that does not answer is told by {@link troubledWorkers}. */
async function findConcern(group: WorkerGroup): Promise<string | undefined> {
  const answers = await group.askAll(CONCERN, {}, { timeoutMs: ASK_TIMEOUT_MS });
  const concerns = answers.flatMap((result) => {
    if (result.kind === "failed" || result.answer === null) return [];
    return group.workers === 1 ? result.answer : `worker ${result.worker}: ${result.answer}`;
  });
  return concerns.length === 0 ? undefined : concerns.join("; ");
}

/** Member `workers`, where there are several: each with its phase, and what is wrong with any. */
function workersOf(supervision: Supervision | undefined): object {
  if (supervision === undefined) return {};
  const workers = supervision.workers.map(({ worker, phase, processId, restarts, lastEnd }) => ({
    worker,
    phase,
    process_id: processId ?? null,
    restarts,
    last_end: lastEnd ?? null,
  }));
  return { workers, issues: troubledWorkers(supervision) };
}

/** `null` for what is not known yet, so that every answer has the same members. */
function progressOf(state: ServerState): unknown {
  const { phase, bytesPerSecond, etaSeconds, elapsedMs, ...counts } = state.recovery;
  return {
    step: phase,
    ...counts,
    bytesPerSecond: bytesPerSecond ?? null,
    etaSeconds: etaSeconds ?? null,
    elapsedSeconds: Math.round(elapsedMs) / MS_PER_SECOND,
  };
}

function route(
  name: string,
  path: string,
  access: Route["access"],
  handle: Route["handle"],
): Route {
  return { name, path, access, handle, method: "GET", availability: "always" };
}

function sentenceOf(state: ServerState): string {
  switch (state.phase) {
    case "recovering":
      return "recovering the log";
    case "ready":
      return "ready for queries and writes";
    case "stopping":
      return "stopping";
    case "failed":
      return "start failed";
    case "closed":
      return "closed";
  }
}
