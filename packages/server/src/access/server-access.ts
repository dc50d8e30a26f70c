/**
 * Access control of one running server: finds its tokens at the start, follows them, and brings the routes that manage them.
 */
import { loadAccessToken, removeLocalToken, type AccessToken } from "../access-token.ts";
import type { Route } from "../http/router.ts";
import { tokenRoutes } from "../http/token-routes.ts";
import type { ResolvedServerOptions } from "../server-options.ts";
import { StoredTokens, type TokenFacts } from "./stored-tokens.ts";
import { openTokenBook, type TokenBook } from "./token-book.ts";

/** Tokens in clear below this length can be guessed over a network. */
const SHORT_TOKEN_LENGTH = 16;
const LOOPBACK_HOSTS = ["127.0.0.1", "::1", "localhost"];

/** What {@link openAccess} makes. */
export interface ServerAccess {
  /** The token in clear, as found or made at the start. */
  readonly token: AccessToken;
  readonly book: TokenBook;
  /** The routes that manage tokens. */
  routes(): readonly Route[];
  close(): void;
}

/**
 * Finds the tokens, and makes one on the first run.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION`, `SERVER_TOKENS_UNAVAILABLE`
 */
export async function openAccess(
  options: ResolvedServerOptions,
  dataDirectory: string,
): Promise<ServerAccess> {
  const { logger } = options;
  const stored = new StoredTokens({ dataDirectory });
  const hasStoredAdmin = (await stored.list()).some((facts) => isUsableAdmin(facts, Date.now()));
  const token = await loadAccessToken({
    directory: dataDirectory,
    token: options.token,
    hasStoredAdmin,
    logger,
  });
  const isShort = token.source === "option" && token.token.length < SHORT_TOKEN_LENGTH;
  if (isShort && !LOOPBACK_HOSTS.includes(options.host)) {
    logger.warn(
      `the given token has fewer than ${SHORT_TOKEN_LENGTH} characters and can be guessed`,
    );
  }
  const book = await openTokenBook({ dataDirectory, token, nowMs: Date.now, logger });
  return {
    token,
    book,
    routes: () =>
      tokenRoutes({
        stored,
        clearTokenId: () => book.clearTokenId,
        removeLocalToken: () => removeLocalToken(dataDirectory),
        refresh: () => book.refresh(),
      }),
    close: () => book.close(),
  };
}

function isUsableAdmin({ rights, expires }: TokenFacts, nowMs: number): boolean {
  return rights.includes("admin") && (expires === null || Date.parse(expires) > nowMs);
}
