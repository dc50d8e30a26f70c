/**
 * Key file: the keys of a log as text, one `id:base64` a line.
 *
 * Empty lines and lines that begin with # do not count. The highest id is the newest key. Messages name lines, never what is in
 * them: they end up in logs. Specification: docs/encryption.md, "Key file". Pure.
 */
import { WalError } from "../errors.ts";
import { MAX_KEY_ID } from "../format/encrypted-body.ts";

/** Bytes of a key: AES-256. */
export const KEY_BYTES = 32;

const LINE = /^(\d{1,10}):([A-Za-z0-9+/]{43}=)$/;

/** Keys by id. Throws `WAL_INVALID_OPTION`. */
export function parseKeyFile(path: string, text: string): ReadonlyMap<number, Uint8Array> {
  const keys = new Map<number, Uint8Array>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const entry = line.trim();
    if (entry === "" || entry.startsWith("#")) continue;
    const [, digits, base64] = LINE.exec(entry) ?? [];
    if (digits === undefined || base64 === undefined) {
      throw invalidKeyFile(path, `line ${index + 1} is not "id:base64" with ${KEY_BYTES} bytes`);
    }
    const keyId = Number(digits);
    if (keyId < 1 || keyId > MAX_KEY_ID) {
      throw invalidKeyFile(path, `line ${index + 1}: the id must be from 1 to ${MAX_KEY_ID}`);
    }
    if (keys.has(keyId)) throw invalidKeyFile(path, `line ${index + 1}: key ${keyId} comes twice`);
    keys.set(keyId, Uint8Array.from(Buffer.from(base64, "base64")));
  }
  if (keys.size === 0) throw invalidKeyFile(path, "it holds no key");
  return keys;
}

function invalidKeyFile(path: string, problem: string): WalError {
  return new WalError("WAL_INVALID_OPTION", `key file ${path}: ${problem}`, {
    details: { option: "encryption", path },
  });
}
