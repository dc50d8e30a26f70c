/**
 * The HTTP routes of a running agent, as the commands below `walnut forward` use them.
 */
import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_FAILURE, EXIT_USAGE } from "./exit-code.ts";

const BASE = "/v1/forward";
const DEFAULT_LIMIT_MS = 30_000;

/** Where the agent is, and what it wants to see. */
export interface AgentPlace {
  readonly url: string;
  readonly token: string | undefined;
}

/** One category as the agent shows it. */
export interface ShownCategory {
  readonly name: string;
  readonly state: string;
  readonly depth: number;
  readonly depth_bytes: number;
  readonly oldest_age_ms: number;
  readonly put_items: number;
  readonly shipped_items: number;
  readonly items_per_second: number;
  readonly retries: number;
  readonly dead_letters: number;
  readonly refused_items: number;
  readonly dropped: { readonly oldest_records: number; readonly newest_records: number };
  readonly last_failure?: string;
}

/** An agent as it shows itself. */
export interface ShownForwarder {
  readonly to: string;
  readonly state: string;
  readonly directory: string;
  readonly survives: string;
  readonly warnings: readonly string[];
  readonly depth: number;
  readonly dead_letters: number;
  readonly size_bytes: number;
  readonly max_total_bytes: number;
  readonly categories: readonly ShownCategory[];
}

/** A dead letter as the agent shows it. */
export interface ShownLetter {
  readonly id: number;
  readonly category: string;
  readonly key: string;
  readonly items: number;
  readonly bytes: number;
  readonly status: number;
  readonly answer: string;
  readonly refused_at_ms: number;
}

export interface AgentQuestion {
  readonly method: string;
  /** Below the base of the control routes: `/status`. */
  readonly path: string;
  /** How long the agent may take, in milliseconds; 0: as long as it wants. Default 30,000. */
  readonly limitMs?: number;
}

/** The answer of the agent, as JSON. */
export async function askAgent(place: AgentPlace, question: AgentQuestion): Promise<unknown> {
  const bytes = await agentBytes(place, question);
  return bytes.byteLength === 0 ? undefined : JSON.parse(new TextDecoder().decode(bytes));
}

/** The answer of the agent, as it is. */
export async function agentBytes(place: AgentPlace, question: AgentQuestion): Promise<Uint8Array> {
  const { url } = place;
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new CommandFailure(
      EXIT_USAGE,
      `an agent has an address like http://127.0.0.1:9529, found "${url}"`,
    );
  }
  let answer: { readonly status: number; readonly bytes: Uint8Array };
  try {
    answer = await exchange(place, question);
  } catch (error) {
    // Several addresses were tried, and the reasons are inside.
    const reason: unknown = error instanceof AggregateError ? error.errors[0] : error;
    const text = reason instanceof Error ? reason.message : String(reason);
    throw new CommandFailure(
      EXIT_FAILURE,
      `no agent answers at ${url}: ${text}; is it running? --url or WALNUT_FORWARD_LISTEN says where`,
      { cause: error },
    );
  }
  const { status, bytes } = answer;
  if (status >= 200 && status < 300) return bytes;
  const advice = status === 401 ? "; give its listen_token as WALNUT_FORWARD_LISTEN_TOKEN" : "";
  throw new CommandFailure(
    status >= 500 ? EXIT_FAILURE : EXIT_USAGE,
    `the agent at ${url} answered ${status}: ${said(bytes)}${advice}`,
  );
}

/** Not `fetch`, which gives up after five minutes without an answer: a drain may take an hour. */
async function exchange(
  { url, token }: AgentPlace,
  { method, path, limitMs = DEFAULT_LIMIT_MS }: AgentQuestion,
): Promise<{ readonly status: number; readonly bytes: Uint8Array }> {
  const send = /^https:/i.test(url) ? httpsRequest : httpRequest;
  const request = send(url + BASE + path, {
    method,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(limitMs > 0 && { signal: AbortSignal.timeout(limitMs) }),
  });
  // What goes wrong behind the beginning of an answer is told by the answer.
  request.on("error", () => undefined);
  const answered = once(request, "response") as Promise<[IncomingMessage]>;
  request.end();
  const [response] = await answered;
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: response.statusCode ?? 0, bytes: Buffer.concat(chunks) };
}

function said(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  try {
    const { error, code } = JSON.parse(text) as {
      readonly error?: unknown;
      readonly code?: unknown;
    };
    if (typeof error === "string" && typeof code === "string") return `${error} [${code}]`;
  } catch {
    // Something else than an agent answers there.
  }
  return oneLine(text);
}

/** What an upstream said: the sentence where it answers with JSON, all of it otherwise; a status in front stays there. */
export function answerText(answer: string): string {
  const [, status = "", body = ""] = /^(\d{3}:? )?(.*)$/s.exec(answer) ?? [];
  return oneLine(status + (sentenceOf(body) ?? body));
}

function sentenceOf(body: string): string | undefined {
  // A long answer may be cut, and is JSON no more.
  const quoted = /^\s*\{.*?"(?:error|message)"\s*:\s*("(?:[^"\\]|\\.)*")/s.exec(body)?.[1];
  try {
    return quoted === undefined ? undefined : (JSON.parse(quoted) as string);
  } catch {
    return undefined;
  }
}

/** What others say cannot move a cursor. */
export function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, 200);
}
