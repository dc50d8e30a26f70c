/**
 * The records of a scanned frame: decompressed where needed, and checked to fill the body exactly.
 */
import type { CodecRegistry } from "../codec/codecs.ts";
import { WalError } from "../errors.ts";
import { bodyIsWellFormed } from "../format/record.ts";
import type { ScannedFrame } from "../segment/frame-scanner.ts";

/**
 * @returns the body: record heads and payloads; a view on the scanner's chunk when it was not compressed
 * @throws {WalError} `WAL_CORRUPT`, `WAL_CODEC_MISSING`
 */
export async function frameBody(
  frame: ScannedFrame,
  codecs: CodecRegistry,
  path: string,
): Promise<Uint8Array> {
  const { header, bytes, bodyStart } = frame;
  const stored = bytes.subarray(bodyStart, bodyStart + header.storedBytes);
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

function malformed(frame: ScannedFrame, path: string, reason: string): WalError {
  const { firstLsn } = frame.header;
  return new WalError(
    "WAL_CORRUPT",
    `${path}: damage at offset ${frame.offset}, LSN ${firstLsn}: ${reason}; verify the disk, then restore or repair`,
    { details: { path, offsetBytes: frame.offset, firstLsn, reason } },
  );
}
