/** The layout of encrypted bodies, against docs/format.md. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  authenticatedBytes,
  ENCRYPTION_HEAD_BYTES,
  ENCRYPTION_OVERHEAD_BYTES,
  nonceOf,
  splitEncryptedBody,
  writeEncryptionHead,
} from "../../src/format/encrypted-body.ts";
import { FRAME_HEADER_BYTES, FRAME_KIND, sealFrame } from "../../src/format/frame.ts";

const SALT = Uint8Array.from({ length: 16 }, (_, index) => index + 1);

const FIELDS = {
  rawBytes: 0x01020304,
  firstLsn: 2 ** 40 + 5,
  recordCount: 7,
  kind: FRAME_KIND.data,
  codecId: 2,
  flags: 3,
  timeMs: 2 ** 41 + 9,
} as const;

suite("encrypted-body", () => {
  test("has key id, salt and counter before the ciphertext and the tag behind it", () => {
    const stored = new Uint8Array(ENCRYPTION_OVERHEAD_BYTES + 5).fill(0xee);
    writeEncryptionHead(stored, 0, { keyId: 0xa1b2c3d4, salt: SALT, counter: 2 ** 33 + 1 });
    assert.equal(
      Buffer.from(stored.subarray(0, ENCRYPTION_HEAD_BYTES)).toString("hex"),
      "d4c3b2a10102030405060708090a0b0c0d0e0f100100000002000000",
    );
    const parts = splitEncryptedBody(stored);
    assert.equal(parts?.keyId, 0xa1b2c3d4);
    assert.deepEqual(parts?.salt, SALT);
    assert.equal(parts?.counter, 2 ** 33 + 1);
    assert.equal(parts?.ciphertext.byteLength, 5);
    assert.equal(parts?.tag.byteLength, 16);
  });

  test("is none when it is too short or its counter is beyond all bounds", () => {
    for (let length = 0; length < ENCRYPTION_OVERHEAD_BYTES; length++) {
      assert.equal(splitEncryptedBody(new Uint8Array(length)), undefined);
    }
    assert.notEqual(splitEncryptedBody(new Uint8Array(ENCRYPTION_OVERHEAD_BYTES)), undefined);
    const huge = new Uint8Array(ENCRYPTION_OVERHEAD_BYTES).fill(0xff, 20, 28);
    assert.equal(splitEncryptedBody(huge), undefined);
  });

  test("has the counter and zeros for a nonce", () => {
    assert.equal(Buffer.from(nonceOf(258)).toString("hex"), "020100000000000000000000");
  });

  test("authenticates bytes 12 to 31 and 40 to 47 of the frame header", () => {
    const bytes = new Uint8Array(FRAME_HEADER_BYTES);
    const header = { ...FIELDS, storedBytes: 0, durableOffset: 64, chain: 99 };
    sealFrame(bytes, 0, header, 0);
    const expected = Buffer.concat([bytes.subarray(12, 32), bytes.subarray(40, 48)]);
    assert.deepEqual(Buffer.from(authenticatedBytes(FIELDS)), expected);
  });
});
