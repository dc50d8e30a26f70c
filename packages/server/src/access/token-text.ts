/**
 * Tokens as text: how one is made, which part of it is public, and what of it may be stored.
 *
 * `wlt_` + id + `_` + secret. The id finds the one stored token to compare with and may be logged; the secret is 32
 * random bytes. Nobody can try out 2^256 secrets, so one SHA-256 with a salt is as good at rest as a slow hash: those
 * (scrypt, Argon2) make up for secrets that people choose, and such are not stored here (`local-token.ts`).
 */
import { createHash, randomBytes } from "node:crypto";

/** Bytes of the salt in front of a hashed token. */
export const SALT_BYTES = 16;

const PREFIX = "wlt_";
const ID_BYTES = 6;
const SECRET_BYTES = 32;
const SHOWN_CHARACTERS = 4;
const TOKEN_PATTERN = /^wlt_([0-9a-f]{12})_[A-Za-z0-9_-]{43}$/;

/** A token that was just made: the only moment at which its text is known. */
export interface MadeToken {
  readonly id: string;
  readonly text: string;
}

/** Makes a token. */
export function makeToken(): MadeToken {
  const id = randomBytes(ID_BYTES).toString("hex");
  return { id, text: `${PREFIX}${id}_${randomBytes(SECRET_BYTES).toString("base64url")}` };
}

/** The id inside a token of ours, or `undefined` when the text is not made like one. */
export function tokenIdOf(text: string): string | undefined {
  return TOKEN_PATTERN.exec(text)?.[1];
}

/** What is stored of a token. */
export function hashToken(text: string, salt: Uint8Array): Uint8Array {
  return createHash("sha256").update(salt).update(text, "utf8").digest();
}

/** The end of a token, by which a person recognises theirs in a list. */
export function lastFourOf(text: string): string {
  return text.slice(-SHOWN_CHARACTERS);
}
