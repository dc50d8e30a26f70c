/**
 * Writes numbers and bytes into memory that grows and is used again. Little-endian; varints have seven bits a byte, the lowest
 * first; signed ones are folded first (0, -1, 1, -2, … become 0, 1, 2, 3, …).
 */

import { copyBytes } from "./copy-bytes.ts";

const FIRST_BYTES = 16 * 1024;

/** Longest varint of 64 bits. */
const MAX_VARINT_BYTES = 10;

const MAX_FAST = 2n ** 51n;
/** Up to here the operators of 32 bits, which are faster, can be used. */
const MAX_INT = 2 ** 31 - 1;

export class ByteWriter {
  #bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  #view: DataView = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Begins again; what was handed out before is overwritten by what follows. */
  reset(): void {
    this.#length = 0;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.#length, value, true);
    this.#length += 2;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  u64(value: bigint): void {
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, value, true);
    this.#length += 8;
  }

  /** @param value - a whole number from 0 to 2^53 - 1 */
  varint(value: number): void {
    this.#reserve(MAX_VARINT_BYTES);
    const bytes = this.#bytes;
    let at = this.#length;
    let rest = value;
    while (rest > MAX_INT) {
      bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.#length = at;
  }

  /** As {@link signedVarint}. @param value - a whole number from -2^52 to 2^52 - 1 */
  signedSmall(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** @param value - -2^63 to 2^63 - 1 */
  signedVarint(value: bigint): void {
    if (value > -MAX_FAST && value < MAX_FAST) {
      this.signedSmall(Number(value));
      return;
    }
    this.#reserve(MAX_VARINT_BYTES);
    let rest = value < 0n ? -2n * value - 1n : 2n * value;
    while (rest >= 0x80n) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  raw(bytes: Uint8Array): void {
    const { byteLength } = bytes;
    this.#reserve(byteLength);
    copyBytes(bytes, this.#bytes, this.#length);
    this.#length += byteLength;
  }

  /** A view of what was written between two lengths; valid until the next write. */
  view(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from, to);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#bytes.byteLength) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
