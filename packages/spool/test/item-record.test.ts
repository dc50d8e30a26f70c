/** Items as bytes: what was put comes back, and damage is told. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isSpoolError } from "@walnut/spool";
import { decodeItem, encodeItem } from "../src/item-record.ts";

const payload = new TextEncoder().encode("cpu usage=1");

suite("an item as a record", () => {
  for (const attributes of [{}, { type: "text/plain", query: "bucket=größe" }]) {
    test(`comes back with ${Object.keys(attributes).length} attributes`, () => {
      const item = { payload, attributes, putAtMs: 1_700_000_000_123 };
      assert.deepEqual(decodeItem(encodeItem(item)), item);
    });
  }

  test("is refused when cut before its payload, and when its version or attributes are wrong", () => {
    const record = encodeItem({ payload, attributes: { a: "b" }, putAtMs: 1 });
    const payloadAt = record.length - payload.length;
    for (let length = 0; length < payloadAt; length++) {
      assert.throws(
        () => decodeItem(record.subarray(0, length)),
        (error) => isSpoolError(error, "SPOOL_CORRUPT"),
      );
    }
    for (const at of [0, 1, 12, payloadAt - 1]) {
      const damaged = record.slice();
      damaged[at] = 0xff;
      assert.throws(
        () => decodeItem(damaged),
        (error) => isSpoolError(error, "SPOOL_CORRUPT"),
      );
    }
  });

  test("has attributes of at most 64 KiB", () => {
    assert.throws(
      () => encodeItem({ payload, attributes: { long: "x".repeat(70_000) }, putAtMs: 1 }),
      (error) => isSpoolError(error, "SPOOL_ITEM_TOO_LARGE"),
    );
  });
});
