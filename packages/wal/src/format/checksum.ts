/**
 * The one checksum of the format: CRC-32 (IEEE), as Node's zlib computes it.
 *
 * Specification: docs/format.md, first paragraph and "Seed". Pure.
 */
import { crc32 } from "node:zlib";

/**
 * CRC-32 of `bytes`, continuing from `seed`.
 *
 * @param seed - the checksum of what came before (unsigned 32 bits), 0 to begin
 * @returns unsigned 32 bits
 */
export function checksum(bytes: Uint8Array, seed = 0): number {
  return crc32(bytes, seed);
}

/**
 * The part of a frame's seed that its segment decides; XOR with the frame's offset gives the seed.
 *
 * CRC-32 is injective in its seed: the same bytes under another seed always have another checksum, so a frame
 * that was moved inside its segment never validates, and one of another segment does with odds of 1 in 2^32.
 */
export function saltSeed(salt: Uint8Array): number {
  return crc32(salt);
}
