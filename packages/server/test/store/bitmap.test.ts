import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { bitmapBytes, copyBits, gatherBits, hasBit, setBits } from "../../src/store/bitmap.ts";

function toBits(bitmap: Uint8Array, count: number): boolean[] {
  return Array.from({ length: count }, (_, row) => hasBit(bitmap, row));
}

function fromBits(bits: readonly boolean[]): Uint8Array {
  const bitmap = new Uint8Array(bitmapBytes(bits.length));
  bits.forEach((bit, row) => bit && setBits(bitmap, row, 1));
  return bitmap;
}

suite("bitmaps", () => {
  test("copy bits to any position and leave the others", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean()), fc.array(fc.boolean()), (before, added) => {
        const target = new Uint8Array(bitmapBytes(before.length + added.length));
        target.set(fromBits(before));
        // Source bits past the count do not matter: validity of a longer array may be given.
        copyBits(target, before.length, fromBits([...added, true, true]), added.length);
        assert.deepEqual(toBits(target, before.length + added.length), [...before, ...added]);
      }),
    );
  });

  test("set ranges and gather rows", () => {
    fc.assert(
      fc.property(fc.nat(70), fc.nat(70), (from, count) => {
        const bitmap = new Uint8Array(bitmapBytes(160));
        setBits(bitmap, from, count);
        const expected = Array.from({ length: 160 }, (_, row) => row >= from && row < from + count);
        assert.deepEqual(toBits(bitmap, 160), expected);
        const rows = Uint32Array.from({ length: 160 }, (_, row) => 159 - row);
        assert.deepEqual(toBits(gatherBits(bitmap, rows), 160), expected.toReversed());
      }),
    );
  });
});
