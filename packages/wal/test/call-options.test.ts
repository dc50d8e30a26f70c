import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { DURABILITY_LEVELS } from "@walnut/wal";
import { ACK_POINTS, ackPointOf, type AppendOptions } from "../src/call-options.ts";

suite("ackPointOf", () => {
  test("is the log's where the append chooses nothing", () => {
    for (const ack of ["buffered", "written", "durable"] as const) {
      assert.equal(ackPointOf({}, ack), ack);
      assert.equal(ackPointOf({ durability: undefined, kind: 3 }, ack), ack);
    }
  });

  for (const [durability, ack] of [
    ["fdatasync", "durable"],
    ["interval", "written"],
    ["async", "written"],
    ["memory", "buffered"],
  ] as const) {
    test(`is ${ack} for ${durability}`, () => {
      assert.equal(ackPointOf({ durability }, "durable"), ack);
      assert.equal(ACK_POINTS[durability], ack);
    });
  }

  for (const durability of ["fsync", "off", "sync", ""]) {
    test(`refuses "${durability}" for one append`, () => {
      assert.ok(ackPointOf({ durability } as AppendOptions, "durable") instanceof RangeError);
    });
  }

  for (const kind of [-1, 16, 1.5, Number.NaN]) {
    test(`refuses kind ${kind}`, () => {
      assert.ok(ackPointOf({ kind }, "durable") instanceof RangeError);
    });
  }

  test("knows every level", () => {
    assert.deepEqual(Object.keys(ACK_POINTS), DURABILITY_LEVELS);
  });
});
