/**
 * The two questions that the console asks its server, each answered with a value, whatever happens on the way.
 *
 * The token travels in a header, never in an address, so that it is in no history and no log.
 */
import type { Overview } from "../overview.ts";
import type { QueryAnswer } from "./result-series.ts";

/** How a question ended. */
export type Reply<Value> =
  | { readonly kind: "answered"; readonly value: Value }
  /** The token is wrong, or was revoked, or is not allowed to read. */
  | { readonly kind: "unauthorized"; readonly reason: string }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** No answer: no network, no server, or not from this place. */
  | { readonly kind: "unreachable"; readonly reason: string };

/** An error as the server tells it. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Longest time that an overview may take, in ms: it is computed in one. */
const OVERVIEW_TIMEOUT_MS = 10_000;

/** The server at this moment. */
export async function askOverview(token: string): Promise<Reply<Overview>> {
  const signal = AbortSignal.timeout(OVERVIEW_TIMEOUT_MS);
  return await ask<Overview>("/api/v1/overview", token, { signal });
}

/** Runs SQL; a signal cancels it here and on the server. */
export async function askQuery(
  token: string,
  sql: string,
  signal: AbortSignal,
): Promise<Reply<QueryAnswer>> {
  const body = JSON.stringify({ sql });
  return await ask<QueryAnswer>("/api/v1/query", token, { method: "POST", body, signal });
}

async function ask<Value>(path: string, token: string, init: RequestInit): Promise<Reply<Value>> {
  let response: Response;
  let body: unknown;
  try {
    const headers = { Authorization: `Bearer ${token}` };
    response = await fetch(path, { ...init, headers, cache: "no-store", credentials: "omit" });
    body = await response.json();
  } catch (error) {
    return { kind: "unreachable", reason: reasonOf(error) };
  }
  // The page comes from the server that answers: both are of one version.
  if (response.ok) return { kind: "answered", value: body as Value };
  const refusal = refusalOf(response.status, body);
  if (response.status === 401 || response.status === 403) {
    return { kind: "unauthorized", reason: refusal.message };
  }
  return { kind: "refused", refusal };
}

function refusalOf(status: number, body: unknown): Refusal {
  const { code, message, details } = (
    typeof body === "object" && body !== null ? body : {}
  ) as Partial<Refusal>;
  return {
    code: code ?? `HTTP ${status}`,
    message: message ?? `the server answered ${status}`,
    details: details ?? {},
  };
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  switch (error.name) {
    case "TimeoutError":
      return "it took too long";
    case "AbortError":
      return "cancelled";
    case "TypeError":
      return "the connection failed";
    default:
      return error.message;
  }
}
