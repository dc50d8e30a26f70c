import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { readU64, writeU64 } from "../../src/format/integers.ts";

const MAX = Number.MAX_SAFE_INTEGER;

suite("u64", () => {
  for (const value of [0, 1, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, MAX - 1, MAX]) {
    test(`round-trips ${value} as BigInt would`, () => {
      const view = new DataView(new ArrayBuffer(24));
      writeU64(view, 8, value);
      assert.equal(view.getBigUint64(8, true), BigInt(value));
      assert.equal(readU64(view, 8), value);
      assert.equal(view.getBigUint64(0, true), 0n);
      assert.equal(view.getBigUint64(16, true), 0n);
    });
  }

  for (const value of [BigInt(MAX) + 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    test(`refuses ${value}, which is never written`, () => {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, value, true);
      assert.equal(readU64(view, 0), undefined);
    });
  }
});
