import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { buffersOf, packRows, unpackRows } from "../../src/store/packed-rows.ts";
import type { RowSet } from "../../src/store/row-buffer.ts";

suite("packed rows", () => {
  test("are the same rows in another thread", () => {
    const dictionary = fc.array(fc.string({ unit: "binary" }), { maxLength: 20 });
    fc.assert(
      fc.property(dictionary, dictionary, (hosts, texts) => {
        const rows: RowSet = {
          rowCount: 2,
          timestamps: BigInt64Array.of(5n, -6n),
          columns: [
            {
              name: "host",
              type: "tag",
              validity: undefined,
              codes: Uint32Array.of(0, 1),
              dictionary: hosts,
            },
            {
              name: "v",
              type: "float",
              validity: Uint8Array.of(2),
              values: Float64Array.of(0, 7.5),
            },
            {
              name: "text",
              type: "string",
              validity: undefined,
              codes: Uint32Array.of(1, 0),
              dictionary: texts,
            },
          ],
        };
        const packed = packRows(rows);
        const expected = structuredClone(rows);
        const arrived = structuredClone(packed, { transfer: [...buffersOf(packed)] });
        assert.deepEqual(unpackRows(arrived), expected);
        assert.equal(rows.timestamps.length, 0, "handed over, not copied");
      }),
    );
  });
});
