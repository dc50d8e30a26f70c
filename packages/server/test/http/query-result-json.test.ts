import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { queryResultJson } from "../../src/http/query-result-json.ts";

function dataOf(values: unknown[], integersAsText = false): string {
  const text = queryResultJson(
    { columns: [], rows: [values], rowCount: 1, durationMs: 0 },
    { integersAsText },
  );
  const start = text.indexOf('"data":[') + '"data":['.length;
  return text.slice(start, text.indexOf('],"row_count"'));
}

suite("queryResultJson", () => {
  test("has the members that clients of the query API read", () => {
    const text = queryResultJson(
      {
        columns: [
          { name: 'a "b"', type: "BIGINT" },
          { name: "c", type: "DOUBLE" },
        ],
        rows: [
          [1n, 1.5],
          [2n, null],
        ],
        rowCount: 2,
        durationMs: 1.23456,
      },
      { integersAsText: false },
    );
    assert.deepEqual(JSON.parse(text), {
      success: true,
      columns: ['a "b"', "c"],
      types: ["BIGINT", "DOUBLE"],
      data: [
        [1, 1.5],
        [2, null],
      ],
      row_count: 2,
      execution_time_ms: 1.235,
    });
  });

  test("writes 64-bit integers with all their digits, as numbers or as text", () => {
    const extremes = [9223372036854775807n, -9223372036854775808n, 18446744073709551615n];
    assert.equal(
      dataOf(extremes),
      "[9223372036854775807,-9223372036854775808,18446744073709551615]",
    );
    assert.equal(dataOf([9223372036854775807n], true), '["9223372036854775807"]');
  });

  test("names the numbers that JSON cannot write", () => {
    assert.equal(dataOf([Number.NaN, Infinity, -Infinity]), '["NaN","Infinity","-Infinity"]');
  });

  test("writes negative zero, text, booleans, nulls, lists and structs", () => {
    assert.equal(dataOf([true, false, null, undefined]), "[true,false,null,null]");
    assert.equal(dataOf([0, -0, 1e21, 5e-324]), "[0,-0,1e+21,5e-324]");
    assert.equal(dataOf(['"\u0000\n']), '["\\"\\u0000\\n"]');
    assert.equal(dataOf([[1n, "x"], { a: 1n, b: [null] }]), '[[1,"x"],{"a":1,"b":[null]}]');
  });

  test("writes an empty result", () => {
    const text = queryResultJson(
      { columns: [{ name: "a", type: "BIGINT" }], rows: [], rowCount: 0, durationMs: 0 },
      { integersAsText: false },
    );
    assert.deepEqual(JSON.parse(text).data, []);
  });
});
