/**
 * The records of a scanned frame: decrypted and decompressed where needed, and checked to fill the body exactly.
 */
import type { CodecRegistry } from "../codec/codecs.ts";
import { decryptBody } from "../encryption/frame-cipher.ts";
import { Keyring } from "../encryption/keyring.ts";
import { WalError } from "../errors.ts";
import { FRAME_FLAG_ENCRYPTED } from "../format/frame.ts";
import { bodyIsWellFormed } from "../format/record.ts";
import type { ScannedFrame } from "../segment/frame-scanner.ts";

/**
 * @param keyring - keys for encrypted frames; without it each of them fails with `WAL_KEY_MISSING`
 * @returns the body: record heads and payloads; a view on the scanner's chunk when it was stored as it is
 * @throws {WalError} `WAL_CORRUPT`, `WAL_CODEC_MISSING`, `WAL_KEY_MISSING`, `WAL_KEY_WRONG`
 */
export async function frameBody(
  frame: ScannedFrame,
  codecs: CodecRegistry,
  path: string,
  keyring?: Keyring,
): Promise<Uint8Array> {
  const { header, bytes, bodyStart } = frame;
  let stored = bytes.subarray(bodyStart, bodyStart + header.storedBytes);
  if ((header.flags & FRAME_FLAG_ENCRYPTED) !== 0) {
    stored = await decrypted(frame, stored, path, keyring ?? new Keyring(undefined));
  }
  let body: Uint8Array | undefined = stored;
  if (header.codecId !== 0) {
    const codec = codecs.get(header.codecId) ?? (await codecs.loadById(header.codecId));
    body = codec?.decompress(stored, header.rawBytes);
  }
  if (body === undefined) {
    throw malformed(frame, path, `codec ${header.codecId} does not decode the body`);
  }
  if (!bodyIsWellFormed(body, header.recordCount)) {
    throw malformed(frame, path, "records do not fill the body");
  }
  return body;
}

async function decrypted(
  frame: ScannedFrame,
  stored: Uint8Array,
  path: string,
  keyring: Keyring,
): Promise<Uint8Array> {
  const result = await decryptBody(keyring, frame.header, stored);
  if (result.kind === "decrypted") return result.body;
  if (result.kind === "malformed") throw malformed(frame, path, "no encrypted body");
  const { firstLsn } = frame.header;
  // The checksum was right, so no bit has flipped: this is another key, or somebody's work.
  throw new WalError(
    "WAL_KEY_WRONG",
    `${path}: key ${result.keyId} does not open the records at offset ${frame.offset}, LSN ${firstLsn}: it is not the key they were encrypted with, or they were forged`,
    { details: { path, offsetBytes: frame.offset, firstLsn, keyId: result.keyId } },
  );
}

function malformed(frame: ScannedFrame, path: string, reason: string): WalError {
  const { firstLsn } = frame.header;
  return new WalError(
    "WAL_CORRUPT",
    `${path}: damage at offset ${frame.offset}, LSN ${firstLsn}: ${reason}; verify the disk, then restore or repair`,
    { details: { path, offsetBytes: frame.offset, firstLsn, reason } },
  );
}
