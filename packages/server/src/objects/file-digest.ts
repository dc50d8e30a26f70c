/** The SHA-256 of a file, read once in pieces. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

const PIECE_BYTES = 256 * 1024; // 256 KiB

/**
 * Reads a file to its end.
 *
 * @returns the SHA-256 in hex, and how many bytes there were
 */
export async function digestFile(
  path: string,
): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  // A file stream without an encoding gives buffers.
  for await (const piece of createReadStream(path, {
    highWaterMark: PIECE_BYTES,
  }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    bytes += piece.byteLength;
  }
  return { sha256: hash.digest("hex"), bytes };
}
