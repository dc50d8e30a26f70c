import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError } from "../../src/errors.ts";
import {
  identityBytes,
  MAX_NAME_BYTES,
  readIdentity,
  writeIdentity,
  type WriteIdentity,
} from "../../src/idempotency/write-identity.ts";
import { keyed } from "./identities.ts";

function encode(identity: WriteIdentity): Uint8Array {
  const bytes = new Uint8Array(identityBytes(identity)).fill(0xee);
  writeIdentity(bytes, 0, identity);
  return bytes;
}

const IDENTITIES: readonly WriteIdentity[] = [
  keyed("a"),
  keyed("k".repeat(255), { acceptedAtMs: 1_790_000_000_000 }),
  { ...keyed(""), name: "producer:p", epoch: 7, seq: Number.MAX_SAFE_INTEGER },
  keyed("12345678".repeat(4)),
];

suite("identity of a write as bytes", () => {
  test("comes back, at any offset, in a multiple of 8 bytes", () => {
    for (const identity of IDENTITIES) {
      const bytes = encode(identity);
      assert.equal(bytes.length % 8, 0);
      assert.ok(identity.name.length <= MAX_NAME_BYTES);
      assert.deepEqual(readIdentity(bytes, 0), identity);
      const shifted = Buffer.concat([Buffer.alloc(24, 0xaa), bytes, Buffer.alloc(8, 0xbb)]);
      assert.deepEqual(readIdentity(shifted, 24), identity);
    }
  });

  test("every cut, and every flipped bit outside of the values, is refused", () => {
    const isRefusal = (error: unknown): boolean =>
      error instanceof ServerError && error.code === "SERVER_STORAGE_CORRUPT";
    for (const identity of IDENTITIES) {
      const bytes = encode(identity);
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => readIdentity(bytes.subarray(0, length), 0), isRefusal);
      }
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Uint8Array.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        try {
          assert.notDeepEqual(readIdentity(flipped, 0), identity);
        } catch (error) {
          assert.ok(isRefusal(error), String(error));
        }
      }
    }
  });
});
