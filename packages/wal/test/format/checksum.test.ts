import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { checksum, saltSeed } from "../../src/format/checksum.ts";
import { flipBit } from "../every-bit.ts";
import { textBytes } from "../machine.ts";

suite("checksum", () => {
  test("is CRC-32 of the IEEE polynomial", () => {
    // The check value that every description of CRC-32 lists.
    assert.equal(checksum(textBytes("123456789")), 0xcbf4_3926);
    assert.equal(checksum(new Uint8Array(0)), 0);
  });

  test("goes on from a seed as if the bytes stood in one piece", () => {
    const bytes = textBytes("walnut write-ahead log");
    for (let cut = 0; cut <= bytes.byteLength; cut++) {
      const seed = checksum(bytes.subarray(0, cut));
      assert.equal(checksum(bytes.subarray(cut), seed), checksum(bytes));
    }
  });

  test("differs for the same bytes under any two seeds", () => {
    const bytes = textBytes("the same frame at another offset");
    const seen = new Set<number>();
    for (let seed = 0; seed < 4096; seed += 8) seen.add(checksum(bytes, seed));
    assert.equal(seen.size, 512);
  });

  test("is an unsigned 32-bit number", () => {
    for (let seed = 0; seed < 100; seed++) {
      const value = checksum(Uint8Array.of(seed), 0xffff_ffff - seed);
      assert.ok(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff);
    }
  });
});

suite("saltSeed", () => {
  test("differs for salts that differ in one bit", () => {
    const salt = Uint8Array.of(9, 8, 7, 6, 5, 4, 3, 2);
    for (let index = 0; index < 64; index++) {
      assert.notEqual(saltSeed(flipBit(salt, index >> 3, index & 7)), saltSeed(salt));
    }
  });
});
