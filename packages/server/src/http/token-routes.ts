/**
 * The tokens over HTTP: `GET`, `POST` and `DELETE /api/v1/tokens`.
 *
 * The text of a token is in one answer, the one that made it. Works in every phase, so that a token can be revoked
 * while the log is being recovered.
 */
import { z } from "zod";
import { ACCESS_RIGHTS } from "../access/access-right.ts";
import type { StoredTokens, TokenFacts } from "../access/stored-tokens.ts";
import { LOCAL_TOKEN_ID, OPTION_TOKEN_ID } from "../access/token-book.ts";
import { MAX_NAME_LENGTH } from "../access/token-record.ts";
import { ServerError } from "../errors.ts";
import type { AnswerHeaders, Exchange } from "./exchange.ts";
import type { Route } from "./router.ts";
import { parseJsonBody, receiveText } from "./text-body.ts";

/** What the token routes need. */
export interface TokenRoutesOptions {
  readonly stored: StoredTokens;
  /** Id of the token in clear that is accepted as well, if there is one. */
  readonly clearTokenId: () => string | undefined;
  /** Removes `DIRECTORY/token`; false when there was none. */
  readonly removeLocalToken: () => Promise<boolean>;
  /** Makes this process see a change before the change is answered. */
  readonly refresh: () => Promise<void>;
}

/** Body of `POST /api/v1/tokens`. */
export const NEW_TOKEN_SCHEMA: z.ZodType<{
  name: string;
  rights: (typeof ACCESS_RIGHTS)[number][];
  expires_in_seconds?: number | undefined;
}> = z.strictObject({
  name: z.string().min(1).max(MAX_NAME_LENGTH),
  rights: z.array(z.enum(ACCESS_RIGHTS)).min(1),
  expires_in_seconds: z.number().positive().optional(),
});

const PATH = "/api/v1/tokens";
const MAX_BODY_BYTES = 16_384; // 16 KiB
const MS_PER_SECOND = 1_000;
/** No cache on the way may keep a token. */
const NOT_STORED: AnswerHeaders = { "Cache-Control": "no-store" };

/** The three routes; `admin` each. */
export function tokenRoutes(context: TokenRoutesOptions): readonly Route[] {
  async function list(exchange: Exchange): Promise<void> {
    const clear = context.clearTokenId();
    const tokens = [
      ...(clear === undefined ? [] : [clearTokenAnswer(clear)]),
      ...(await context.stored.list()).map(tokenAnswer),
    ];
    exchange.json(200, JSON.stringify({ success: true, tokens }));
  }

  async function create(exchange: Exchange): Promise<void> {
    const text = await receiveText(exchange, MAX_BODY_BYTES);
    if (text === undefined) return;
    const {
      name,
      rights,
      expires_in_seconds: seconds,
    } = parseJsonBody(text, NEW_TOKEN_SCHEMA, '{"name": "…", "rights": ["write"]}');
    const lifeMs = seconds === undefined ? undefined : seconds * MS_PER_SECOND;
    const made = await context.stored.create({ name, rights, lifeMs });
    await context.refresh();
    const answer = { success: true, token: made.text, ...tokenAnswer(made) };
    exchange.json(201, JSON.stringify(answer), NOT_STORED);
  }

  async function revoke(exchange: Exchange): Promise<void> {
    const id = exchange.parameter("id");
    if (id === undefined || id === "") throw invalid(`say which: DELETE ${PATH}?id=ID`);
    if (id === OPTION_TOKEN_ID) {
      throw invalid("this token comes from the configuration; change it there and start again");
    }
    const revoked =
      id === LOCAL_TOKEN_ID ? await revokeLocal() : tokenAnswer(await context.stored.revoke(id));
    await context.refresh();
    exchange.json(200, JSON.stringify({ success: true, revoked }));
  }

  async function revokeLocal(): Promise<object> {
    if (await context.removeLocalToken()) return clearTokenAnswer(LOCAL_TOKEN_ID);
    throw new ServerError("SERVER_NOT_FOUND", "there is no local token", {
      details: { id: LOCAL_TOKEN_ID },
    });
  }

  return [
    route("token_list", "GET", list),
    route("token_create", "POST", create),
    route("token_revoke", "DELETE", revoke),
  ];
}

function route(name: string, method: Route["method"], handle: Route["handle"]): Route {
  return { name, method, path: PATH, access: "admin", availability: "always", handle };
}

function tokenAnswer(token: TokenFacts): object {
  const { id, name, rights, created, expires, lastFour } = token;
  return { id, name, rights, created, expires, last_four: lastFour };
}

/** Nothing of a token that a person may have chosen is shown: four characters could be half of it. */
function clearTokenAnswer(id: string): object {
  return { id, name: id, rights: ACCESS_RIGHTS, created: null, expires: null, last_four: null };
}

function invalid(message: string): ServerError {
  return new ServerError("SERVER_INVALID_REQUEST", message);
}
