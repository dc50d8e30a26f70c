/**
 * CRC-32C (Castagnoli), the checksum of etcd's files, eight bytes a step. Pure; Node's own `crc32` is another polynomial.
 *
 * A value is continued by handing it in again: `crc32c(crc32c(0, a), b)` is the checksum of `a` followed by `b`.
 */

const POLYNOMIAL = 0x82f63b78;
const LANES = 8;

/** Table `lane` moves a byte past `lane` further bytes. All of them in one array, 256 numbers each. */
const TABLES: Uint32Array = tables();

/** The checksum of what led to `crc`, followed by `bytes`. 0 stands for nothing. */
export function crc32c(crc: number, bytes: Uint8Array): number {
  const wholeBytes = bytes.byteLength - (bytes.byteLength % LANES);
  let state = ~crc;
  let at = 0;
  for (; at < wholeBytes; at += LANES) {
    state ^=
      byteAt(bytes, at) |
      (byteAt(bytes, at + 1) << 8) |
      (byteAt(bytes, at + 2) << 16) |
      (byteAt(bytes, at + 3) << 24);
    state =
      lane(7, state & 0xff) ^
      lane(6, (state >>> 8) & 0xff) ^
      lane(5, (state >>> 16) & 0xff) ^
      lane(4, state >>> 24) ^
      lane(3, byteAt(bytes, at + 4)) ^
      lane(2, byteAt(bytes, at + 5)) ^
      lane(1, byteAt(bytes, at + 6)) ^
      lane(0, byteAt(bytes, at + 7));
  }
  for (; at < bytes.byteLength; at++) {
    state = (state >>> 8) ^ lane(0, (state ^ byteAt(bytes, at)) & 0xff);
  }
  return ~state >>> 0;
}

function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

function lane(number: number, byte: number): number {
  return TABLES[number * 256 + byte] ?? 0;
}

function tables(): Uint32Array {
  const all = new Uint32Array(LANES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? POLYNOMIAL : 0);
    all[byte] = value;
  }
  for (let at = 256; at < all.length; at++) {
    const before = all[at - 256] ?? 0;
    all[at] = (before >>> 8) ^ (all[before & 0xff] ?? 0);
  }
  return all;
}
