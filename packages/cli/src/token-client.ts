/**
 * Tokens over HTTP: the routes of a server that `walnut token --url` uses.
 *
 * The caller's own token comes from a variable or a file, never from a flag: other users can see flags.
 */
import { readFile } from "node:fs/promises";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_FAILURE, EXIT_USAGE } from "./exit-code.ts";
import type { ListedToken, TokenAdministration } from "./token-command.ts";

const PATH = "/api/v1/tokens";
const MS_PER_SECOND = 1_000;
const MIN_SERVER_ERROR = 500;

/** Where the caller's token is. */
export interface CallerToken {
  readonly tokenFile: string | undefined;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** The tokens of the server at `url`. */
export async function remoteTokens(url: string, caller: CallerToken): Promise<TokenAdministration> {
  const base = baseUrl(url);
  const authorization = `Bearer ${await callerToken(caller)}`;
  async function call(method: string, path: string, body?: object): Promise<unknown> {
    const init = { method, headers: { authorization } };
    const sent = body === undefined ? init : { ...init, body: JSON.stringify(body) };
    return await answerOf(base, path, sent);
  }
  return {
    // The shapes are those of docs/http-api.md.
    list: async () => ((await call("GET", PATH)) as { tokens: ListedToken[] }).tokens,
    create: async ({ name, rights, lifeMs }) => {
      const life = lifeMs === undefined ? {} : { expires_in_seconds: lifeMs / MS_PER_SECOND };
      return (await call("POST", PATH, { name, rights, ...life })) as ListedToken & {
        token: string;
      };
    },
    revoke: async (id) => {
      const path = `${PATH}?id=${encodeURIComponent(id)}`;
      return ((await call("DELETE", path)) as { revoked: ListedToken }).revoked;
    },
  };
}

function baseUrl(url: string): string {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return url.replace(/\/+$/, "");
  throw new CommandFailure(EXIT_USAGE, `--url must be like https://host:8000, found "${url}"`);
}

async function callerToken({ tokenFile, variables }: CallerToken): Promise<string> {
  if (tokenFile !== undefined) {
    try {
      return (await readFile(tokenFile, "utf8")).trim();
    } catch (error) {
      throw new CommandFailure(EXIT_USAGE, `--token-file ${tokenFile} cannot be read`, {
        cause: error,
      });
    }
  }
  const token = variables["WALNUT_TOKEN"];
  if (token !== undefined && token !== "") return token;
  throw new CommandFailure(
    EXIT_USAGE,
    "--url needs a token with the right admin: set WALNUT_TOKEN, or give --token-file FILE",
  );
}

async function answerOf(base: string, path: string, init: RequestInit): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(base + path, init);
    text = await response.text();
  } catch (error) {
    throw new CommandFailure(EXIT_FAILURE, `${base} does not answer: ${reasonOf(error)}`, {
      cause: error,
    });
  }
  const answer = parsed(text);
  if (response.ok && answer !== undefined) return answer;
  const exitCode = response.status >= MIN_SERVER_ERROR ? EXIT_FAILURE : EXIT_USAGE;
  const { error, code } = (answer ?? {}) as { error?: unknown; code?: unknown };
  const said = typeof error === "string" ? `${error} [${String(code)}]` : "an answer without JSON";
  throw new CommandFailure(exitCode, `${base} answered ${response.status}: ${said}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Something else than a Walnut answers there; the caller says so.
  }
}

/** What fetch wraps in "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
