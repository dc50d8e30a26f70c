/**
 * Encrypts and decrypts the bodies of frames: AES-256-GCM under a data key that belongs to one writer.
 *
 * A writer draws a salt, derives its data key from the key and the salt, and counts its frames: a nonce cannot come twice, however
 * many frames a key has to serve. A new salt after a million frames keeps what one data key protects small. Synchronous, in
 * both directions, once the key is loaded. See docs/encryption.md for what this protects and what not.
 */
import { createCipheriv, createDecipheriv, type KeyObject } from "node:crypto";
import {
  authenticatedBytes,
  ENCRYPTION_HEAD_BYTES,
  ENCRYPTION_OVERHEAD_BYTES,
  ENCRYPTION_SALT_BYTES,
  ENCRYPTION_TAG_BYTES,
  nonceOf,
  splitEncryptedBody,
  writeEncryptionHead,
  type AuthenticatedFields,
  type EncryptedBody,
} from "../format/encrypted-body.ts";
import type { Keyring } from "./keyring.ts";

const ALGORITHM = "aes-256-gcm";
const FRAMES_PER_SALT = 2 ** 20;

/** The writer's side. */
export class FrameEncryptor {
  readonly keyId: number;
  /** Bytes by which a body becomes longer. */
  readonly overheadBytes: number = ENCRYPTION_OVERHEAD_BYTES;
  readonly #keyring: Keyring;
  readonly #drawBytes: (length: number) => Uint8Array;
  #salt: Uint8Array = new Uint8Array(0);
  #dataKey: KeyObject | undefined;
  #counter = 0;

  /** @param keyring - must have loaded `keyId` */
  constructor(keyring: Keyring, keyId: number, randomBytes: (length: number) => Uint8Array) {
    this.#keyring = keyring;
    this.keyId = keyId;
    this.#drawBytes = randomBytes;
  }

  /** Writes the encrypted `body` into `target` at `start`: `overheadBytes` longer than it was. */
  encrypt(body: Uint8Array, fields: AuthenticatedFields, target: Uint8Array, start: number): void {
    const dataKey = this.#nextDataKey();
    const counter = this.#counter++;
    const cipher = createCipheriv(ALGORITHM, dataKey, nonceOf(counter), {
      authTagLength: ENCRYPTION_TAG_BYTES,
    });
    cipher.setAAD(authenticatedBytes(fields));
    writeEncryptionHead(target, start, { keyId: this.keyId, salt: this.#salt, counter });
    const ciphertext = cipher.update(body);
    target.set(ciphertext, start + ENCRYPTION_HEAD_BYTES);
    cipher.final();
    target.set(cipher.getAuthTag(), start + ENCRYPTION_HEAD_BYTES + body.byteLength);
  }

  #nextDataKey(): KeyObject {
    if (this.#dataKey !== undefined && this.#counter < FRAMES_PER_SALT) return this.#dataKey;
    this.#salt = this.#drawBytes(ENCRYPTION_SALT_BYTES);
    this.#counter = 0;
    this.#dataKey = this.#keyring.dataKey(this.keyId, this.#salt);
    if (this.#dataKey === undefined) throw new RangeError(`key ${this.keyId} is not loaded`);
    return this.#dataKey;
  }
}

/** What came of decrypting a body whose checksum was right. */
export type Decryption =
  | { readonly kind: "decrypted"; readonly body: Uint8Array }
  /** Too short, or a counter beyond all bounds: no writer of ours made it. */
  | { readonly kind: "malformed" }
  /** The key is not the one it was encrypted with, or the bytes were forged. */
  | { readonly kind: "refused"; readonly keyId: number };

/**
 * Decrypts the stored body of a frame, loading its key if that has not happened.
 *
 * @throws {WalError} `WAL_KEY_MISSING`, `WAL_INVALID_OPTION`
 */
export async function decryptBody(
  keyring: Keyring,
  fields: AuthenticatedFields,
  stored: Uint8Array,
): Promise<Decryption> {
  const parts = splitEncryptedBody(stored);
  if (parts === undefined) return { kind: "malformed" };
  let dataKey = keyring.dataKey(parts.keyId, parts.salt);
  if (dataKey === undefined) {
    await keyring.load(parts.keyId);
    dataKey = keyring.dataKey(parts.keyId, parts.salt);
  }
  const body = dataKey === undefined ? undefined : decryptWith(dataKey, fields, parts);
  return body === undefined ? { kind: "refused", keyId: parts.keyId } : { kind: "decrypted", body };
}

function decryptWith(
  dataKey: KeyObject,
  fields: AuthenticatedFields,
  { counter, ciphertext, tag }: EncryptedBody,
): Uint8Array | undefined {
  const decipher = createDecipheriv(ALGORITHM, dataKey, nonceOf(counter), {
    authTagLength: ENCRYPTION_TAG_BYTES,
  });
  decipher.setAAD(authenticatedBytes(fields));
  decipher.setAuthTag(tag);
  const body = decipher.update(ciphertext);
  try {
    decipher.final();
  } catch {
    // The one thing that can fail here is the tag; what was decrypted until then is not to be trusted.
    return undefined;
  }
  return body;
}
