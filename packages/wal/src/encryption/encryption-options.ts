/**
 * The option `encryption`: where keys come from, and which one new frames use.
 */
import { WalError } from "../errors.ts";
import { MAX_KEY_ID } from "../format/encrypted-body.ts";
import { parseKeyFile } from "./key-file.ts";
import type { KeyLookup } from "./keyring.ts";

/** Keys by callback, or out of a file; see docs/encryption.md. */
export type EncryptionOptions =
  | {
      /** The key that new frames are encrypted with, 1 to 4,294,967,295. */
      readonly keyId: number;
      /** Finds any key that a frame of the log was encrypted with: 32 bytes. Asked once for each id. */
      readonly keys: KeyLookup;
    }
  | {
      /** A text file with one `id:base64` a line; the highest id is the key that new frames use. */
      readonly keyFile: string;
    };

/** Where keys are found, and the one for new frames. */
export interface KeySource {
  readonly keyId: number;
  readonly lookup: KeyLookup;
}

/** Says what is wrong with the option's shape, or `undefined` when nothing is. */
export function encryptionProblem(options: EncryptionOptions): string | undefined {
  if (typeof options !== "object" || options === null) return "must be an object";
  const names = Object.keys(options).sort().join(", ");
  if ("keyFile" in options) {
    if (names !== "keyFile") return `has ${names}; a keyFile stands alone`;
    return typeof options.keyFile === "string" && options.keyFile !== ""
      ? undefined
      : "keyFile must be a path";
  }
  if (names !== "keyId, keys") return `has ${names}; it needs keyId and keys, or keyFile`;
  if (typeof options.keys !== "function") return "keys must be a function";
  const { keyId } = options;
  return Number.isSafeInteger(keyId) && keyId >= 1 && keyId <= MAX_KEY_ID
    ? undefined
    : `keyId is ${String(keyId)}; must be a whole number from 1 to ${MAX_KEY_ID}`;
}

/**
 * Makes keys of the option available; the file, if it is one, is read here and read again for ids that it did not hold.
 *
 * @param readKeyFile - how this environment reads key files; `undefined` when it has none
 * @throws {WalError} `WAL_INVALID_OPTION`, `WAL_KEY_MISSING`
 */
export async function keySource(
  options: EncryptionOptions,
  readKeyFile: ((path: string) => Promise<string>) | undefined,
): Promise<KeySource> {
  if ("keys" in options) return { keyId: options.keyId, lookup: options.keys };
  const path = options.keyFile;
  let keys = await readKeys(path, readKeyFile);
  return {
    keyId: Math.max(...keys.keys()),
    lookup: async (keyId) => {
      if (!keys.has(keyId)) keys = await readKeys(path, readKeyFile);
      return keys.get(keyId);
    },
  };
}

async function readKeys(
  path: string,
  readKeyFile: ((path: string) => Promise<string>) | undefined,
): Promise<ReadonlyMap<number, Uint8Array>> {
  if (readKeyFile === undefined) {
    throw new WalError("WAL_INVALID_OPTION", "this environment reads no key files", {
      details: { option: "encryption", path },
    });
  }
  let text: string;
  try {
    text = await readKeyFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WalError("WAL_KEY_MISSING", `the key file ${path} cannot be read: ${reason}`, {
      details: { path },
      cause,
    });
  }
  return parseKeyFile(path, text);
}
