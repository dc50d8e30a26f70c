/**
 * Tokens in a data directory, with or without a server on it. Loads the server's code, so it is loaded on demand.
 */
import {
  isAccessRight,
  LOCAL_TOKEN_ID,
  readLocalToken,
  removeLocalToken,
  ServerError,
  StoredTokens,
  type TokenFacts,
} from "@walnut/server";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_USAGE } from "./exit-code.ts";
import type { ListedToken, TokenAdministration } from "./token-command.ts";

const USAGE_CODES: ReadonlySet<string> = new Set(["SERVER_INVALID_REQUEST", "SERVER_NOT_FOUND"]);

/** The tokens of a data directory that exists. */
export function localTokens(dataDirectory: string): TokenAdministration {
  const stored = new StoredTokens({ dataDirectory });
  return {
    list: async () => {
      const hasLocal = (await readLocalToken(dataDirectory)) !== undefined;
      return [...(hasLocal ? [LOCAL_TOKEN] : []), ...(await stored.list()).map(listed)];
    },
    create: (token) =>
      asUsage(async () => {
        const unknown = token.rights.find((right) => !isAccessRight(right));
        if (unknown !== undefined) {
          throw new CommandFailure(
            EXIT_USAGE,
            `--rights must be of read, write and admin, with commas between, found "${unknown}"`,
          );
        }
        const { name, lifeMs } = token;
        const rights = token.rights.filter(isAccessRight);
        const made = await stored.create({ name, rights, lifeMs });
        return { token: made.text, ...listed(made) };
      }),
    revoke: (id) =>
      asUsage(async () => {
        if (id !== LOCAL_TOKEN_ID) return listed(await stored.revoke(id));
        if (await removeLocalToken(dataDirectory)) return LOCAL_TOKEN;
        throw new CommandFailure(EXIT_USAGE, `there is no local token in ${dataDirectory}`);
      }),
  };
}

const LOCAL_TOKEN: ListedToken = {
  id: LOCAL_TOKEN_ID,
  name: LOCAL_TOKEN_ID,
  rights: ["read", "write", "admin"],
  created: null,
  expires: null,
  last_four: null,
};

async function asUsage<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ServerError && USAGE_CODES.has(error.code)) {
      throw new CommandFailure(EXIT_USAGE, error.message, { cause: error });
    }
    throw error;
  }
}

function listed({ id, name, rights, created, expires, lastFour }: TokenFacts): ListedToken {
  return { id, name, rights, created, expires, last_four: lastFour };
}
