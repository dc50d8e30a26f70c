import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { parseDeletePredicate } from "../../src/store/delete-criteria.ts";

suite("parseDeletePredicate", () => {
  test("reads what InfluxDB clients send", () => {
    const tag = (name: string, value: string) => ({ name, value });
    const cases = [
      ["", undefined, []],
      ['_measurement="cpu"', "cpu", []],
      ["  _measurement = cpu  ", "cpu", []],
      [
        `_measurement="c p\\"u" AND host='a b' and "r\\\\ack"=""`,
        'c p"u',
        [tag("host", "a b"), tag("r\\ack", "")],
      ],
      ['host="ü" AND host="x"', undefined, [tag("host", "ü"), tag("host", "x")]],
      ['band="and"', undefined, [tag("band", "and")]],
    ] as const;
    for (const [text, measurement, tags] of cases) {
      assert.deepEqual(parseDeletePredicate(text), { measurement, tags }, text);
    }
  });

  test("refuses everything else", () => {
    const cases = [
      "cpu",
      '_measurement="cpu" OR host="a"',
      'host!="a"',
      'host="a" AND',
      'AND host="a"',
      'host="a',
      '_measurement="a" AND _measurement="b"',
      '_field="x"',
      "host='a'; DROP TABLE x",
      'host="a"host="b"',
      'host="\0"',
      "x".repeat(70_000),
    ];
    for (const text of cases) {
      assert.throws(
        () => parseDeletePredicate(text),
        { code: "SERVER_INVALID_REQUEST" },
        text.slice(0, 50),
      );
    }
  });
});
