/**
 * The tokens as they are stored: `access/tokens.json`, a list of records without any secret.
 *
 * Reading is strict: a file that is not exactly this is refused, because a token that is silently missing locks
 * somebody out, and a field that is silently ignored (a right, an expiry) lets somebody in. Pure.
 */
import { z } from "zod";
import { ServerError } from "../errors.ts";
import { schemaProblem } from "../schema-problem.ts";
import { ACCESS_RIGHTS, type AccessRight } from "./access-right.ts";

/** Longest name of a token, in characters. */
export const MAX_NAME_LENGTH = 100;
/** Tokens that one server keeps. */
export const MAX_TOKENS = 1_000;

const FORMAT_VERSION = 1;
const HEX = /^(?:[0-9a-f]{2})+$/;
const HASH_HEX_LENGTH = 64;

/** One stored token. Times are ISO 8601 in UTC; salt and hash are hexadecimal. */
export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly rights: AccessRight[];
  readonly created: string;
  readonly expires: string | null;
  readonly last_four: string;
  readonly salt: string;
  readonly sha256: string;
}

const TOKEN_RECORD: z.ZodType<TokenRecord> = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{12}$/),
  name: z.string().min(1).max(MAX_NAME_LENGTH),
  rights: z.array(z.enum(ACCESS_RIGHTS)).min(1),
  created: z.iso.datetime(),
  expires: z.iso.datetime().nullable(),
  last_four: z.string().length(4),
  salt: z.string().regex(HEX),
  sha256: z.string().regex(HEX).length(HASH_HEX_LENGTH),
});

const TOKENS_FILE = z.strictObject({
  version: z.literal(FORMAT_VERSION),
  tokens: z.array(TOKEN_RECORD).max(MAX_TOKENS),
});

/** The text of the file. */
export function formatTokenRecords(tokens: readonly TokenRecord[]): string {
  return `${JSON.stringify({ version: FORMAT_VERSION, tokens }, undefined, 2)}\n`;
}

/**
 * Reads the text of the file.
 *
 * @param path - for the message
 * @throws {ServerError} `SERVER_TOKENS_UNAVAILABLE`
 */
export function parseTokenRecords(text: string, path: string): readonly TokenRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unreadable(path, "it is not JSON", error);
  }
  const parsed = TOKENS_FILE.safeParse(value);
  if (!parsed.success) {
    throw unreadable(path, schemaProblem(parsed.error, "the file"), undefined);
  }
  const { tokens } = parsed.data;
  if (new Set(tokens.map(({ id }) => id)).size < tokens.length) {
    throw unreadable(path, "two tokens have the same id", undefined);
  }
  return tokens;
}

function unreadable(path: string, reason: string, cause: unknown): ServerError {
  return new ServerError(
    "SERVER_TOKENS_UNAVAILABLE",
    `the tokens in ${path} cannot be read: ${reason}; put back a copy, or remove the file and make new tokens`,
    { details: { path, reason }, cause },
  );
}
