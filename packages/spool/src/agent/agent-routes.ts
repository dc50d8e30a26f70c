/**
 * The routes of the agent: items in, and a look at the forwarder with the hand on its switch.
 */
import { SpoolError } from "../errors.ts";
import { TYPE_ATTRIBUTE } from "../forward/item-batch.ts";
import type { Forwarder } from "../forward/forwarder.ts";
import { QUERY_ATTRIBUTE } from "../forward/upstream-target.ts";
import type { ItemAttributes } from "../item-record.ts";
import { agentMetrics } from "./agent-metrics.ts";
import type { AgentRequest } from "./agent-request.ts";
import { BodyBudget } from "./body-budget.ts";

/** What a route does with a request; `id` is the last part of its path where the path has one. */
export interface AgentRoute {
  readonly method: string;
  /** `:id` stands for one part. */
  readonly path: string;
  /** Changes something, or shows contents: not for pages in browsers. */
  readonly isControl: boolean;
  readonly handle: (request: AgentRequest, id: string) => Promise<void>;
}

/** Where line protocol goes that comes without a category. */
const LINE_CATEGORY = "metric";
/** Bodies in memory at one time, as multiples of the largest item. */
const MAX_BODIES = 4;
const DEFAULT_DRAIN_MS = 30_000;
const MAX_DRAIN_MS = 3_600_000;
/** Types that clients send without meaning them. */
const PLAIN_TYPE = /^(text\/plain|application\/x-www-form-urlencoded)\b/i;
/** Parameters that are about who asks, not about the items. */
const CREDENTIALS = ["token", "u", "p"];
const LINE_PARAMETERS = ["db", "rp", "bucket", "org", "precision"];

/** All routes. */
export function agentRoutes(forwarder: Forwarder, durability: string): readonly AgentRoute[] {
  const names = forwarder.spool.categoryNames;
  const lineCategory = names.includes(LINE_CATEGORY) ? LINE_CATEGORY : (names[0] ?? LINE_CATEGORY);
  const budget = new BodyBudget({
    maxBytes: MAX_BODIES * forwarder.maxItemBytes,
    categories: names.length,
  });

  async function take(
    request: AgentRequest,
    category: string,
    wanted: readonly string[] | undefined,
  ): Promise<void> {
    forwarder.spool.category(category); // A wrong name is told before a body is read.
    const lease = budget.lease(category);
    try {
      const body = await request.body(forwarder.maxItemBytes, lease);
      if (body.byteLength === 0) {
        throw new SpoolError(
          "SPOOL_INVALID_REQUEST",
          "the body is empty: there is nothing to spool",
        );
      }
      const attributes = attributesOf(request, wanted);
      const { lsn } = await forwarder.put(category, body, { attributes });
      const dropped = lsn === 0 ? { "x-walnut-spooled": "dropped" } : {};
      request.noContent({ "x-walnut-durability": durability, ...dropped });
    } finally {
      lease.release();
    }
  }

  const line = async (request: AgentRequest): Promise<void> => {
    await take(request, lineCategory, LINE_PARAMETERS);
  };
  return [
    route("POST", "/v1/write/:id", async (request, id) => await take(request, id, undefined)),
    route("POST", "/write", line),
    route("POST", "/api/v2/write", line),
    route("GET", "/ping", async (request) => request.noContent()),
    route("GET", "/v1/ping", async (request) => request.json(200, { status: "ok" })),
    route("GET", "/health", async (request) =>
      request.json(200, { status: forwarder.isPaused ? "paused" : "ok" }),
    ),
    route("GET", "/metrics", async (request) => {
      const { text, type } = await agentMetrics(await forwarder.status());
      request.text(200, text, type);
    }),
    control("GET", "/v1/forward/status", async (request) =>
      request.json(200, await forwarder.status()),
    ),
    control("POST", "/v1/forward/pause", async (request) => {
      forwarder.pause();
      request.json(200, { state: "paused" });
    }),
    control("POST", "/v1/forward/resume", async (request) => {
      forwarder.resume();
      request.json(200, { state: "running" });
    }),
    control("POST", "/v1/forward/drain", async (request) => {
      const left = await forwarder.drain(drainLimit(request.query.get("timeout_ms")));
      request.json(200, { isDrained: left === 0, left });
    }),
    ...deadLetterRoutes(forwarder),
  ];
}

function deadLetterRoutes(forwarder: Forwarder): readonly AgentRoute[] {
  return [
    control("GET", "/v1/forward/dead-letters", async (request) =>
      request.json(200, { deadLetters: forwarder.deadLetters() }),
    ),
    control("GET", "/v1/forward/dead-letters/:id", async (request, id) => {
      const { body } = await forwarder.deadLetterRequest(letterId(id));
      request.text(200, body, "application/octet-stream");
    }),
    control("DELETE", "/v1/forward/dead-letters/:id", async (request, id) => {
      await forwarder.discard(letterId(id));
      request.noContent();
    }),
    control("POST", "/v1/forward/dead-letters/redrive", async (request) => {
      const ids = forwarder.deadLetters().map((letter) => letter.id);
      request.json(200, { results: await forwarder.redrive(ids) });
    }),
    control("POST", "/v1/forward/dead-letters/:id/redrive", async (request, id) =>
      request.json(200, { results: await forwarder.redrive([letterId(id)]) }),
    ),
  ];
}

function route(method: string, path: string, handle: AgentRoute["handle"]): AgentRoute {
  return { method, path, isControl: false, handle };
}

function control(method: string, path: string, handle: AgentRoute["handle"]): AgentRoute {
  return { method, path, isControl: true, handle };
}

/** What the upstream is to be told about an item: its type where it is no plain text, and the parameters that it came with. */
function attributesOf(
  request: AgentRequest,
  wanted: readonly string[] | undefined,
): ItemAttributes {
  const type = request.header("content-type");
  const query = new URLSearchParams(
    [...request.query].filter(([name]) =>
      wanted === undefined ? !CREDENTIALS.includes(name) : wanted.includes(name),
    ),
  ).toString();
  return {
    ...(type !== undefined && !PLAIN_TYPE.test(type) && { [TYPE_ATTRIBUTE]: type }),
    ...(query !== "" && { [QUERY_ATTRIBUTE]: query }),
  };
}

function letterId(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new SpoolError("SPOOL_INVALID_REQUEST", `"${text}" is no number of a dead letter`);
}

function drainLimit(text: string | null): number {
  if (text === null) return DEFAULT_DRAIN_MS;
  if (/^\d{1,7}$/.test(text) && Number(text) <= MAX_DRAIN_MS) return Number(text);
  throw new SpoolError(
    "SPOOL_INVALID_REQUEST",
    `timeout_ms must be a whole number from 0 to ${MAX_DRAIN_MS}, found "${text}"`,
  );
}
