/**
 * An agent (`walnut forward`) on this host, as the overview sees it: asked when somebody looks, and at most once a second.
 *
 * It never holds up who looks: after a short wait they get what was known before. Where the agent is comes from the
 * configuration alone; redirects are not followed, no proxy is used, the answer is bounded in time and size, and the
 * token is in the request and nowhere else.
 */
import { request, type IncomingMessage } from "node:http";
import type { ForwarderOverview } from "@walnut/console";
import type { ResolvedServerOptions } from "../server-options.ts";
import { readForwarderStatus } from "./forwarder-status.ts";

/** Where and how to ask. */
export interface ForwarderWatchOptions {
  /** `HOST:PORT`, as the agent has it. */
  readonly listen: string;
  /** What the agent wants to see; `undefined` where it wants nothing. */
  readonly token: string | undefined;
  /** Milliseconds of a clock that never goes back. */
  readonly monotonicMs: () => number;
}

/** An address of HOST:PORT. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const STATUS_PATH = "/v1/forward/status";
/** What is known for less long is told again without asking. */
const FRESH_MS = 1_000;
/** Longest time that a look waits. */
const LOOK_MS = 250;
/** An agent that needs longer does not answer. */
const ASK_TIMEOUT_MS = 1_000;
const MAX_ANSWER_BYTES = 1024 * 1024; // 1 MiB
const LISTEN_PATTERN = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+)):(\d{1,5})$/i;
const MAX_PORT = 65_535;
const NOBODY_THERE: ReadonlySet<unknown> = new Set(["ECONNREFUSED", "ENOTFOUND", "EADDRNOTAVAIL"]);

type Outcome =
  | Pick<Extract<ForwarderOverview, { kind: "answered" }>, "kind" | "status">
  | Pick<Exclude<ForwarderOverview, { kind: "answered" }>, "kind" | "reason">;

/** HOST:PORT in parts; `undefined` for anything else. */
export function parseListen(listen: string): ListenAddress | undefined {
  const [, v6, name, port] = LISTEN_PATTERN.exec(listen) ?? [];
  const host = v6 ?? name;
  if (host === undefined || Number(port) > MAX_PORT) return undefined;
  return { host, port: Number(port) };
}

/** The agent that a configuration names, if it names one. */
export function watchForwarder(
  options: Pick<ResolvedServerOptions, "forwardListen" | "forwardListenToken">,
  monotonicMs: () => number,
): ForwarderWatch | undefined {
  const { forwardListen: listen, forwardListenToken: token } = options;
  return listen === undefined ? undefined : new ForwarderWatch({ listen, token, monotonicMs });
}

/** One agent. */
export class ForwarderWatch {
  readonly #options: ForwarderWatchOptions;
  #known: { readonly outcome: Outcome; readonly atMs: number } | undefined;
  #asking: { readonly done: Promise<void>; readonly sinceMs: number } | undefined;

  constructor(options: ForwarderWatchOptions) {
    this.#options = options;
  }

  /** The agent now, or as it was a moment ago. Never rejects. */
  async look(): Promise<ForwarderOverview> {
    const { listen, monotonicMs } = this.#options;
    const nowMs = monotonicMs();
    if (this.#known === undefined || nowMs - this.#known.atMs >= FRESH_MS) {
      this.#asking ??= { done: this.#ask(), sinceMs: nowMs };
      await waitFor(this.#asking.done, LOOK_MS - (nowMs - this.#asking.sinceMs));
    }
    const reason = "it has not answered yet";
    return { listen, ...(this.#known?.outcome ?? { kind: "unknown", reason }) };
  }

  async #ask(): Promise<void> {
    const { listen, token, monotonicMs } = this.#options;
    const outcome = await askForwarder(listen, token);
    this.#known = { outcome, atMs: monotonicMs() };
    this.#asking = undefined;
  }
}

/** Never rejects: why there is no status is the answer then. */
async function askForwarder(listen: string, token: string | undefined): Promise<Outcome> {
  const address = parseListen(listen);
  if (address === undefined || address.port === 0) {
    return { kind: "no-answer", reason: "its port is not in the configuration" };
  }
  try {
    const response = await get(reachable(address), token);
    if (response.statusCode !== 200) {
      response.destroy();
      return { kind: "no-answer", reason: refusalText(response.statusCode) };
    }
    const status = readForwarderStatus(JSON.parse(await readText(response)));
    if (status !== undefined) return { kind: "answered", status };
    return { kind: "no-answer", reason: "what answers is no agent, or one of another version" };
  } catch (error) {
    return failureOf(error);
  }
}

/** Who listens on every address is reached on the loopback one. */
function reachable({ host, port }: ListenAddress): ListenAddress {
  if (host === "0.0.0.0") return { host: "127.0.0.1", port };
  return { host: host === "::" ? "::1" : host, port };
}

function get(address: ListenAddress, token: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request({
      ...address,
      path: STATUS_PATH,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      // A connection of its own, through no proxy.
      agent: false,
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    sent.on("response", resolve);
    sent.on("error", reject);
    sent.end();
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES) throw new SyntaxError("the answer is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function refusalText(status: number | undefined): string {
  return status === 401
    ? "it wants another token: forward.listen_token is not the agent's"
    : `what listens there answered ${status ?? "nothing"}`;
}

function failureOf(error: unknown): Outcome {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (NOBODY_THERE.has(code)) return { kind: "not-running", reason: "nobody listens there" };
  if (code === "ABORT_ERR") {
    return { kind: "no-answer", reason: `it did not answer within ${ASK_TIMEOUT_MS} ms` };
  }
  if (error instanceof SyntaxError) {
    return { kind: "no-answer", reason: "what answers is no agent, or one of another version" };
  }
  const detail = typeof code === "string" ? ` (${code})` : "";
  return { kind: "no-answer", reason: `the connection failed${detail}` };
}

/** Waits for something that never rejects, and not for long. */
async function waitFor(done: Promise<void>, limitMs: number): Promise<void> {
  if (limitMs <= 0) return;
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([done, limit]);
  clearTimeout(timer);
}
