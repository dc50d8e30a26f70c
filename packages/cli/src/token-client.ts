/** Tokens over HTTP: the routes of a server that `walnut token --url` uses. */
import { CommandFailure } from "./command-failure.ts";
import { EXIT_FAILURE } from "./exit-code.ts";
import { serverClient, type ServerPlace } from "./server-client.ts";
import type { ListedToken, TokenAdministration } from "./token-command.ts";

const PATH = "/api/v1/tokens";
const MS_PER_SECOND = 1_000;

/** The tokens of the server at `url`. */
export async function remoteTokens(
  url: string,
  caller: Pick<ServerPlace, "tokenFile" | "variables">,
): Promise<TokenAdministration> {
  const client = await serverClient({ ...caller, url, right: "admin" });
  async function call(method: string, path: string, body?: object): Promise<unknown> {
    const sent = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    const response = await client.get(path, sent);
    try {
      return await response.json();
    } catch (error) {
      const message = `${client.base} answered ${response.status}: an answer without JSON`;
      throw new CommandFailure(EXIT_FAILURE, message, { cause: error });
    }
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
