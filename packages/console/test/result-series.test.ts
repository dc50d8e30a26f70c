import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { Cell } from "../src/app/csv.ts";
import { MAX_LINES, seriesOf, type ResultSeries } from "../src/app/result-series.ts";

function series(
  columns: Readonly<Record<string, string>>,
  data: Cell[][],
): ResultSeries | undefined {
  return seriesOf({
    columns: Object.keys(columns),
    types: Object.values(columns),
    data,
    row_count: data.length,
    execution_time_ms: 1,
  });
}

const AT_1 = "1970-01-01T00:00:01.000000000Z";
const AT_2 = "1970-01-01T00:00:02.5Z";

suite("seriesOf", () => {
  test("draws each number over time, in the order of time", () => {
    assert.deepEqual(
      series({ time: "TIMESTAMP_NS", a: "DOUBLE", b: "BIGINT" }, [
        [AT_2, 2, "9007199254740993"],
        [AT_1, 1, null],
      ]),
      {
        times: [1, 2.5],
        lines: [
          { label: "a", values: [1, 2] },
          { label: "b", values: [null, 9007199254740992] },
        ],
      },
    );
  });

  test("draws a line for each of a few texts", () => {
    const lines = series({ host: "VARCHAR", t: "TIMESTAMP", v: "DECIMAL(9,2)" }, [
      ["x", AT_1, "1.50"],
      ["y", AT_1, "2.50"],
      ["x", AT_2, "NaN"],
    ])?.lines;
    assert.deepEqual(lines, [
      { label: "x", values: [1.5, null] },
      { label: "y", values: [2.5, null] },
    ]);
  });

  test("does not tell many texts apart", () => {
    const rows = Array.from({ length: MAX_LINES + 1 }, (_, index) => [
      `h${index}`,
      index % 2 ? AT_1 : AT_2,
      1,
    ]);
    const lines = series({ h: "VARCHAR", t: "TIMESTAMP", v: "DOUBLE" }, rows)?.lines;
    assert.deepEqual(
      lines?.map(({ label }) => label),
      ["v"],
    );
  });

  test("has nothing to draw without a time, a number, or two moments", () => {
    assert.equal(series({ v: "DOUBLE" }, [[1], [2]]), undefined);
    assert.equal(series({ t: "TIMESTAMP", s: "VARCHAR" }, [[AT_1, "x"]]), undefined);
    assert.equal(series({ t: "TIMESTAMP", v: "DOUBLE" }, [[AT_1, 1]]), undefined);
  });
});
