/**
 * What an administrator does with tokens: make, list, revoke. Used by the API and, beside a running server, by the command line.
 *
 * A token's text is returned once, by {@link StoredTokens.create}, and is known to nobody afterwards.
 */
import { randomBytes } from "node:crypto";
import { NodeStorage, type Storage } from "@walnut/wal";
import { ServerError } from "../errors.ts";
import { ACCESS_RIGHTS, type AccessRight } from "./access-right.ts";
import { TokenFile } from "./token-file.ts";
import { MAX_NAME_LENGTH, MAX_TOKENS, type TokenRecord } from "./token-record.ts";
import { hashToken, lastFourOf, makeToken, SALT_BYTES } from "./token-text.ts";

/** A token as it may be shown. */
export interface TokenFacts {
  readonly id: string;
  readonly name: string;
  readonly rights: readonly AccessRight[];
  /** ISO 8601, UTC. */
  readonly created: string;
  /** ISO 8601, UTC; `null`: never. */
  readonly expires: string | null;
  /** Last four characters of the token. */
  readonly lastFour: string;
}

/** What a new token is to be. */
export interface NewTokenOptions {
  /** 1 to 100 printable characters; need not be unique. */
  readonly name: string;
  /** At least one. */
  readonly rights: readonly AccessRight[];
  /** Life in milliseconds from now; left out: for ever. */
  readonly lifeMs?: number | undefined;
}

const NAME_PATTERN = /^[^\p{C}]+$/u;
const MAX_LIFE_MS = 100 * 365 * 24 * 3_600_000; // a century

/** The tokens of one data directory. */
export class StoredTokens {
  readonly #file: TokenFile;
  readonly #nowMs: () => number;

  /** @param options - `dataDirectory` exists; `storage` and `nowMs` are for tests */
  constructor(options: {
    readonly dataDirectory: string;
    readonly storage?: Storage;
    readonly nowMs?: () => number;
  }) {
    this.#file = new TokenFile(options.storage ?? new NodeStorage(), options.dataDirectory);
    this.#nowMs = options.nowMs ?? Date.now;
  }

  /** All tokens, expired ones too, in the order in which they were made. */
  async list(): Promise<readonly TokenFacts[]> {
    return (await this.#file.read()).map(factsOf);
  }

  /**
   * Makes a token. Durable when it resolves.
   *
   * @throws {ServerError} `SERVER_INVALID_REQUEST`, `SERVER_TOKENS_UNAVAILABLE`
   */
  async create(options: NewTokenOptions): Promise<{ readonly text: string } & TokenFacts> {
    const record = this.#recordOf(options);
    return await this.#file.change((tokens) => {
      if (tokens.length >= MAX_TOKENS) {
        throw invalid(`there are ${MAX_TOKENS} tokens already; revoke some first`);
      }
      return {
        tokens: [...tokens, record.stored],
        result: { text: record.text, ...factsOf(record.stored) },
      };
    });
  }

  /**
   * Removes a token. Running servers refuse it within a second.
   *
   * @throws {ServerError} `SERVER_NOT_FOUND`, `SERVER_TOKENS_UNAVAILABLE`
   */
  async revoke(id: string): Promise<TokenFacts> {
    return await this.#file.change((tokens) => {
      const found = tokens.find((token) => token.id === id);
      if (found === undefined) {
        throw new ServerError("SERVER_NOT_FOUND", `there is no token with the id ${id}`, {
          details: { id },
        });
      }
      return { tokens: tokens.filter((token) => token !== found), result: factsOf(found) };
    });
  }

  #recordOf(options: NewTokenOptions): { readonly text: string; readonly stored: TokenRecord } {
    const { name, rights, lifeMs } = options;
    if (name.length > MAX_NAME_LENGTH || name.trim() === "" || !NAME_PATTERN.test(name)) {
      throw invalid(`the name must be 1 to ${MAX_NAME_LENGTH} printable characters`);
    }
    if (rights.length === 0) throw invalid(`give at least one of ${ACCESS_RIGHTS.join(", ")}`);
    if (lifeMs !== undefined && !(lifeMs > 0 && lifeMs <= MAX_LIFE_MS)) {
      throw invalid("the life of a token must be more than nothing and at most a century");
    }
    const { id, text } = makeToken();
    const salt = randomBytes(SALT_BYTES);
    const nowMs = this.#nowMs();
    const stored: TokenRecord = {
      id,
      name,
      rights: ACCESS_RIGHTS.filter((right) => rights.includes(right)),
      created: new Date(nowMs).toISOString(),
      expires: lifeMs === undefined ? null : new Date(nowMs + lifeMs).toISOString(),
      last_four: lastFourOf(text),
      salt: salt.toString("hex"),
      sha256: Buffer.from(hashToken(text, salt)).toString("hex"),
    };
    return { text, stored };
  }
}

function factsOf(record: TokenRecord): TokenFacts {
  const { id, name, rights, created, expires, last_four: lastFour } = record;
  return { id, name, rights, created, expires, lastFour };
}

function invalid(message: string): ServerError {
  return new ServerError("SERVER_INVALID_REQUEST", message);
}
