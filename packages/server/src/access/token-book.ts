/**
 * The tokens as a running server knows them: recognised from memory, kept up with the files.
 *
 * Two kinds: stored tokens (`access/tokens.json`, hashed), and one token in clear, either the option's or the one in
 * `DIRECTORY/token`. The files change under a running server (command line, other workers): their state is looked at
 * every half second, and at once when a token is not known. A file that cannot be read changes nothing and is
 * reported once; only at the start is it a reason to stop.
 *
 * A token that was found right once is remembered in memory, so that the hot path compares bytes, in constant time, and does
 * not hash. Forgotten with every change of the files.
 */
import { timingSafeEqual } from "node:crypto";
import { NodeStorage } from "@walnut/wal";
import type { AccessToken } from "../access-token.ts";
import { readLocalToken, TOKEN_FILE_NAME } from "../access-token.ts";
import { fileVersion } from "../file-version.ts";
import type { ServerLogger } from "../server-options.ts";
import { ACCESS_RIGHTS, type AccessGrant } from "./access-right.ts";
import { TokenFile } from "./token-file.ts";
import type { TokenRecord } from "./token-record.ts";
import { hashToken, tokenIdOf } from "./token-text.ts";

/** How often the files are looked at, in milliseconds. */
export const TOKEN_CHECK_MS = 500;

/** Id of the token that was given as an option. */
export const OPTION_TOKEN_ID = "option";
/** Id of the token in `DIRECTORY/token`. */
export const LOCAL_TOKEN_ID = "local";

/** What the book needs. */
export interface TokenBookOptions {
  readonly dataDirectory: string;
  /** The token in clear, as found at the start. */
  readonly token: AccessToken;
  readonly nowMs: () => number;
  readonly logger: ServerLogger;
}

interface ClearToken {
  readonly bytes: Uint8Array;
  readonly grant: AccessGrant;
}

interface StoredToken {
  readonly grant: AccessGrant;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
  readonly expiresMs: number;
  /** The token, after it was found right. */
  verified: Uint8Array | undefined;
}

/**
 * Reads the tokens and begins to follow their files.
 *
 * @throws {ServerError} `SERVER_TOKENS_UNAVAILABLE`
 */
export async function openTokenBook(options: TokenBookOptions): Promise<TokenBook> {
  const book = new TokenBook(options);
  await book.load();
  book.follow();
  return book;
}

/** Recognises tokens. */
export class TokenBook {
  readonly #options: TokenBookOptions;
  readonly #file: TokenFile;
  #clear: ClearToken | undefined;
  #stored: ReadonlyMap<string, StoredToken> = new Map();
  #version = "";
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @internal use {@link openTokenBook} */
  constructor(options: TokenBookOptions) {
    this.#options = options;
    this.#file = new TokenFile(new NodeStorage(), options.dataDirectory);
    if (options.token.source !== "stored") {
      const id = options.token.source === "option" ? OPTION_TOKEN_ID : LOCAL_TOKEN_ID;
      this.#clear = clearToken(id, options.token.token);
    }
  }

  /** Whom the token stands for, from memory. */
  recognise(text: string): AccessGrant | undefined {
    const candidate = Buffer.from(text, "utf8");
    const id = tokenIdOf(text);
    const stored = id === undefined ? undefined : this.#stored.get(id);
    if (stored !== undefined) {
      if (stored.expiresMs <= this.#options.nowMs()) return undefined;
      return isRight(stored, text, candidate) ? stored.grant : undefined;
    }
    const clear = this.#clear;
    return clear !== undefined && isEqual(candidate, clear.bytes) ? clear.grant : undefined;
  }

  /** As {@link recognise}, after a look at the files: for a token that is not known. */
  async recogniseFresh(text: string): Promise<AccessGrant | undefined> {
    await this.refresh();
    return this.recognise(text);
  }

  /** The token in clear: `"option"`, `"local"`, or none. */
  get clearTokenId(): string | undefined {
    return this.#clear?.grant.id;
  }

  /**
   * Looks at the files and reads them if they have changed since they were read. Never rejects. Calls that come
   * while a look is under way share one more: what they ask for may have happened after that look began.
   */
  refresh(): Promise<void> {
    this.#queued ??= this.#running.then(() => {
      this.#queued = undefined;
      this.#running = this.#check();
      return this.#running;
    });
    return this.#queued;
  }

  /** Stops following the files. */
  close(): void {
    clearInterval(this.#timer);
  }

  /** @internal Reads the files. */
  async load(): Promise<void> {
    this.#version = await this.#currentVersion();
    await this.#read();
  }

  /** @internal */
  follow(): void {
    this.#timer = setInterval(() => void this.refresh(), TOKEN_CHECK_MS);
    this.#timer.unref();
  }

  async #check(): Promise<void> {
    try {
      const version = await this.#currentVersion();
      if (version === this.#version) return;
      // Before reading: a change that comes while reading is seen by the next look.
      this.#version = version;
      await this.#read();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.#options.logger.error(`tokens stay as they were: ${text}`);
    }
  }

  async #read(): Promise<void> {
    const records = await this.#file.read();
    if (this.#options.token.source !== "option") {
      const text = await readLocalToken(this.#options.dataDirectory);
      this.#clear = text === undefined ? undefined : clearToken(LOCAL_TOKEN_ID, text);
    }
    this.#stored = new Map(records.map((record) => [record.id, storedToken(record)]));
  }

  async #currentVersion(): Promise<string> {
    const localPath = `${this.#options.dataDirectory}/${TOKEN_FILE_NAME}`;
    return (await Promise.all([this.#file.path, localPath].map(fileVersion))).join();
  }
}

function isRight(stored: StoredToken, text: string, candidate: Uint8Array): boolean {
  if (stored.verified !== undefined) return isEqual(candidate, stored.verified);
  if (!timingSafeEqual(hashToken(text, stored.salt), stored.hash)) return false;
  stored.verified = candidate;
  return true;
}

/** The time depends on the lengths only, and the length of a token is no secret. */
function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}

function clearToken(id: string, text: string): ClearToken {
  return {
    bytes: Buffer.from(text, "utf8"),
    grant: { id, name: id, rights: ACCESS_RIGHTS, isShared: true },
  };
}

function storedToken(record: TokenRecord): StoredToken {
  const { id, name, rights } = record;
  return {
    grant: { id, name, rights, isShared: false },
    salt: Buffer.from(record.salt, "hex"),
    hash: Buffer.from(record.sha256, "hex"),
    expiresMs: record.expires === null ? Infinity : Date.parse(record.expires),
    verified: undefined,
  };
}
