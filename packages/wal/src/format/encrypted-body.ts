/**
 * Encrypted body of a frame: which key, the nonce, the ciphertext and its tag.
 *
 *     0       4                               20              28
 *     +-------+-------------------------------+---------------+------------------+----------+
 *     | keyId | salt                          | counter       | ciphertext       | tag (16) |
 *     +-------+-------------------------------+---------------+------------------+----------+
 *
 * The bytes that the tag covers besides the ciphertext are those header fields that no copy of the frame changes.
 * Specification: docs/format.md, "Encrypted body". Pure: the cipher itself is in `encryption/`.
 */
import type { FrameHeader } from "./frame.ts";
import { readU64, writeU64 } from "./integers.ts";

export const ENCRYPTION_SALT_BYTES = 16;
export const ENCRYPTION_TAG_BYTES = 16;
export const ENCRYPTION_NONCE_BYTES = 12;
/** Bytes of an encrypted body before the ciphertext. */
export const ENCRYPTION_HEAD_BYTES: number = 4 + ENCRYPTION_SALT_BYTES + 8;
/** Bytes by which encryption makes a body longer. */
export const ENCRYPTION_OVERHEAD_BYTES: number = ENCRYPTION_HEAD_BYTES + ENCRYPTION_TAG_BYTES;
export const MAX_KEY_ID: number = 2 ** 32 - 1;

/** Fields of a frame header that the tag covers. */
export type AuthenticatedFields = Pick<
  FrameHeader,
  "rawBytes" | "firstLsn" | "recordCount" | "kind" | "codecId" | "flags" | "timeMs"
>;

/** How the data key and the nonce of one frame are found. */
export interface EncryptionHead {
  readonly keyId: number;
  readonly salt: Uint8Array;
  readonly counter: number;
}

/** The parts of an encrypted body; views on the stored bytes. */
export interface EncryptedBody extends EncryptionHead {
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/** Writes the head of an encrypted body at `start`. */
export function writeEncryptionHead(
  target: Uint8Array,
  start: number,
  { keyId, salt, counter }: EncryptionHead,
): void {
  const view = new DataView(target.buffer, target.byteOffset + start, ENCRYPTION_HEAD_BYTES);
  view.setUint32(0, keyId, true);
  target.set(salt, start + 4);
  writeU64(view, 4 + ENCRYPTION_SALT_BYTES, counter);
}

/** Takes an encrypted body apart, or returns `undefined` when it is none. */
export function splitEncryptedBody(stored: Uint8Array): EncryptedBody | undefined {
  if (stored.byteLength < ENCRYPTION_OVERHEAD_BYTES) return undefined;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  const counter = readU64(view, 4 + ENCRYPTION_SALT_BYTES);
  if (counter === undefined) return undefined;
  const tagStart = stored.byteLength - ENCRYPTION_TAG_BYTES;
  return {
    keyId: view.getUint32(0, true),
    salt: stored.subarray(4, 4 + ENCRYPTION_SALT_BYTES),
    counter,
    ciphertext: stored.subarray(ENCRYPTION_HEAD_BYTES, tagStart),
    tag: stored.subarray(tagStart),
  };
}

/** The nonce of a counter: the counter in 8 bytes, then zeros. */
export function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(ENCRYPTION_NONCE_BYTES);
  writeU64(new DataView(nonce.buffer), 0, counter);
  return nonce;
}

/** What the tag covers besides the ciphertext: bytes 12 to 31 and 40 to 47 of the frame header. */
export function authenticatedBytes(fields: AuthenticatedFields): Uint8Array {
  const bytes = new Uint8Array(28);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, fields.rawBytes, true);
  writeU64(view, 4, fields.firstLsn);
  view.setUint32(12, fields.recordCount, true);
  view.setUint8(16, fields.kind);
  view.setUint8(17, fields.codecId);
  view.setUint8(18, fields.flags);
  writeU64(view, 20, fields.timeMs);
  return bytes;
}
