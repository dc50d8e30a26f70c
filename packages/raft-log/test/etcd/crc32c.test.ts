import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { crc32c } from "../../src/etcd/crc32c.ts";

/** One bit at a time. */
function slow(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

suite("CRC-32C", () => {
  test("of the check string, and of RFC 3720's zeros, ones and numbers", () => {
    assert.equal(crc32c(0, Buffer.from("123456789")), 0xe3069283);
    assert.equal(crc32c(0, new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(0, new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(
      crc32c(
        0,
        Uint8Array.from({ length: 32 }, (_, at) => at),
      ),
      0x46dd794e,
    );
  });

  test("of every length around eight bytes, whole and in two parts", () => {
    const bytes = Uint8Array.from({ length: 67 }, (_, at) => (at * 37) % 256);
    for (let length = 0; length <= bytes.byteLength; length++) {
      const part = bytes.subarray(0, length);
      assert.equal(crc32c(0, part), slow(part));
      for (let cut = 0; cut <= length; cut += 5) {
        assert.equal(crc32c(crc32c(0, part.subarray(0, cut)), part.subarray(cut)), slow(part));
      }
    }
  });
});
