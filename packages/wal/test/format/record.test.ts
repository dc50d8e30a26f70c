import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  bodyIsWellFormed,
  encodeRecordHead,
  MAX_RECORD_BYTES,
  MAX_RECORD_KIND,
  recordKind,
  recordLengthBytes,
} from "../../src/format/record.ts";
import { encodeBody } from "../segment-builder.ts";

suite("record head", () => {
  for (const lengthBytes of [0, 1, 255, 65_536, MAX_RECORD_BYTES - 1, MAX_RECORD_BYTES]) {
    for (const kind of [0, 1, 7, 8, MAX_RECORD_KIND]) {
      test(`holds ${lengthBytes} bytes of kind ${kind}`, () => {
        const head = encodeRecordHead(lengthBytes, kind);
        assert.ok(head >= 0 && head <= 0xffff_ffff);
        assert.equal(recordLengthBytes(head), lengthBytes);
        assert.equal(recordKind(head), kind);
      });
    }
  }
});

suite("bodyIsWellFormed", () => {
  const body = encodeBody([Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)]);

  test("accepts records that fill the body", () => {
    assert.equal(bodyIsWellFormed(body, 3), true);
    assert.equal(bodyIsWellFormed(new Uint8Array(0), 0), true);
    assert.equal(bodyIsWellFormed(encodeBody([new Uint8Array(0)]), 1), true);
  });

  test("looks at the bytes of the view and no others", () => {
    const padded = Buffer.concat([Buffer.alloc(3, 0xff), body, Buffer.alloc(5, 0xff)]);
    assert.equal(bodyIsWellFormed(padded.subarray(3, 3 + body.byteLength), 3), true);
  });

  for (const recordCount of [0, 1, 2, 4, 2 ** 32 - 1]) {
    test(`refuses a count of ${recordCount} where three records stand`, () => {
      assert.equal(bodyIsWellFormed(body, recordCount), false);
    });
  }

  test("refuses a body that is cut at any byte", () => {
    for (let length = 0; length < body.byteLength; length++) {
      assert.equal(bodyIsWellFormed(body.subarray(0, length), 3), false, `cut at ${length}`);
    }
  });

  test("refuses a record that claims more than there is", () => {
    const lying = body.slice();
    new DataView(lying.buffer).setUint32(0, MAX_RECORD_BYTES, true);
    assert.equal(bodyIsWellFormed(lying, 3), false);
  });
});
