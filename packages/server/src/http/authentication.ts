/**
 * Who may call: finds the token in a request and asks whom it stands for.
 *
 * The forms are those of the clients people already have: `Authorization: Bearer`, `Token` (InfluxDB 2.x)
 * and `Basic` (InfluxDB 1.x, the password is the token), the query parameter `p`, and `x-api-key`. The
 * first form that is present decides; a wrong one is not saved by a right one further down.
 */
import type { AccessGrant } from "../access/access-right.ts";
import type { Exchange } from "./exchange.ts";

/** Tokens and whom they stand for. */
export interface KnownTokens {
  /** From memory. */
  recognise(token: string): AccessGrant | undefined;
  /** After a look at where tokens are kept. */
  recogniseFresh(token: string): Promise<AccessGrant | undefined>;
}

/** Recognises callers; a promise only when a token is not known and the files have to be looked at. */
export interface CallerRecognition {
  /** Whom the request's token stands for, or `undefined` when there is none or it is wrong. */
  recognise(exchange: Exchange): AccessGrant | undefined | Promise<AccessGrant | undefined>;
}

/** Checks requests against the tokens of the server. */
export class Authenticator implements CallerRecognition {
  readonly #tokens: KnownTokens;

  constructor(tokens: KnownTokens) {
    this.#tokens = tokens;
  }

  recognise(exchange: Exchange): AccessGrant | undefined | Promise<AccessGrant | undefined> {
    const token = findToken(exchange);
    if (token === undefined || token === "") return undefined;
    return this.#tokens.recognise(token) ?? this.#tokens.recogniseFresh(token);
  }
}

/** The token that a request offers, in the first form that is present. */
export function findToken(exchange: Exchange): string | undefined {
  const authorization = exchange.header("authorization");
  if (authorization !== undefined) return tokenOfAuthorization(authorization);
  const apiKey = exchange.header("x-api-key");
  if (apiKey !== undefined) return apiKey;
  return exchange.parameter("p");
}

function tokenOfAuthorization(value: string): string | undefined {
  const space = value.indexOf(" ");
  if (space === -1) return undefined;
  const scheme = value.slice(0, space).toLowerCase();
  const credentials = value.slice(space + 1).trim();
  switch (scheme) {
    case "bearer":
    case "token":
      return credentials;
    case "basic": {
      const pair = Buffer.from(credentials, "base64").toString("utf8");
      const colon = pair.indexOf(":");
      return colon === -1 ? undefined : pair.slice(colon + 1);
    }
    default:
      return undefined;
  }
}
