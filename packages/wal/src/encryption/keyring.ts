/**
 * Keyring: the keys that one open log has loaded, and the data keys derived from them.
 *
 * Loading waits, so it happens before a key is needed: the writer's when the log is opened, a reader's when it meets the first
 * frame of a key. Everything else is synchronous.
 */
import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { WalError } from "../errors.ts";
import { KEY_BYTES } from "./key-file.ts";

/** Finds a key by its id; 32 bytes. Throws, or answers `undefined`, for an id that it does not know. */
export type KeyLookup = (keyId: number) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

const DATA_KEY_PURPOSE = "walnut frame 1";

/** One per opening of a log and a million frames; a reader that passes through more derives some again. */
const MAX_DATA_KEYS = 256;

export class Keyring {
  readonly #lookup: KeyLookup | undefined;
  readonly #keys = new Map<number, KeyObject>();
  readonly #dataKeys = new Map<string, KeyObject>();

  /** @param lookup - `undefined` for a log without the option: every key is then missing */
  constructor(lookup: KeyLookup | undefined) {
    this.#lookup = lookup;
  }

  /**
   * Loads a key, unless it has been loaded.
   *
   * @throws {WalError} `WAL_KEY_MISSING`; `WAL_INVALID_OPTION` for a key of another length
   */
  async load(keyId: number): Promise<void> {
    if (this.#keys.has(keyId)) return;
    if (this.#lookup === undefined) {
      throw missing(keyId, "the option encryption is not set");
    }
    let key: Uint8Array | undefined;
    try {
      key = await this.#lookup(keyId);
    } catch (cause) {
      throw missing(keyId, cause instanceof Error ? cause.message : String(cause), cause);
    }
    if (key === undefined) throw missing(keyId, "it is not among the keys");
    if (!(key instanceof Uint8Array) || key.byteLength !== KEY_BYTES) {
      throw new WalError("WAL_INVALID_OPTION", `key ${keyId} must be ${KEY_BYTES} bytes`, {
        details: { option: "encryption", keyId },
      });
    }
    // A copy of its own: what the caller does with its array later is its affair.
    this.#keys.set(keyId, createSecretKey(Buffer.from(key)));
  }

  /** The data key of a salt, or `undefined` while its key has not been loaded. */
  dataKey(keyId: number, salt: Uint8Array): KeyObject | undefined {
    const name = `${keyId}:${Buffer.from(salt).toString("hex")}`;
    const known = this.#dataKeys.get(name);
    if (known !== undefined) return known;
    const key = this.#keys.get(keyId);
    if (key === undefined) return undefined;
    const bytes = hkdfSync("sha256", key, salt, DATA_KEY_PURPOSE, KEY_BYTES);
    const derived = createSecretKey(Buffer.from(bytes));
    if (this.#dataKeys.size >= MAX_DATA_KEYS) this.#dataKeys.clear();
    this.#dataKeys.set(name, derived);
    return derived;
  }
}

function missing(keyId: number, reason: string, cause?: unknown): WalError {
  return new WalError(
    "WAL_KEY_MISSING",
    `records of this log are encrypted with key ${keyId}, which cannot be loaded: ${reason}`,
    { details: { keyId }, cause },
  );
}
