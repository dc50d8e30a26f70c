/**
 * Who may call: finds the token in a request and compares it in constant time.
 *
 * The forms are those of the clients people already have: `Authorization: Bearer`, `Token` (InfluxDB 2.x)
 * and `Basic` (InfluxDB 1.x, the password is the token), the query parameter `p`, and `x-api-key`. The
 * first form that is present decides; a wrong one is not saved by a right one further down.
 */
import { timingSafeEqual } from "node:crypto";
import { ACCESS_RIGHTS, type AccessGrant } from "../access/access-right.ts";
import type { Exchange } from "./exchange.ts";

const FIRST_GRANT: AccessGrant = { id: "first", name: "first", rights: ACCESS_RIGHTS };

/** Recognises callers. */
export interface CallerRecognition {
  /** Whom the request's token stands for, or `undefined` when there is none or it is wrong. */
  recognise(exchange: Exchange): AccessGrant | undefined;
}

/** Checks requests against the one token of the server. */
export class Authenticator implements CallerRecognition {
  readonly #expected: Buffer;

  constructor(token: string) {
    this.#expected = Buffer.from(token, "utf8");
  }

  recognise(exchange: Exchange): AccessGrant | undefined {
    const candidate = findToken(exchange);
    return candidate !== undefined && this.#accepts(candidate) ? FIRST_GRANT : undefined;
  }

  #accepts(candidate: string): boolean {
    const found = Buffer.from(candidate, "utf8");
    if (found.byteLength !== this.#expected.byteLength) {
      // The time must not depend on the content; the length of the token is no secret.
      timingSafeEqual(this.#expected, this.#expected);
      return false;
    }
    return timingSafeEqual(found, this.#expected);
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
