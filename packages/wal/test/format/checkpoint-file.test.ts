import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { checksum } from "../../src/format/checksum.ts";
import {
  CHECKPOINT_BYTES,
  decodeCheckpoint,
  encodeCheckpoint,
} from "../../src/format/checkpoint-file.ts";
import { everyBitFlipped } from "../every-bit.ts";

const CHECKPOINT = { firstSegmentId: 3, firstLsn: 1001, writtenAtMs: 1_767_225_600_000 };

function withField(write: (view: DataView) => void): Uint8Array {
  const bytes = encodeCheckpoint(CHECKPOINT);
  const view = new DataView(bytes.buffer);
  write(view);
  view.setUint32(36, checksum(bytes.subarray(0, 36)), true);
  return bytes;
}

suite("checkpoint file", () => {
  test("is laid out as the specification says", () => {
    const bytes = encodeCheckpoint(CHECKPOINT);
    const view = new DataView(bytes.buffer);
    assert.equal(bytes.byteLength, CHECKPOINT_BYTES);
    assert.equal(Buffer.from(bytes.subarray(0, 4)).toString("latin1"), "WCKP");
    assert.equal(view.getUint16(4, true), 1);
    assert.equal(view.getUint16(6, true), 0);
    assert.equal(view.getBigUint64(8, true), 3n);
    assert.equal(view.getBigUint64(16, true), 1001n);
    assert.equal(view.getBigUint64(24, true), 1_767_225_600_000n);
    assert.equal(view.getUint32(32, true), 0);
    assert.equal(view.getUint32(36, true), checksum(bytes.subarray(0, 36)));
  });

  for (const field of ["firstSegmentId", "firstLsn", "writtenAtMs"] as const) {
    test(`round-trips ${field} from one end of its range to the other`, () => {
      for (const value of [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        const checkpoint = { ...CHECKPOINT, [field]: value };
        assert.deepEqual(decodeCheckpoint(encodeCheckpoint(checkpoint)), {
          kind: "valid",
          checkpoint,
        });
      }
    });
  }

  test("is invalid with any one bit flipped, and never another version", () => {
    for (const { bytes, byteIndex, bit } of everyBitFlipped(encodeCheckpoint(CHECKPOINT))) {
      assert.deepEqual(
        decodeCheckpoint(bytes),
        { kind: "invalid" },
        `byte ${byteIndex}, bit ${bit}`,
      );
    }
  });

  test("is invalid when cut at any byte or longer than it should be", () => {
    const bytes = encodeCheckpoint(CHECKPOINT);
    for (let length = 0; length < CHECKPOINT_BYTES; length++) {
      assert.deepEqual(decodeCheckpoint(bytes.subarray(0, length)), { kind: "invalid" });
    }
    assert.deepEqual(decodeCheckpoint(Buffer.concat([bytes, Buffer.alloc(1)])), {
      kind: "invalid",
    });
  });

  test("names another version as unsupported when the checksum is right", () => {
    const bytes = withField((view) => view.setUint16(4, 2, true));
    assert.deepEqual(decodeCheckpoint(bytes), { kind: "unsupported-version", version: 2 });
  });

  for (const offset of [8, 16, 24]) {
    test(`refuses a number beyond 2^53 - 1 at offset ${offset}`, () => {
      const bytes = withField((view) => view.setBigUint64(offset, 2n ** 53n, true));
      assert.deepEqual(decodeCheckpoint(bytes), { kind: "invalid" });
    });
  }
});
