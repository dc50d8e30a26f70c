import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { checksum } from "../../src/format/checksum.ts";
import {
  decodeFrame,
  encodeMarkFrame,
  FRAME_ALIGNMENT_BYTES,
  FRAME_FLAG_BATCH_CONTINUES,
  FRAME_HEADER_BYTES,
  FRAME_KIND,
  FRAME_MAGIC_BYTES,
  frameLengthBytes,
  peekFrame,
  sealFrame,
  type FrameHeader,
} from "../../src/format/frame.ts";
import { everyBitFlipped } from "../every-bit.ts";
import { encodeBody } from "../segment-builder.ts";

const SEED = 0x1234_5678;
const BODY = encodeBody([Uint8Array.of(1, 2, 3), Uint8Array.of(4, 5)]);
const HEADER: FrameHeader = {
  storedBytes: BODY.byteLength,
  rawBytes: BODY.byteLength,
  firstLsn: 41,
  recordCount: 2,
  kind: FRAME_KIND.data,
  codecId: 0,
  flags: FRAME_FLAG_BATCH_CONTINUES,
  durableOffset: 4096,
  chain: 0xcafe_babe,
  timeMs: 1_767_225_600_000,
};

function frameBytes(header: FrameHeader = HEADER, body: Uint8Array = BODY): Uint8Array {
  const bytes = new Uint8Array(frameLengthBytes(header.storedBytes)).fill(0xee);
  bytes.set(body, FRAME_HEADER_BYTES);
  sealFrame(bytes, 0, header, SEED);
  return bytes;
}

function decode(bytes: Uint8Array, seed = SEED): ReturnType<typeof decodeFrame> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const peek = peekFrame(view, 0, bytes.byteLength);
  if (peek.kind !== "candidate" || peek.lengthBytes > bytes.byteLength) return undefined;
  return decodeFrame(bytes, view, 0, peek.lengthBytes, seed);
}

suite("frame length", () => {
  for (const { storedBytes, expected } of [
    { storedBytes: 0, expected: 48 },
    { storedBytes: 1, expected: 56 },
    { storedBytes: 7, expected: 56 },
    { storedBytes: 8, expected: 56 },
    { storedBytes: 9, expected: 64 },
    { storedBytes: 2 ** 28 + 3, expected: 2 ** 28 + 56 },
  ]) {
    test(`of ${storedBytes} stored bytes is ${expected}`, () => {
      assert.equal(frameLengthBytes(storedBytes), expected);
    });
  }

  test("is the same whether computed from a length or peeked from a header", () => {
    for (const storedBytes of [0, 1, 7, 8, 9, 4096, 2 ** 28, 2 ** 30]) {
      const header = new DataView(new ArrayBuffer(FRAME_HEADER_BYTES));
      FRAME_MAGIC_BYTES.forEach((byte, index) => header.setUint8(index, byte));
      header.setUint32(8, storedBytes, true);
      assert.deepEqual(peekFrame(header, 0, FRAME_HEADER_BYTES), {
        kind: "candidate",
        lengthBytes: frameLengthBytes(storedBytes),
      });
    }
  });
});

suite("frame length of the largest body", () => {
  test("does not wrap around", () => {
    assert.equal(frameLengthBytes(2 ** 31 - 1), 2 ** 31 + 48);
  });
});

suite("sealFrame", () => {
  test("lays out the header as the specification says", () => {
    const bytes = frameBytes();
    const view = new DataView(bytes.buffer);
    assert.deepEqual(bytes.slice(0, 4), FRAME_MAGIC_BYTES);
    assert.equal(Buffer.from(FRAME_MAGIC_BYTES).toString("latin1"), "FRM1");
    assert.equal(view.getUint32(4, true), checksum(bytes.subarray(8), SEED));
    assert.equal(view.getUint32(8, true), BODY.byteLength);
    assert.equal(view.getUint32(12, true), BODY.byteLength);
    assert.equal(view.getBigUint64(16, true), 41n);
    assert.equal(view.getUint32(24, true), 2);
    assert.equal(view.getUint8(28), 1);
    assert.equal(view.getUint8(29), 0);
    assert.equal(view.getUint8(30), 1);
    assert.equal(view.getUint8(31), 0);
    assert.equal(view.getUint32(32, true), 4096);
    assert.equal(view.getUint32(36, true), 0xcafe_babe);
    assert.equal(view.getBigUint64(40, true), 1_767_225_600_000n);
    assert.deepEqual(bytes.slice(48, 48 + BODY.byteLength), BODY);
  });

  test("zeroes the padding, whatever was there", () => {
    const bytes = frameBytes();
    const padding = bytes.subarray(FRAME_HEADER_BYTES + BODY.byteLength);
    assert.ok(padding.byteLength > 0 && padding.byteLength < FRAME_ALIGNMENT_BYTES);
    assert.deepEqual(padding, new Uint8Array(padding.byteLength));
  });

  test("touches nothing before and nothing behind the frame", () => {
    const length = frameLengthBytes(BODY.byteLength);
    const bytes = new Uint8Array(length + 32).fill(0xee);
    bytes.set(BODY, 16 + FRAME_HEADER_BYTES);
    sealFrame(bytes, 16, HEADER, SEED);
    assert.deepEqual(bytes.subarray(0, 16), new Uint8Array(16).fill(0xee));
    assert.deepEqual(bytes.subarray(16 + length), new Uint8Array(16).fill(0xee));
    assert.deepEqual(bytes.slice(16, 16 + length), frameBytes());
  });

  test("returns the checksum that the next frame carries as its chain", () => {
    const bytes = frameBytes();
    assert.equal(sealFrame(bytes, 0, HEADER, SEED), new DataView(bytes.buffer).getUint32(4, true));
  });
});

suite("decodeFrame", () => {
  test("gives back every field", () => {
    assert.deepEqual(decode(frameBytes())?.header, HEADER);
  });

  const MAX = Number.MAX_SAFE_INTEGER;
  const boundaries: { readonly field: keyof FrameHeader; readonly values: readonly number[] }[] = [
    { field: "rawBytes", values: [0, 1, 2 ** 31 - 1, 2 ** 32 - 1] },
    { field: "firstLsn", values: [0, 1, 2 ** 32, MAX] },
    { field: "recordCount", values: [0, 1, 2 ** 32 - 1] },
    { field: "kind", values: [1, 2, 3] },
    { field: "codecId", values: [0, 4, 255] },
    { field: "flags", values: [0, 1, 255] },
    { field: "durableOffset", values: [0, 64, 2 ** 31, 2 ** 32 - 1] },
    { field: "chain", values: [0, 2 ** 31, 2 ** 32 - 1] },
    { field: "timeMs", values: [0, 1, MAX] },
  ];
  for (const { field, values } of boundaries) {
    test(`gives back ${field} from one end of its range to the other`, () => {
      for (const value of values) {
        // Each value fits the field it is written to.
        const header = { ...HEADER, [field]: value } as FrameHeader;
        assert.deepEqual(decode(frameBytes(header))?.header, header);
      }
    });
  }

  test("finds nothing with any one bit flipped in header, body or padding", () => {
    for (const { bytes, byteIndex, bit } of everyBitFlipped(frameBytes())) {
      assert.equal(decode(bytes), undefined, `byte ${byteIndex}, bit ${bit}`);
    }
  });

  test("finds nothing when the frame is cut at any byte", () => {
    const bytes = frameBytes();
    for (let length = 0; length < bytes.byteLength; length++) {
      assert.equal(decode(bytes.slice(0, length)), undefined, `cut at ${length}`);
    }
  });

  test("finds nothing under the seed of any other aligned offset", () => {
    const bytes = frameBytes();
    for (let offset = 8; offset < 64 * 1024; offset += 8) {
      assert.equal(decode(bytes, (SEED ^ offset) >>> 0), undefined);
    }
  });

  for (const kind of [0, 5, 255]) {
    test(`finds nothing in a frame of kind ${kind}, right checksum or not`, () => {
      // A kind that no version of this type has, as a broken writer could store it.
      assert.equal(decode(frameBytes({ ...HEADER, kind: kind as FrameHeader["kind"] })), undefined);
    });
  }

  for (const offset of [16, 40]) {
    test(`finds nothing when the number at ${offset} exceeds 2^53 - 1`, () => {
      const bytes = frameBytes();
      const view = new DataView(bytes.buffer);
      view.setBigUint64(offset, 2n ** 53n, true);
      view.setUint32(4, checksum(bytes.subarray(8), SEED), true);
      assert.equal(decode(bytes), undefined);
    });
  }
});

suite("encodeMarkFrame", () => {
  const segmentHeader = new Uint8Array(64).map((_, index) => index);
  for (const kind of [FRAME_KIND.attest, FRAME_KIND.seal]) {
    test(`makes a frame of kind ${kind} without records that repeats the segment's header`, () => {
      const fields = { kind, firstLsn: 9, durableOffset: 640, chain: 5, timeMs: 1000 };
      const { bytes, digest } = encodeMarkFrame(fields, segmentHeader, SEED);
      assert.equal(bytes.byteLength, FRAME_HEADER_BYTES + 64);
      assert.deepEqual(bytes.slice(FRAME_HEADER_BYTES), segmentHeader);
      assert.deepEqual(decode(bytes), {
        header: { ...fields, storedBytes: 64, rawBytes: 64, recordCount: 0, codecId: 0, flags: 0 },
        digest,
      });
    });
  }
});

suite("peekFrame", () => {
  test("asks for more when fewer than a header's bytes are there", () => {
    const bytes = frameBytes();
    const view = new DataView(bytes.buffer);
    for (let available = 0; available < FRAME_HEADER_BYTES; available++) {
      assert.deepEqual(peekFrame(view, 0, available), { kind: "short" });
    }
  });

  test("sees no frame without the magic", () => {
    const view = new DataView(new ArrayBuffer(64));
    assert.deepEqual(peekFrame(view, 0, 64), { kind: "none" });
  });

  for (const storedBytes of [2 ** 31, 2 ** 32 - 1]) {
    test(`sees no frame in one that claims ${storedBytes} bytes`, () => {
      const bytes = frameBytes();
      const view = new DataView(bytes.buffer);
      view.setUint32(8, storedBytes, true);
      assert.deepEqual(peekFrame(view, 0, bytes.byteLength), { kind: "none" });
    });
  }

  test("computes the length of the largest body without wrapping around", () => {
    const bytes = frameBytes();
    const view = new DataView(bytes.buffer);
    view.setUint32(8, 2 ** 31 - 1, true);
    assert.deepEqual(peekFrame(view, 0, bytes.byteLength), {
      kind: "candidate",
      lengthBytes: 2 ** 31 + 48,
    });
  });
});
