import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { ServerError } from "../../src/errors.ts";
import { DEFAULT_INGEST_LIMITS, type IngestLimits } from "../../src/ingest/ingest-limits.ts";
import { decodeMessagePack } from "../../src/ingest/messagepack.ts";
import { assertTidy, describeTables, plainTables } from "./batch-rows.ts";
import { float, integer, map, pack, Raw, type Packable } from "./messagepack-writer.ts";
import { itemsArbitrary, modelRows } from "./messagepack-model.ts";

const NOW_NS = 1_700_000_000_123_456_789n;

function rowsOfBytes(body: Uint8Array, limits: Partial<IngestLimits> = {}): string[] {
  const options = {
    database: "db",
    nowNs: NOW_NS,
    limits: { ...DEFAULT_INGEST_LIMITS, ...limits },
  };
  const batch = decodeMessagePack(body, options);
  assertTidy(batch);
  return describeTables(plainTables(batch));
}

function rowsOf(value: Packable, limits: Partial<IngestLimits> = {}): string[] {
  return rowsOfBytes(pack(value), limits);
}

function errorOfBytes(body: Uint8Array, limits: Partial<IngestLimits> = {}): ServerError {
  try {
    rowsOfBytes(body, limits);
  } catch (error) {
    assert.ok(error instanceof ServerError, String(error));
    assert.equal(typeof error.details["offsetBytes"], "number");
    assert.equal(typeof error.details["path"], "string");
    return error;
  }
  return assert.fail("the body was accepted");
}

function errorOf(value: Packable, limits: Partial<IngestLimits> = {}): ServerError {
  return errorOfBytes(pack(value), limits);
}

const cpu = (columns: Record<string, Packable>, more: Record<string, Packable> = {}): Packable =>
  map({ m: "cpu", columns: map(columns), ...more });
const row = (fields: Record<string, Packable>, more: Record<string, Packable> = {}): Packable =>
  map({ m: "cpu", t: 10n ** 18n, fields: map(fields), ...more });
const AT = `@${10n ** 18n}`;

suite("decodeMessagePack: columns", () => {
  const cases: { name: string; value: Packable; rows: string[] }[] = [
    {
      name: "every type",
      value: cpu({
        time: [10n ** 18n, 10n ** 18n + 1n],
        f: [1.5, -0.25],
        i: [1, -2],
        u: [1, 2n ** 64n - 1n],
        s: ["a", "b"],
        b: [true, false],
      }),
      rows: [
        `cpu b:boolean=true f:float=1.5 i:integer=1 s:string=a u:unsigned=1 ${AT}`,
        `cpu b:boolean=false f:float=-0.25 i:integer=-2 s:string=b u:unsigned=18446744073709551615 @${10n ** 18n + 1n}`,
      ],
    },
    { name: "no time", value: cpu({ a: [1] }), rows: [`cpu a:integer=1 @${NOW_NS}`] },
    {
      name: "nil in every position",
      value: cpu({
        a: [null, 1, null, 2],
        b: [1.5, null, null, null],
        c: [null, null, null, "x"],
        d: [true, null, false, null],
      }),
      rows: [
        `cpu b:float=1.5 d:boolean=true @${NOW_NS}`,
        `cpu a:integer=1 @${NOW_NS}`,
        `cpu d:boolean=false @${NOW_NS}`,
        `cpu a:integer=2 c:string=x @${NOW_NS}`,
      ],
    },
    {
      name: "a column of nothing but nil",
      value: cpu({ a: [1, 2], b: [null, null] }),
      rows: [`cpu a:integer=1 @${NOW_NS}`, `cpu a:integer=2 @${NOW_NS}`],
    },
    { name: "no rows", value: cpu({ a: [] }), rows: [] },
    {
      name: "integers before a float",
      value: cpu({ a: [1, null, -(2n ** 53n), 2n ** 62n, 0.5, 7] }),
      rows: ["1", "", "-9007199254740992", "4611686018427388000", "0.5", "7"].map(
        (text) => `cpu ${text === "" ? "" : `a:float=${text}`} @${NOW_NS}`,
      ),
    },
    {
      name: "integers after a float",
      value: cpu({ a: [0.5, 2n ** 63n, -1] }),
      rows: ["0.5", "9223372036854776000", "-1"].map((text) => `cpu a:float=${text} @${NOW_NS}`),
    },
    {
      name: "integers of 2^63 and more before a float",
      value: cpu({ a: [2n ** 63n, 1.5] }),
      rows: ["9223372036854776000", "1.5"].map((text) => `cpu a:float=${text} @${NOW_NS}`),
    },
    {
      name: "float32 and whole floats",
      value: cpu({ a: [new Raw(0xca, 0x3f, 0x80, 0, 0), float(2), float(-0)] }),
      rows: ["1", "2", "-0"].map((text) => `cpu a:float=${text} @${NOW_NS}`),
    },
    {
      name: "columns named as tags",
      value: cpu({ host: ["a", "b"], v: [1, 2] }, { tags: ["host"] }),
      rows: [`cpu host:tag=a v:integer=1 @${NOW_NS}`, `cpu host:tag=b v:integer=2 @${NOW_NS}`],
    },
    {
      name: "keys in another order",
      value: map({ tags: ["h"], columns: map({ h: ["x"], time: [0] }), m: "z" }),
      rows: ["z h:tag=x @0"],
    },
    {
      name: "keys that objects inherit",
      value: cpu({ constructor: [2], toString: ["s"], ["__proto__"]: [1] }),
      rows: [`cpu __proto__:integer=1 constructor:integer=2 toString:string=s @${NOW_NS}`],
    },
    {
      name: "an integer measurement",
      value: map({ m: 42, columns: map({ a: [1] }) }),
      rows: [`measurement_42 a:integer=1 @${NOW_NS}`],
    },
    {
      name: "several items of one table",
      value: [cpu({ a: [1, 2] }), cpu({ b: ["x"] }), cpu({ a: [0.5], b: ["y"] })],
      rows: [
        `cpu a:float=1 @${NOW_NS}`,
        `cpu a:float=2 @${NOW_NS}`,
        `cpu b:string=x @${NOW_NS}`,
        `cpu a:float=0.5 b:string=y @${NOW_NS}`,
      ],
    },
  ];
  for (const { name, value, rows } of cases) {
    test(`reads ${name}`, () => assert.deepEqual(rowsOf(value), rows));
  }

  test("reads every spelling of an integer", () => {
    const spellings: [Raw | number, bigint][] = [
      [0, 0n],
      [127, 127n],
      [-1, -1n],
      [-32, -32n],
      [integer(0xcc, 255n), 255n],
      [integer(0xcd, 65_535n), 65_535n],
      [integer(0xce, 2n ** 32n - 1n), 2n ** 32n - 1n],
      [integer(0xcf, 2n ** 63n - 1n), 2n ** 63n - 1n],
      [integer(0xd0, -128n), -128n],
      [integer(0xd0, 127n), 127n],
      [integer(0xd1, -32_768n), -32_768n],
      [integer(0xd2, -(2n ** 31n)), -(2n ** 31n)],
      [integer(0xd3, -(2n ** 63n)), -(2n ** 63n)],
      [integer(0xd3, 5n), 5n],
    ];
    for (const [spelling, value] of spellings) {
      // Alone, where the general path reads it, and in front of padding, where the fast path may.
      assert.deepEqual(rowsOf(cpu({ a: [spelling] })), [`cpu a:integer=${value} @${NOW_NS}`]);
      assert.deepEqual(
        rowsOf(cpu({ a: [1, spelling, spelling], z: ["padding padding", null, null] }))[1],
        `cpu a:integer=${value} @${NOW_NS}`,
      );
    }
  });

  test("reads texts of every header length, alone and in long columns", () => {
    for (const length of [0, 1, 31, 32, 255, 256, 65_535, 65_536]) {
      const text = "x".repeat(length);
      assert.deepEqual(
        rowsOf(cpu({ a: [text, "y", text] })),
        [text, "y", text].map((value) => `cpu a:string=${value} @${NOW_NS}`),
      );
    }
  });
});

suite("decodeMessagePack: rows", () => {
  const cases: { name: string; value: Packable; rows: string[] }[] = [
    {
      name: "a row",
      value: row({ usage: 1.5, s: "x", b: true }, { h: "a", tags: map({ region: "eu" }) }),
      rows: [`cpu b:boolean=true host:tag=a region:tag=eu s:string=x usage:float=1.5 ${AT}`],
    },
    {
      name: "a compact row",
      value: map({ m: "cpu", t: 10n ** 18n, f: [1, null, "x"] }),
      rows: [`cpu field_0:integer=1 field_2:string=x ${AT}`],
    },
    {
      name: "integer measurement and host",
      value: map({ m: 7, h: 9, fields: map({ a: 1 }) }),
      rows: [`measurement_7 a:integer=1 host:tag=host_9 @${NOW_NS}`],
    },
    {
      name: "hosts by integer and the same by text",
      value: [
        row({ a: 1 }, { h: "host_1" }),
        row({ a: 1 }, { h: 1 }),
        row({ a: 1 }, { h: "host_1" }),
        row({ a: 1 }, { h: 1 }),
      ],
      rows: Array.from({ length: 4 }, () => `cpu a:integer=1 host:tag=host_1 ${AT}`),
    },
    {
      name: "no host and nil host, time, tag and field",
      value: map({
        m: "cpu",
        t: null,
        h: null,
        tags: map({ r: null }),
        fields: map({ a: null, b: 1 }),
      }),
      rows: [`cpu b:integer=1 @${NOW_NS}`],
    },
    {
      name: "empty tags",
      value: row({ a: 1 }, { tags: map({}) }),
      rows: [`cpu a:integer=1 ${AT}`],
    },
    {
      name: "a batch of rows and columns",
      value: map({
        batch: [
          row({ a: 1 }, { h: "x" }),
          cpu({ a: [2.5], host: ["y"] }, { tags: ["host"] }),
          row({ b: 1 }),
        ],
      }),
      rows: [
        `cpu a:float=1 host:tag=x ${AT}`,
        `cpu a:float=2.5 host:tag=y @${NOW_NS}`,
        `cpu b:integer=1 ${AT}`,
      ],
    },
    { name: "an empty array and an empty batch", value: [], rows: [] },
    {
      name: "keys in another order",
      value: map({ tags: map({ r: "e" }), fields: map({ a: 1 }), h: "x", t: 10n ** 18n, m: "cpu" }),
      rows: [`cpu a:integer=1 host:tag=x r:tag=e ${AT}`],
    },
    {
      name: "a field named like a key of the item",
      value: row({ m: 1, database: 2, measurement: 3, t: 4 }),
      rows: [`cpu database:integer=2 m:integer=1 measurement:integer=3 t:integer=4 ${AT}`],
    },
  ];
  for (const { name, value, rows } of cases) {
    test(`reads ${name}`, () => assert.deepEqual(rowsOf(value), rows));
  }
});

suite("decodeMessagePack: times", () => {
  const SECOND = 10n ** 9n;
  const cases: [name: string, value: Packable, ns: bigint][] = [
    ["seconds", 1_700_000_000, 1_700_000_000n * SECOND],
    ["zero", 0, 0n],
    ["the last second", 9_223_372_036, 9_223_372_036n * SECOND],
    ["negative seconds", -1, -SECOND],
    ["the first millisecond", 10_000_000_000, 10_000_000_000n * 1_000_000n],
    ["milliseconds", 1_700_000_000_123n, 1_700_000_000_123n * 1_000_000n],
    ["the first microsecond", 10_000_000_000_000n, 10_000_000_000_000n * 1_000n],
    ["negative milliseconds", -1_700_000_000_123n, -1_700_000_000_123n * 1_000_000n],
    ["microseconds", 1_700_000_000_123_456n, 1_700_000_000_123_456n * 1_000n],
    ["microseconds above 2^53", 9_100_000_000_000_001n, 9_100_000_000_000_001n * 1_000n],
    ["the first nanosecond", 10_000_000_000_000_000n, 10_000_000_000_000_000n],
    ["nanoseconds", 1_700_000_000_123_456_789n, 1_700_000_000_123_456_789n],
    ["negative nanoseconds", -1_700_000_000_123_456_789n, -1_700_000_000_123_456_789n],
    ["the largest time", 2n ** 63n - 1n, 2n ** 63n - 1n],
    ["the smallest time", -(2n ** 63n), -(2n ** 63n)],
    ["a float of milliseconds", float(1_700_000_000_123), 1_700_000_000_123n * 1_000_000n],
    ["a float of nanoseconds", float(1_700_000_000_123_456_768), 1_700_000_000_123_456_768n],
    ["timestamp 32", new Raw(0xd6, 0xff, 0x65, 0x53, 0xf1, 0x00), 1_700_000_000n * SECOND],
    [
      "timestamp 64",
      new Raw(0xd7, 0xff, ...integer(0xcf, (5n << 34n) | 1_700_000_000n).bytes.slice(1)),
      1_700_000_000n * SECOND + 5n,
    ],
    [
      "timestamp 96",
      new Raw(0xc7, 12, 0xff, 0, 0, 0, 7, ...integer(0xd3, -2n).bytes.slice(1)),
      -2n * SECOND + 7n,
    ],
  ];
  for (const [name, value, ns] of cases) {
    test(`reads ${name} in a row and in a column`, () => {
      assert.deepEqual(rowsOf(map({ m: "m", t: value, fields: map({ a: 1 }) })), [
        `m a:integer=1 @${ns}`,
      ]);
      assert.deepEqual(rowsOf(map({ m: "m", columns: map({ time: [value, value], a: [1, 2] }) })), [
        `m a:integer=1 @${ns}`,
        `m a:integer=2 @${ns}`,
      ]);
    });
  }

  test("takes the unit of a column from its first value", () => {
    assert.deepEqual(rowsOf(cpu({ time: [1_700_000_000_123n, 5, 7], a: [1, 2, 3] })), [
      `cpu a:integer=1 @1700000000123000000`,
      `cpu a:integer=2 @5000000`,
      `cpu a:integer=3 @7000000`,
    ]);
  });

  const bad: [name: string, value: Packable][] = [
    ["seconds past the range", 9_223_372_037],
    ["unsigned past the range", 2n ** 63n],
    ["a fraction", 1.5],
    ["a text", "now"],
    ["a boolean", true],
    ["a float past the range", float(1e19)],
    ["another extension", new Raw(0xd6, 0x01, 0, 0, 0, 0)],
    [
      "a timestamp with too many nanoseconds",
      new Raw(0xd7, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0),
    ],
    ["a long extension", new Raw(0xc7, 2, 0xff, 0, 0)],
    ["timestamp 96 past the range", new Raw(0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0)],
  ];
  for (const [name, value] of bad) {
    test(`refuses ${name}`, () => {
      assert.equal(errorOf(map({ m: "m", t: value, fields: map({ a: 1 }) })).details["path"], "t");
      const error = errorOf(map({ m: "m", columns: map({ time: [0, value], a: [1, 2] }) }));
      assert.equal(error.code, "SERVER_INVALID_MESSAGEPACK");
      assert.equal(error.details["path"], "columns.time[1]");
    });
  }

  test("refuses nil in a column of times", () => {
    assert.equal(errorOf(cpu({ time: [1, null], a: [1, 2] })).details["path"], "columns.time[1]");
  });
});

suite("decodeMessagePack: errors", () => {
  const INVALID = "SERVER_INVALID_MESSAGEPACK";
  const cases: { name: string; value: Packable; path: string; code?: string }[] = [
    { name: "a body that is no map or array", value: 5, path: "" },
    { name: "an item that is no map", value: [5], path: "[0]" },
    {
      name: "an item without a measurement",
      value: [row({ a: 1 }), map({ fields: map({ a: 1 }) })],
      path: "[1]",
    },
    { name: "an empty measurement", value: map({ m: "", fields: map({ a: 1 }) }), path: "m" },
    {
      name: "a measurement of another type",
      value: map({ m: 1.5, fields: map({ a: 1 }) }),
      path: "m",
    },
    { name: "an item without values", value: map({ m: "cpu" }), path: "" },
    {
      name: "an item with two kinds of values",
      value: map({ m: "cpu", fields: map({ a: 1 }), f: [1] }),
      path: "",
    },
    { name: "columns with a host", value: cpu({ a: [1] }, { h: "x" }), path: "" },
    { name: "an unknown key", value: row({ a: 1 }, { measurement: "x" }), path: "" },
    { name: "a key that is no text", value: { entries: [[1, 2]] }, path: "" },
    {
      name: "an item key twice",
      value: {
        entries: [
          ["m", "a"],
          ["m", "b"],
        ],
      },
      path: "",
    },
    { name: "a batch in a batch", value: map({ batch: [map({ batch: [] })] }), path: "batch[0]" },
    { name: "a batch with other keys", value: map({ batch: [], m: "x" }), path: "" },
    { name: "a batch that is no array", value: map({ batch: map({}) }), path: "" },
    { name: "empty fields", value: map({ batch: [row({})] }), path: "batch[0].fields" },
    { name: "empty compact fields", value: map({ m: "cpu", f: [] }), path: "f" },
    { name: "fields that are no map", value: map({ m: "cpu", fields: [1] }), path: "fields" },
    { name: "a column that is no array", value: cpu({ a: 1 }), path: "columns.a" },
    { name: "columns of different lengths", value: cpu({ a: [1, 2], b: [1] }), path: "columns.b" },
    { name: "nothing but time", value: cpu({ time: [1] }), path: "columns" },
    { name: "no columns", value: cpu({}), path: "columns" },
    {
      name: "a column twice",
      value: map({
        m: "cpu",
        columns: {
          entries: [
            ["a", [1]],
            ["a", [2]],
          ],
        },
      }),
      path: "columns.a",
    },
    {
      name: "the time twice",
      value: map({
        m: "cpu",
        columns: {
          entries: [
            ["time", [1]],
            ["time", [2]],
          ],
        },
      }),
      path: "columns.time",
    },
    {
      name: "a field twice",
      value: map({
        m: "cpu",
        fields: {
          entries: [
            ["a", 1],
            ["a", 2],
          ],
        },
      }),
      path: "fields.a",
    },
    {
      name: "a field that is a tag",
      value: row({ a: 1 }, { tags: map({ a: "x" }) }),
      path: "fields.a",
    },
    {
      name: "a tag named host beside h",
      value: row({ a: 1 }, { h: "x", tags: map({ host: "y" }) }),
      path: "tags.host",
    },
    { name: "a field named time", value: row({ time: 1 }), path: "fields.time" },
    {
      name: "a tag named time",
      value: row({ a: 1 }, { tags: map({ time: "x" }) }),
      path: "tags.time",
    },
    { name: "an empty key", value: row({ "": 1 }), path: "fields" },
    {
      name: "a tag that is no text",
      value: row({ a: 1 }, { tags: map({ b: 1 }) }),
      path: "tags.b",
    },
    {
      name: "a tag column that is no text",
      value: cpu({ b: ["x", 1] }, { tags: ["b"] }),
      path: "columns.b[1]",
    },
    { name: "a tag name without a column", value: cpu({ a: [1] }, { tags: ["b"] }), path: "tags" },
    { name: "a tag name twice", value: cpu({ a: ["x"] }, { tags: ["a", "a"] }), path: "tags[1]" },
    { name: "a nested value", value: row({ a: [1] }), path: "fields.a" },
    { name: "binary data", value: row({ a: new Raw(0xc4, 1, 0) }), path: "fields" },
    { name: "an extension", value: row({ a: new Raw(0xd4, 5, 0) }), path: "fields.a" },
    { name: "the unused byte", value: cpu({ a: [new Raw(0xc1)] }), path: "columns" },
    { name: "NaN", value: row({ a: Number.NaN }), path: "fields.a" },
    {
      name: "an infinity in a column",
      value: cpu({ a: [0.5, float(Infinity), 1.5] }),
      path: "columns.a[1]",
    },
    {
      name: "an inexact integer before a float",
      value: cpu({ a: [2n ** 53n + 1n, 0.5] }),
      path: "columns.a[1]",
    },
    {
      name: "an inexact integer after a float",
      value: cpu({ a: [0.5, -(2n ** 53n) - 1n] }),
      path: "columns.a[1]",
    },
    {
      name: "negative integers before huge ones",
      value: cpu({ a: [-1, 2n ** 63n] }),
      path: "columns.a[1]",
    },
    {
      name: "negative integers after huge ones",
      value: cpu({ a: [2n ** 63n, -1] }),
      path: "columns.a[1]",
    },
    {
      name: "a text where a number was",
      value: cpu({ a: [1, "x"] }),
      path: "columns.a[1]",
      code: "SERVER_TYPE_CONFLICT",
    },
    {
      name: "a boolean where a number was",
      value: [row({ a: 1.5 }), row({ a: true })],
      path: "[1].fields.a",
      code: "SERVER_TYPE_CONFLICT",
    },
    {
      name: "a number where a boolean was",
      value: cpu({ a: [true, 1] }),
      path: "columns.a[1]",
      code: "SERVER_TYPE_CONFLICT",
    },
    {
      name: "a field where a tag was",
      value: [row({ a: 1 }, { h: "x" }), row({ host: "x" })],
      path: "[1].fields.host",
    },
    {
      name: "a tag where a field was",
      value: [row({ host: "x" }), row({ a: 1 }, { h: "x" })],
      path: "[1].h",
    },
    { name: "invalid UTF-8 in a value", value: row({ a: new Raw(0xa1, 0xff) }), path: "fields.a" },
    {
      name: "invalid UTF-8 in a key",
      value: map({ m: "cpu", fields: { entries: [[new Raw(0xa1, 0xff), 1]] } }),
      path: String.raw`fields.\xff`,
    },
    {
      name: "invalid UTF-8 in a measurement",
      value: map({ m: new Raw(0xa1, 0xff), f: [1] }),
      path: "m",
    },
  ];
  for (const { name, value, path, code = INVALID } of cases) {
    test(`refuses ${name}`, () => {
      const error = errorOf(value);
      assert.deepEqual([error.code, error.details["path"]], [code, path], error.message);
    });
  }

  test("refuses bytes after the value, and an empty body", () => {
    const body = pack(row({ a: 1 }));
    assert.equal(errorOfBytes(Uint8Array.of(...body, 0xc0)).details["offsetBytes"], body.length);
    assert.equal(errorOfBytes(new Uint8Array(0)).code, INVALID);
  });

  test("refuses a body cut at any byte", () => {
    const body = pack(
      map({
        batch: [
          row({ a: 1.5, b: "x", c: 70_000 }, { h: "x", tags: map({ r: "e" }) }),
          cpu({ time: [1, 2], a: [null, 2.5], d: [true, false] }),
        ],
      }),
    );
    rowsOfBytes(body);
    for (let length = 0; length < body.length; length++)
      assert.equal(errorOfBytes(body.subarray(0, length)).code, INVALID);
  });

  const forged: { name: string; bytes: number[] }[] = [
    { name: "array32", bytes: [0xdd, 0xff, 0xff, 0xff, 0xff] },
    { name: "map32", bytes: [0xdf, 0xff, 0xff, 0xff, 0xff] },
    { name: "array16", bytes: [0xdc, 0xff, 0xff] },
    {
      name: "a column",
      bytes: [
        0x82,
        0xa1,
        0x6d,
        0xa1,
        0x6d,
        0xa7,
        ...Buffer.from("columns"),
        0x81,
        0xa1,
        0x61,
        0xdd,
        0x10,
        0,
        0,
        0,
        0xc0,
      ],
    },
    { name: "str32", bytes: [0x81, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x61] },
    { name: "ext8", bytes: [0x81, 0xa1, 0x74, 0xc7, 0xff, 0xff] },
  ];
  for (const { name, bytes } of forged) {
    test(`refuses the forged length of ${name} at once`, () => {
      const before = process.memoryUsage().arrayBuffers;
      assert.equal(errorOfBytes(Uint8Array.from(bytes)).code, INVALID);
      assert.ok(process.memoryUsage().arrayBuffers - before < 1024 * 1024);
    });
  }

  test("refuses deep nesting without deep recursion", () => {
    const nested = new Uint8Array(1_000_000).fill(0x91);
    assert.equal(
      errorOfBytes(Uint8Array.of(0x81, 0xa1, 0x66, ...nested.subarray(0, 100_000))).code,
      INVALID,
    );
    assert.equal(errorOfBytes(nested).code, INVALID);
  });
});

suite("decodeMessagePack: limits", () => {
  const texts = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => `k${index}`);
  const cases: {
    limit: keyof IngestLimits;
    value: number;
    body: (count: number) => Packable;
    code?: string;
  }[] = [
    {
      limit: "maxRows",
      value: 3,
      body: (count) => Array.from({ length: count }, () => row({ a: 1 })),
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxRows",
      value: 3,
      body: (count) => cpu({ a: Array.from({ length: count }, () => 1) }),
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxRows",
      value: 3,
      body: (count) => [row({ a: 1 }), cpu({ a: Array.from({ length: count - 1 }, () => 1) })],
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxTables",
      value: 3,
      body: (count) => texts(count).map((m) => map({ m, f: [1] })),
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxColumnsPerTable",
      value: 3,
      body: (count) => texts(count).map((key) => row({ [key]: 1 })),
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxColumnsPerTable",
      value: 3,
      body: (count) => texts(count).map((key) => row({ [key]: null })),
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxFieldsPerRow",
      value: 3,
      body: (count) => row(Object.fromEntries(texts(count).map((key) => [key, 1]))),
    },
    {
      limit: "maxFieldsPerRow",
      value: 3,
      body: (count) => map({ m: "cpu", f: texts(count).map(() => 1) }),
    },
    {
      limit: "maxTagsPerRow",
      value: 3,
      body: (count) =>
        row({ a: 1 }, { tags: map(Object.fromEntries(texts(count).map((key) => [key, "x"]))) }),
    },
    { limit: "maxNameBytes", value: 8, body: (count) => row({ ["k".repeat(count)]: 1 }) },
    { limit: "maxNameBytes", value: 8, body: (count) => map({ m: "m".repeat(count), f: [1] }) },
    { limit: "maxStringBytes", value: 8, body: (count) => row({ a: "s".repeat(count) }) },
    {
      limit: "maxStringBytes",
      value: 8,
      body: (count) => row({ a: 1 }, { tags: map({ t: "s".repeat(count) }) }),
    },
  ];
  cases.forEach(({ limit, value, body, code = "SERVER_INVALID_MESSAGEPACK" }, index) => {
    test(`accepts exactly ${limit} and refuses one more (${index})`, () => {
      const limits = { [limit]: value };
      rowsOf(body(value - 1), limits);
      rowsOf(body(value), limits);
      const error = errorOf(body(value + 1), limits);
      assert.equal(error.code, code);
      assert.equal(error.details["limit"], limit);
    });
  });

  test("refuses a sparse table before it takes memory", () => {
    const rows = Array.from({ length: 10_000 }, (_, index) => row({ [`f${index % 2_000}`]: 1 }));
    const before = process.memoryUsage().arrayBuffers;
    assert.equal(errorOf(rows).code, "SERVER_TOO_LARGE");
    assert.ok(process.memoryUsage().arrayBuffers - before < 512 * 1024 * 1024);
  });
});

suite("decodeMessagePack: against a model", () => {
  test("reads what was written, whatever the shape and the spelling", () => {
    fc.assert(
      fc.property(itemsArbitrary(), ({ body, items }) => {
        assert.deepEqual(rowsOfBytes(body), modelRows(items, NOW_NS));
      }),
      { numRuns: 600, seed: Number(process.env["SEED"] ?? 20_261_120) },
    );
  });
});
