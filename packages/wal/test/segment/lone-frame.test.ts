import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SimulatedDisk } from "@walnut/testkit";
import { FRAME_MAGIC_BYTES } from "../../src/format/frame.ts";
import { examineRest, type RestOfSegment } from "../../src/segment/lone-frame.ts";
import { flipBit } from "../every-bit.ts";
import { buildSegment, type BuiltSegment, type FrameSpec } from "../segment-builder.ts";

async function examine(
  segment: BuiltSegment,
  bytes: Uint8Array,
  fromOffset: number,
): Promise<RestOfSegment> {
  const disk = new SimulatedDisk();
  disk.plant("/s", bytes);
  const file = await disk.openFile("/s", "read");
  return await examineRest(file, segment.saltSeed, fromOffset, bytes.byteLength);
}

const RECORD: FrameSpec = { payloads: [Uint8Array.of(1, 2, 3)] };

function offsetOf(segment: BuiltSegment, index: number): number {
  const frame = segment.frames[index];
  assert.ok(frame !== undefined);
  return frame.offset;
}

suite("examineRest", () => {
  test("finds nothing at the end of the file and nothing in zeros", async () => {
    for (const zeroBytes of [0, 1, 8, 4096, 3 * 1024 * 1024]) {
      const segment = buildSegment({ frames: [RECORD], zeroBytes });
      assert.deepEqual(await examine(segment, segment.bytes, segment.endOffset), {
        fromOffset: segment.endOffset,
        hasBytes: false,
        endOffset: segment.endOffset,
        vouchedBy: undefined,
      });
    }
  });

  test("finds the end of bytes that no frame vouches for", async () => {
    const segment = buildSegment({ frames: [RECORD], zeroBytes: 4096 });
    for (const at of [0, 1, 7, 8, 100, 4095]) {
      const bytes = flipBit(segment.bytes, segment.endOffset + at, 3);
      assert.deepEqual(await examine(segment, bytes, segment.endOffset), {
        fromOffset: segment.endOffset,
        hasBytes: true,
        endOffset: segment.endOffset + at + 1,
        vouchedBy: undefined,
      });
    }
  });

  test("finds the first later frame that says the broken place was durable", async () => {
    const segment = buildSegment({
      frames: [
        RECORD,
        RECORD,
        RECORD,
        { ...RECORD, durable: "all" },
        { kind: "attest", durable: "all" },
      ],
    });
    const broken = offsetOf(segment, 1);
    const bytes = flipBit(segment.bytes, broken + 20, 0);
    const { vouchedBy, hasBytes } = await examine(segment, bytes, broken);
    assert.equal(hasBytes, true);
    assert.deepEqual(vouchedBy, {
      offset: offsetOf(segment, 3),
      durableOffset: offsetOf(segment, 3),
      firstLsn: 4,
    });
  });

  test("takes a later frame that vouches only for what stands before the broken place for junk", async () => {
    const segment = buildSegment({ frames: [RECORD, RECORD, RECORD] });
    const broken = offsetOf(segment, 1);
    const { vouchedBy, hasBytes, endOffset } = await examine(segment, segment.bytes, broken);
    assert.equal(vouchedBy, undefined);
    assert.equal(hasBytes, true);
    assert.ok(endOffset > broken && endOffset <= segment.endOffset);
  });

  test("counts a frame that vouches exactly up to the broken place as not vouching for it", async () => {
    const segment = buildSegment({ frames: [RECORD, { ...RECORD, durable: "all" }, RECORD] });
    const broken = offsetOf(segment, 1);
    const { vouchedBy } = await examine(segment, segment.bytes, broken);
    assert.equal(vouchedBy, undefined);
  });

  test("does not believe a voucher that is damaged, cut off, moved, or of another segment", async () => {
    const segment = buildSegment({ frames: [RECORD, RECORD, { kind: "attest", durable: "all" }] });
    const broken = offsetOf(segment, 1);
    const voucher = offsetOf(segment, 2);
    assert.notEqual((await examine(segment, segment.bytes, broken)).vouchedBy, undefined);

    for (let index = voucher; index < segment.endOffset; index++) {
      const bytes = flipBit(segment.bytes, index, 2);
      assert.equal((await examine(segment, bytes, broken)).vouchedBy, undefined, `byte ${index}`);
      const cut = segment.bytes.slice(0, index);
      assert.equal((await examine(segment, cut, broken)).vouchedBy, undefined, `cut at ${index}`);
    }
    const moved = new Uint8Array(segment.bytes.byteLength + 8);
    moved.set(segment.bytes.subarray(0, voucher));
    moved.set(segment.bytes.subarray(voucher), voucher + 8);
    assert.equal((await examine(segment, moved, broken)).vouchedBy, undefined);
    const other = { ...segment, saltSeed: segment.saltSeed ^ 1 };
    assert.equal((await examine(other, segment.bytes, broken)).vouchedBy, undefined);
  });

  test("is not misled by payloads that look like frames", async () => {
    const inner = buildSegment({ frames: [RECORD, RECORD, { kind: "attest", durable: "all" }] });
    const magics = Buffer.concat(Array.from({ length: 50 }, () => FRAME_MAGIC_BYTES));
    const segment = buildSegment({
      frames: [RECORD, { payloads: [inner.bytes, Uint8Array.from(magics)] }],
    });
    const broken = offsetOf(segment, 1);
    const { vouchedBy } = await examine(segment, flipBit(segment.bytes, broken, 0), broken);
    assert.equal(vouchedBy, undefined);
  });

  test("finds a voucher beyond the first chunk that is read", async () => {
    const segment = buildSegment({
      frames: [
        RECORD,
        { payloads: [new Uint8Array(1024 * 1024 + 5).fill(7)] },
        { payloads: [new Uint8Array(1024 * 1024)] },
        { kind: "attest", durable: "all" },
      ],
    });
    const broken = offsetOf(segment, 1);
    const bytes = flipBit(segment.bytes, broken + 50, 1);
    const { vouchedBy } = await examine(segment, bytes, broken);
    assert.equal(vouchedBy?.offset, offsetOf(segment, 3));
  });

  test("finds a large frame that vouches and spans chunks", async () => {
    const segment = buildSegment({
      frames: [
        RECORD,
        RECORD,
        { payloads: [new Uint8Array(2 * 1024 * 1024).fill(5)], durable: "all" },
      ],
    });
    const broken = offsetOf(segment, 1);
    const bytes = flipBit(segment.bytes, broken + 50, 1);
    assert.equal((await examine(segment, bytes, broken)).vouchedBy?.offset, offsetOf(segment, 2));
  });
});
