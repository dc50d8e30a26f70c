/** Every single-bit change of some bytes, for tests that nothing flipped passes for something else. */

export interface FlippedBit {
  readonly byteIndex: number;
  readonly bit: number;
  readonly bytes: Uint8Array;
}

/** Yields a fresh copy for each bit from `fromByte` on. */
export function* everyBitFlipped(
  original: Uint8Array,
  fromByte = 0,
  toByte: number = original.byteLength,
): Generator<FlippedBit> {
  for (let byteIndex = fromByte; byteIndex < toByte; byteIndex++) {
    for (let bit = 0; bit < 8; bit++)
      yield { byteIndex, bit, bytes: flipBit(original, byteIndex, bit) };
  }
}

export function flipBit(original: Uint8Array, byteIndex: number, bit: number): Uint8Array {
  const bytes = original.slice();
  bytes[byteIndex] = (bytes[byteIndex] ?? 0) ^ (1 << bit);
  return bytes;
}
