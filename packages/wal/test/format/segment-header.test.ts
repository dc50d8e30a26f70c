import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { checksum } from "../../src/format/checksum.ts";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  SEGMENT_FORMAT_VERSION,
  SEGMENT_HEADER_BYTES,
  segmentHeaderDigest,
  type SegmentHeader,
} from "../../src/format/segment-header.ts";
import { everyBitFlipped } from "../every-bit.ts";

const HEADER: SegmentHeader = {
  segmentId: 7,
  firstLsn: 123_456,
  salt: Uint8Array.of(0, 255, 1, 254, 2, 253, 3, 252),
  previousSegmentId: 6,
  previousEndOffset: 4096,
  previousDigest: 0xdead_beef,
  createdAtMs: 1_767_225_600_000,
};

/** Writes a field and makes the checksum right again: what a broken or newer writer would leave. */
function withField(write: (view: DataView) => void): Uint8Array {
  const bytes = encodeSegmentHeader(HEADER);
  const view = new DataView(bytes.buffer);
  write(view);
  view.setUint32(60, checksum(bytes.subarray(0, 60)), true);
  return bytes;
}

suite("segment header", () => {
  test("is laid out as the specification says", () => {
    const bytes = encodeSegmentHeader(HEADER);
    const view = new DataView(bytes.buffer);
    assert.equal(bytes.byteLength, SEGMENT_HEADER_BYTES);
    assert.equal(Buffer.from(bytes.subarray(0, 4)).toString("latin1"), "WLNT");
    assert.equal(view.getUint16(4, true), SEGMENT_FORMAT_VERSION);
    assert.equal(view.getUint16(6, true), 0);
    assert.equal(view.getBigUint64(8, true), 7n);
    assert.equal(view.getBigUint64(16, true), 123_456n);
    assert.deepEqual(bytes.slice(24, 32), HEADER.salt);
    assert.equal(view.getBigUint64(32, true), 6n);
    assert.equal(view.getUint32(40, true), 4096);
    assert.equal(view.getUint32(44, true), 0xdead_beef);
    assert.equal(view.getBigUint64(48, true), 1_767_225_600_000n);
    assert.equal(view.getUint32(56, true), 0);
    assert.equal(view.getUint32(60, true), checksum(bytes.subarray(0, 60)));
  });

  const MAX = Number.MAX_SAFE_INTEGER;
  const boundaries: { readonly field: keyof SegmentHeader; readonly values: readonly number[] }[] =
    [
      { field: "segmentId", values: [0, 1, 2 ** 32, MAX] },
      { field: "firstLsn", values: [0, 1, 2 ** 32 - 1, 2 ** 32, MAX] },
      { field: "previousSegmentId", values: [0, 1, MAX] },
      { field: "previousEndOffset", values: [0, 1, 2 ** 31, 2 ** 32 - 1] },
      { field: "previousDigest", values: [0, 1, 2 ** 31, 2 ** 32 - 1] },
      { field: "createdAtMs", values: [0, 1, MAX] },
    ];
  for (const { field, values } of boundaries) {
    test(`round-trips ${field} from one end of its range to the other`, () => {
      for (const value of values) {
        const header = { ...HEADER, [field]: value };
        const result = decodeSegmentHeader(encodeSegmentHeader(header));
        assert.ok(result.kind === "valid");
        assert.deepEqual(result.header, header);
      }
    });
  }

  test("has its checksum as digest", () => {
    const bytes = encodeSegmentHeader(HEADER);
    assert.equal(segmentHeaderDigest(bytes), checksum(bytes.subarray(0, 60)));
    assert.equal(segmentHeaderDigest(bytes), new DataView(bytes.buffer).getUint32(60, true));
  });

  test("does not keep a view on the bytes it was decoded from", () => {
    const bytes = encodeSegmentHeader(HEADER);
    const result = decodeSegmentHeader(bytes);
    bytes.fill(0);
    assert.ok(result.kind === "valid");
    assert.deepEqual(result.header.salt, HEADER.salt);
  });

  test("is invalid with any one bit flipped, and never another version", () => {
    for (const { bytes, byteIndex, bit } of everyBitFlipped(encodeSegmentHeader(HEADER))) {
      const result = decodeSegmentHeader(bytes);
      assert.equal(result.kind, "invalid", `byte ${byteIndex}, bit ${bit}`);
    }
  });

  test("is short when cut at any byte", () => {
    const bytes = encodeSegmentHeader(HEADER);
    for (let length = 0; length < SEGMENT_HEADER_BYTES; length++) {
      assert.deepEqual(decodeSegmentHeader(bytes.subarray(0, length)), {
        kind: "invalid",
        reason: "short",
      });
    }
  });

  test("does not keep a view on a Buffer either", () => {
    const bytes = Buffer.from(encodeSegmentHeader(HEADER));
    const result = decodeSegmentHeader(bytes);
    bytes.fill(0);
    assert.ok(result.kind === "valid");
    assert.deepEqual(Uint8Array.from(result.header.salt), HEADER.salt);
  });

  test("is found at the beginning of longer bytes that start anywhere in memory", () => {
    const header = encodeSegmentHeader(HEADER);
    const padded = new Uint8Array(5 + header.byteLength + 9).fill(1);
    padded.set(header, 5);
    const result = decodeSegmentHeader(padded.subarray(5));
    assert.ok(result.kind === "valid");
    assert.deepEqual(result.header, HEADER);
  });

  for (const version of [0, 2, 65_535]) {
    test(`names version ${version} as unsupported when the checksum is right`, () => {
      const bytes = withField((view) => view.setUint16(4, version, true));
      assert.deepEqual(decodeSegmentHeader(bytes), { kind: "unsupported-version", version });
    });
  }

  test("takes flags that it does not know for a newer format", () => {
    const bytes = withField((view) => view.setUint16(6, 1, true));
    assert.equal(decodeSegmentHeader(bytes).kind, "unsupported-version");
  });

  for (const offset of [8, 16, 32, 48]) {
    test(`refuses a number beyond 2^53 - 1 at offset ${offset}`, () => {
      const bytes = withField((view) => view.setBigUint64(offset, 2n ** 53n, true));
      assert.deepEqual(decodeSegmentHeader(bytes), { kind: "invalid", reason: "value" });
    });
  }

  test("names zeros and foreign bytes by their magic", () => {
    assert.deepEqual(decodeSegmentHeader(new Uint8Array(64)), { kind: "invalid", reason: "magic" });
    assert.deepEqual(decodeSegmentHeader(new Uint8Array(64).fill(0xff)), {
      kind: "invalid",
      reason: "magic",
    });
  });
});
