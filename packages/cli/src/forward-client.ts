/**
 * The HTTP routes of a running agent, as the commands below `walnut forward` use them.
 */
import { CommandFailure } from "./command-failure.ts";
import { EXIT_FAILURE, EXIT_USAGE } from "./exit-code.ts";

const BASE = "/v1/forward";

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

/** The answer of the agent, as JSON. */
export async function askAgent(place: AgentPlace, method: string, path: string): Promise<unknown> {
  const bytes = await agentBytes(place, method, path);
  return bytes.byteLength === 0 ? undefined : JSON.parse(new TextDecoder().decode(bytes));
}

/** The answer of the agent, as it is. */
export async function agentBytes(
  { url, token }: AgentPlace,
  method: string,
  path: string,
): Promise<Uint8Array> {
  let response: Response;
  let bytes: Uint8Array;
  try {
    const headers: Record<string, string> =
      token === undefined ? {} : { authorization: `Bearer ${token}` };
    response = await fetch(url + BASE + path, { method, headers });
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const text = reason instanceof Error ? reason.message : String(reason);
    throw new CommandFailure(EXIT_FAILURE, `no agent answers at ${url}: ${text}`, { cause: error });
  }
  if (response.ok) return bytes;
  const exitCode = response.status >= 500 ? EXIT_FAILURE : EXIT_USAGE;
  throw new CommandFailure(
    exitCode,
    `the agent at ${url} answered ${response.status}: ${said(bytes)}`,
  );
}

function said(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes);
  try {
    const { error, code } = JSON.parse(text) as {
      readonly error?: unknown;
      readonly code?: unknown;
    };
    return `${String(error)} [${String(code)}]`;
  } catch {
    return text.slice(0, 200); // Something else than an agent answers there.
  }
}
