import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ProtobufCursor } from "../../src/ingest/protobuf-cursor.ts";

function cursorOver(bytes: Uint8Array): ProtobufCursor {
  return new ProtobufCursor(Buffer.from(bytes), (reason, at) => {
    throw new RangeError(`${at}: ${reason}`);
  });
}

/** Groups of seven bits, lowest first, as the specification puts it. */
function varint(value: bigint): Uint8Array {
  const groups: number[] = [];
  for (let rest = value; groups.length === 0 || rest > 0n; rest >>= 7n) {
    groups.push(Number(rest & 0x7fn) | (rest >= 0x80n ? 0x80 : 0));
  }
  return Uint8Array.from(groups);
}

suite("ProtobufCursor", () => {
  test("reads varints of every length, over all 64 bits", () => {
    for (let bit = 0; bit < 64; bit++) {
      for (const value of [1n << BigInt(bit), (1n << BigInt(bit)) - 1n, (1n << 64n) - 1n]) {
        const [low, high] = [Number(value & 0xffff_ffffn), Number(value >> 32n)];
        const bytes = varint(value);
        const cursor = cursorOver(bytes);
        cursor.readVarint();
        assert.deepEqual([cursor.low, cursor.high, cursor.at], [low, high, bytes.length]);
      }
    }
  });

  test("refuses numbers that are longer than 64 bits or cut", () => {
    for (const hex of [
      "80",
      "ffffffffffffffffff02",
      "80808080808080808080",
      "8080808080808080808001",
    ]) {
      assert.throws(() => cursorOver(Buffer.from(hex, "hex")).readVarint(), RangeError, hex);
    }
  });

  test("does not read beyond the end that was set, whatever a length claims", () => {
    const cursor = cursorOver(Buffer.from("0a7f0102030405060708", "hex"));
    cursor.end = 4;
    assert.equal(cursor.nextField(), true);
    assert.throws(() => cursor.readLength("x"), RangeError);
    const huge = cursorOver(Buffer.from("0affffffffffffffff7f", "hex"));
    huge.nextField();
    assert.throws(() => huge.readLength("x"), RangeError);
  });

  test("skips values of every wire type, and refuses groups and the field 0", () => {
    const cursor = cursorOver(Buffer.from("08960111010203040506070812016115010203042005", "hex"));
    const fields: number[] = [];
    while (cursor.nextField()) {
      fields.push(cursor.field);
      cursor.skipValue();
    }
    assert.deepEqual(fields, [1, 2, 2, 2, 4]);
    const group = cursorOver(Buffer.of(0x0b));
    group.nextField();
    assert.throws(() => group.skipValue(), RangeError);
    assert.throws(() => cursorOver(Buffer.of(0x00)).nextField(), RangeError);
  });
});
