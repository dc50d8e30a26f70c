import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { ColumnBuilder } from "../../src/ingest/column-builder.ts";

function bits(validity: Uint8Array | undefined, rowCount: number): boolean[] {
  return Array.from(
    { length: rowCount },
    (_, row) => validity === undefined || (((validity[row >>> 3] ?? 0) >>> (row & 7)) & 1) === 1,
  );
}

suite("ColumnBuilder", () => {
  test("has no validity when every row is valid", () => {
    const column = new ColumnBuilder("a", "float", undefined);
    column.reserve(16);
    column.markValid(0, 5);
    column.markValid(5, 12);
    assert.equal(column.finish(12).validity, undefined);
  });

  test("remembers any ranges of valid rows", () => {
    const ranges = fc.array(fc.tuple(fc.nat({ max: 40 }), fc.integer({ min: 1, max: 40 })), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(ranges, fc.nat({ max: 20 }), (steps, tail) => {
        const column = new ColumnBuilder("a", "boolean", undefined);
        const expected: boolean[] = [];
        for (const [gap, length] of steps) {
          for (let row = 0; row < gap; row++) expected.push(false);
          column.markValid(expected.length, expected.length + length);
          for (let row = 0; row < length; row++) expected.push(true);
        }
        for (let row = 0; row < tail; row++) expected.push(false);
        const { validity } = column.finish(expected.length);
        assert.deepEqual(bits(validity, expected.length), expected);
        assert.equal(
          validity === undefined,
          expected.every((isValid) => isValid),
        );
        if (validity !== undefined) {
          assert.equal(validity.length, Math.ceil(expected.length / 8));
          const unused = bits(validity, validity.length * 8).slice(expected.length);
          assert.ok(unused.every((bit) => !bit));
        }
      }),
      { numRuns: 500, seed: Number(process.env["SEED"] ?? 20_261_120) },
    );
  });

  test("keeps values when it grows and holds exactly the rows when it is finished", () => {
    const column = new ColumnBuilder("a", "integer", undefined);
    column.reserve(1);
    new BigInt64Array(column.halves.buffer)[0] = -5n;
    column.markValid(0, 1);
    column.reserve(10_000);
    const finished = column.finish(3);
    assert.ok(finished.type === "integer");
    assert.deepEqual(finished.values, BigInt64Array.of(-5n, 0n, 0n));
    // A view would keep 80,000 bytes alive for three values.
    assert.ok(finished.values.buffer.byteLength < 1_000);
  });

  test("makes room for rows that came after its last value", () => {
    const column = new ColumnBuilder("a", "float", undefined);
    column.reserve(2);
    column.floats[0] = 1;
    column.markValid(0, 1);
    const finished = column.finish(100);
    assert.ok(finished.type === "float" && finished.values.length === 100);
  });
});
