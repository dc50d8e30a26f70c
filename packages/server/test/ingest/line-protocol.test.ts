import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { ServerError } from "../../src/errors.ts";
import { encodeIngestBatch } from "../../src/ingest/batch-codec.ts";
import { DEFAULT_INGEST_LIMITS, type IngestLimits } from "../../src/ingest/ingest-limits.ts";
import { decodeLineProtocol } from "../../src/ingest/line-protocol.ts";
import type { Precision } from "../../src/ingest/precision.ts";
import type { IngestBatch } from "../../src/ingest/table-batch.ts";
import { assertTidy, describeTables, plainTables } from "./batch-rows.ts";
import { lineBody, mutatedBody } from "./line-body-arbitrary.ts";
import { referenceDecode } from "./reference-line-protocol.ts";

const SEED = Number(process.env["SEED"] ?? 20_261_120);
const NOW_NS = 1_700_000_000_123_456_789n;

interface DecodeOptions {
  readonly precision?: Precision;
  readonly limits?: Partial<IngestLimits>;
}

function decode(body: string | Uint8Array, options: DecodeOptions = {}): IngestBatch {
  const batch = decodeLineProtocol(typeof body === "string" ? Buffer.from(body) : body, {
    database: "db",
    precision: options.precision ?? "ns",
    nowNs: NOW_NS,
    limits: { ...DEFAULT_INGEST_LIMITS, ...options.limits },
  });
  assertTidy(batch);
  return batch;
}

function rowsOf(body: string | Uint8Array, options: DecodeOptions = {}): string[] {
  return describeTables(plainTables(decode(body, options)));
}

function errorOf(body: string | Uint8Array, options: DecodeOptions = {}): ServerError {
  try {
    decode(body, options);
  } catch (error) {
    assert.ok(error instanceof ServerError, String(error));
    return error;
  }
  return assert.fail("the body was accepted");
}

suite("decodeLineProtocol: rows", () => {
  const cases: { name: string; body: string; rows: string[] }[] = [
    {
      name: "tags, fields of every type and a timestamp",
      body: 'cpu,host=a,region=eu f=1.5,i=-3i,u=7u,t=true,n=F,s="x y" 42',
      rows: [
        "cpu f:float=1.5 host:tag=a i:integer=-3 n:boolean=false region:tag=eu s:string=x y t:boolean=true u:unsigned=7 @42",
      ],
    },
    { name: "no tags, no timestamp", body: "m a=1", rows: [`m a:float=1 @${NOW_NS}`] },
    {
      name: "spaces before the timestamp and at the end",
      body: "m  a=1   5  ",
      rows: ["m a:float=1 @5"],
    },
    { name: "a negative timestamp", body: "m a=1 -5", rows: ["m a:float=1 @-5"] },
    {
      name: "the smallest timestamp",
      body: "m a=1 -9223372036854775808",
      rows: ["m a:float=1 @-9223372036854775808"],
    },
    {
      name: "the largest timestamp",
      body: "m a=1 9223372036854775807",
      rows: ["m a:float=1 @9223372036854775807"],
    },
    {
      name: "leading zeros",
      body: "m a=007i,b=0001.50 000000000000000000000042",
      rows: ["m a:integer=7 b:float=1.5 @42"],
    },
    {
      name: "comments, blank lines, indentation",
      body: "# c\n\n  \t m a=1 1\n#m a=2 2\n   # x\nm a=3 3\n",
      rows: ["m a:float=1 @1", "m a:float=3 @3"],
    },
    {
      name: "CRLF everywhere",
      body: 'm a=1 1\r\n\r\nm a=2\r\nm,t=v s="x"\r\nm a=4 4\r',
      rows: [
        "m a:float=1 @1",
        `m a:float=2 @${NOW_NS}`,
        `m s:string=x t:tag=v @${NOW_NS}`,
        "m a:float=4 @4",
      ],
    },
    { name: "an empty body", body: "", rows: [] },
    { name: "a body of comments", body: "# only\n#\n", rows: [] },
    {
      name: "escapes in measurement, keys and tag values",
      body: String.raw`my\ m\,x\=y\z,t\ a\,g\=k=v\ a\,l\=u\e f\ k\,e\=y=1 1`,
      rows: [String.raw`my m,x\=y\z f k,e=y:float=1 t a,g=k:tag=v a,l=u\e @1`],
    },
    {
      name: "a backslash before a backslash is data",
      body: String.raw`m,t=a\\b,u=c\\\,d f=1 1`,
      rows: [String.raw`m f:float=1 t:tag=a\\b u:tag=c\\,d @1`],
    },
    { name: "a measurement with an equals sign", body: "a=b c=1 1", rows: ["a=b c:float=1 @1"] },
    {
      name: "quotes in names and tag values",
      body: 'm",t"=v" f"=1 1',
      rows: ['m" f":float=1 t":tag=v" @1'],
    },
    {
      name: "escapes in strings",
      body: String.raw`m s="a\"b\\c\d\,e\ f" 1`,
      rows: [String.raw`m s:string=a"b\c\d\,e\ f @1`],
    },
    {
      name: "newlines, commas and equals signs in strings",
      body: 'm s="a\nb,c=d e",f=1 1\nm s="\r\n" 2',
      rows: ["m f:float=1 s:string=a\nb,c=d e @1", "m s:string=\r\n @2"],
    },
    { name: "an empty string", body: 'm s="" 1', rows: ["m s:string= @1"] },
    {
      name: "non-ASCII text",
      body: 'méß,タグ=値 ключ="\u{1f600}\u{feff}" 1',
      rows: ["méß ключ:string=\u{1f600}\u{feff} タグ:tag=値 @1"],
    },
    {
      name: "a byte order mark as part of a name",
      body: "\u{feff}m a=1 1",
      rows: ["\u{feff}m a:float=1 @1"],
    },
    {
      name: "tags in another order are the same columns",
      body: "m,a=1,b=2 f=1 1\nm,b=3,a=4 f=2 2",
      rows: ["m a:tag=1 b:tag=2 f:float=1 @1", "m a:tag=4 b:tag=3 f:float=2 @2"],
    },
    {
      name: "keys that objects inherit",
      body: "m,__proto__=a constructor=1,toString=2 1",
      rows: ["m __proto__:tag=a constructor:float=1 toString:float=2 @1"],
    },
    {
      name: "the same string by two spellings",
      body:
        String.raw`m s="a\b" 1` + "\n" + String.raw`m s="a\\b" 2` + "\n" + String.raw`m s="a\b" 3`,
      rows: [
        String.raw`m s:string=a\b @1`,
        String.raw`m s:string=a\b @2`,
        String.raw`m s:string=a\b @3`,
      ],
    },
    {
      name: "rows with different fields",
      body: "m a=1 1\nm b=2 2\nm a=3,b=4 3\nm c=t 4",
      rows: ["m a:float=1 @1", "m b:float=2 @2", "m a:float=3 b:float=4 @3", "m c:boolean=true @4"],
    },
    {
      name: "alternating tables",
      body: "a x=1 1\nb x=1i 2\na x=2 3\nb x=2i 4",
      rows: ["a x:float=1 @1", "a x:float=2 @3", "b x:integer=1 @2", "b x:integer=2 @4"],
    },
  ];
  for (const { name, body, rows } of cases) {
    test(`reads ${name}`, () => assert.deepEqual(rowsOf(body), rows));
  }

  test("reads a body that is a view into other memory", () => {
    const memory = Buffer.from("xxxxxm a=1 1\nyyyy");
    assert.deepEqual(rowsOf(new Uint8Array(memory.buffer, memory.byteOffset + 5, 7)), [
      "m a:float=1 @1",
    ]);
  });

  test("leaves the body as it was, and keeps no reference to it", () => {
    const body = Buffer.from('m,t=v s="str" 1\n');
    const copy = Buffer.from(body);
    const batch = decode(body);
    assert.deepEqual(body, copy);
    body.fill(0);
    assert.deepEqual(describeTables(plainTables(batch)), ["m s:string=str t:tag=v @1"]);
  });
});

suite("decodeLineProtocol: numbers", () => {
  const floats = [
    ["0", 0],
    ["-0", -0],
    ["-0.0", -0],
    ["1.", 1],
    [".5", 0.5],
    ["-.5", -0.5],
    ["1e3", 1000],
    ["1E+3", 1000],
    ["1.e2", 100],
    ["12345678.9", 12345678.9],
    ["123456789", 123456789],
    ["1234567890", 1234567890],
    ["2147483648", 2147483648],
    ["4294967296.5", 4294967296.5],
    ["0.1", 0.1],
    ["0.30000000000000004", 0.30000000000000004],
    ["9007199254740991", 9007199254740991],
    ["9007199254740992", 9007199254740992],
    ["9007199254740993", 9007199254740992],
    ["1e22", 1e22],
    ["1e23", 1e23],
    ["123e-22", 123e-22],
    ["1.7976931348623157e308", Number.MAX_VALUE],
    ["5e-324", 5e-324],
    ["1e-400", 0],
    ["0.000000000000000000000000000001", 1e-30],
    ["00000000000000000000000001.5", 1.5],
  ] as const;
  for (const [text, value] of floats) {
    test(`reads the float ${text}`, () => {
      const column = decode(`m a=${text} 1`).tables[0]?.columns[0];
      assert.ok(column?.type === "float" && Object.is(column.values[0], value));
    });
  }

  const integers = [
    "0i",
    "-0i",
    "999999999i",
    "1000000000i",
    "-1000000000i",
    "4294967295i",
    "4294967296i",
    "-4294967296i",
    "9007199254740993i",
    "9223372036854775807i",
    "-9223372036854775808i",
    "-9223372036854775807i",
    "-2147483648i",
    "-2147483649i",
    "00000000000000000000000000005i",
  ];
  for (const text of integers) {
    test(`reads the integer ${text}`, () => {
      const column = decode(`m a=${text} 1`).tables[0]?.columns[0];
      assert.ok(column?.type === "integer");
      assert.equal(column.values[0], BigInt(text.replace("i", "").replace(/^(-?)0+(?=\d)/, "$1")));
    });
  }

  for (const text of ["0u", "4294967296u", "9223372036854775808u", "18446744073709551615u"]) {
    test(`reads the unsigned ${text}`, () => {
      const column = decode(`m a=${text} 1`).tables[0]?.columns[0];
      assert.ok(column?.type === "unsigned");
      assert.equal(column.values[0], BigInt(text.slice(0, -1)));
    });
  }

  const bad = [
    "",
    "+1",
    "-",
    ".",
    "-.",
    "1e",
    "1e+",
    "1.2.3",
    "0x10",
    "1_0",
    "nan",
    "NaN",
    "inf",
    "-Inf",
    "Infinity",
    "1e999",
    "-1e999",
    "i",
    "-i",
    "1.5i",
    "9223372036854775808i",
    "-9223372036854775809i",
    "99999999999999999999999i",
    "u",
    "-1u",
    "-0u",
    "18446744073709551616u",
    "99999999999u9u",
    "tRUE",
    "tr",
    "yes",
    "'a'",
    "1i2",
    "1ii",
    "--1",
    "1-",
    "\\",
    "1\\ 2",
  ];
  for (const text of bad) {
    test(`refuses the value ${JSON.stringify(text)}`, () => {
      const error = errorOf(`m b=1,a=${text} 1`);
      assert.equal(error.code, "SERVER_INVALID_LINE");
      assert.equal(error.details["line"], 1);
      assert.equal(error.details["offsetBytes"], 8);
      // The same value in a column that has its type already, read by the fast path.
      const type = text.endsWith("i") ? "1i" : text.endsWith("u") ? "1u" : "1.5";
      const second = errorOf(`m b=1,a=${type} 1\nm b=1,a=${text} 1`);
      assert.equal(second.details["line"], 2);
      assert.equal(second.details["offsetBytes"], Buffer.byteLength(`m b=1,a=${type} 1\n`) + 8);
    });
  }

  for (const text of ["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"]) {
    test(`reads the boolean ${text}`, () => {
      assert.deepEqual(rowsOf(`m a=${text} 1`), [
        `m a:boolean=${text.toLowerCase().startsWith("t")} @1`,
      ]);
    });
  }
});

suite("decodeLineProtocol: timestamps", () => {
  const units: { precision: Precision; unitNs: bigint }[] = [
    { precision: "n", unitNs: 1n },
    { precision: "ns", unitNs: 1n },
    { precision: "u", unitNs: 1_000n },
    { precision: "us", unitNs: 1_000n },
    { precision: "ms", unitNs: 1_000_000n },
    { precision: "s", unitNs: 1_000_000_000n },
    { precision: "m", unitNs: 60_000_000_000n },
    { precision: "h", unitNs: 3_600_000_000_000n },
  ];
  for (const { precision, unitNs } of units) {
    test(`scales ${precision} exactly, up to the limits and not beyond`, () => {
      const max = (2n ** 63n - 1n) / unitNs;
      const min = -(2n ** 63n) / unitNs;
      for (const value of [
        0n,
        1n,
        -1n,
        123n,
        -123n,
        999_999_999n,
        1_700_000_000n,
        max,
        max - 1n,
        min,
        min + 1n,
      ]) {
        if (value > max) continue;
        assert.deepEqual(rowsOf(`m a=1 ${value}`, { precision }), [
          `m a:float=1 @${value * unitNs}`,
        ]);
      }
      for (const value of [max + 1n, min - 1n, max * 10n, 10n ** 30n]) {
        const error = errorOf(`m a=1 ${value}`, { precision });
        assert.equal(error.code, "SERVER_INVALID_LINE");
        assert.equal(error.details["offsetBytes"], 6);
      }
    });
  }

  for (const text of ["1.5", "1e3", "12i", "x", "-", "+1", "1 2", "1,a=2", '"1"']) {
    test(`refuses the timestamp ${text}`, () => {
      assert.equal(errorOf(`m a=1 1\nm a=1 ${text}`).details["line"], 2);
    });
  }
});

suite("decodeLineProtocol: errors", () => {
  const cases: {
    name: string;
    body: string | Uint8Array;
    line?: number;
    offsetBytes: number;
    code?: string;
  }[] = [
    { name: "an empty measurement", body: ",t=v a=1", offsetBytes: 0 },
    { name: "a measurement alone", body: "cpu", offsetBytes: 0 },
    { name: "a measurement and a space", body: "cpu ", offsetBytes: 4 },
    { name: "tags without fields", body: "cpu,host=a", offsetBytes: 9 },
    { name: "a tag without a value", body: "cpu,host a=1", offsetBytes: 4 },
    { name: "an empty tag key", body: "cpu,=a a=1", offsetBytes: 4 },
    { name: "an empty tag value", body: "cpu,host= a=1", offsetBytes: 9 },
    { name: "an empty tag value before a tag", body: "cpu,host=,b=1 a=1", offsetBytes: 9 },
    { name: "an equals sign in a tag value", body: "cpu,host=a=b a=1", offsetBytes: 10 },
    { name: "a trailing comma after the tags", body: "cpu,host=a, a=1", offsetBytes: 11 },
    { name: "an empty field key", body: "cpu =1", offsetBytes: 4 },
    { name: "a field without a value", body: "cpu a", offsetBytes: 4 },
    { name: "a trailing comma after the fields", body: "cpu a=1, 5", offsetBytes: 8 },
    { name: "a space inside the fields", body: "cpu a=1, b=2 5", offsetBytes: 8 },
    { name: "a timestamp without fields", body: "cpu 5", offsetBytes: 4 },
    { name: "a string without an end", body: 'cpu a="abc\ncpu a=1', offsetBytes: 6 },
    {
      name: "a string that ends in an escaped quote",
      body: String.raw`cpu a="abc\"`,
      offsetBytes: 6,
    },
    { name: "bytes after a string", body: 'cpu a="abc"d 1', offsetBytes: 11 },
    { name: "bytes after the timestamp", body: "cpu a=1 1 x", offsetBytes: 10 },
    { name: "a carriage return inside a line", body: "cpu a=1\r 1", offsetBytes: 6 },
    { name: "a tag key twice", body: "cpu,a=1,a=2 b=1", offsetBytes: 8 },
    { name: "a field key twice", body: "cpu a=1,b=2,a=3", offsetBytes: 12 },
    {
      name: "a field key twice by two spellings",
      body: String.raw`cpu a=1,a\,b=1,a\,b=2`,
      offsetBytes: 15,
    },
    { name: "a key that is tag and field in one line", body: "cpu,a=1 a=1", offsetBytes: 8 },
    {
      name: "a key that is a tag first and a field later",
      body: "cpu,a=1 b=1\ncpu a=1",
      line: 2,
      offsetBytes: 16,
    },
    {
      name: "a key that is a field first and a tag later",
      body: "cpu a=1\ncpu,a=1 b=1",
      line: 2,
      offsetBytes: 12,
    },
    { name: "a field named time", body: "cpu time=1", offsetBytes: 4 },
    { name: "a tag named time", body: "cpu,time=1 a=1", offsetBytes: 4 },
    {
      name: "a type that changes",
      body: "cpu a=1\ncpu a=1i",
      line: 2,
      offsetBytes: 14,
      code: "SERVER_TYPE_CONFLICT",
    },
    {
      name: "a string where a float was",
      body: 'cpu a=1\ncpu a="x"',
      line: 2,
      offsetBytes: 14,
      code: "SERVER_TYPE_CONFLICT",
    },
    {
      name: "a boolean where a string was",
      body: 'cpu b=1,a="x"\ncpu b=2,a=t',
      line: 2,
      offsetBytes: 24,
      code: "SERVER_TYPE_CONFLICT",
    },
    {
      name: "a type that changes in another shape",
      body: "cpu a=1i\ncpu b=2,a=1.5",
      line: 2,
      offsetBytes: 19,
      code: "SERVER_TYPE_CONFLICT",
    },
    {
      name: "lines counted with comments and blank lines",
      body: "# x\n\ncpu a=1\n  cpu a",
      line: 4,
      offsetBytes: 19,
    },
    {
      name: "lines counted inside strings",
      body: 'cpu a="1\n2\n3"\ncpu a',
      line: 4,
      offsetBytes: 18,
    },
    {
      name: "invalid UTF-8 in a measurement",
      body: Buffer.from("c\xffpu a=1", "latin1"),
      offsetBytes: 0,
    },
    {
      name: "invalid UTF-8 in a tag key",
      body: Buffer.from("cpu,\xc3=b a=1", "latin1"),
      offsetBytes: 4,
    },
    {
      name: "invalid UTF-8 in a tag value",
      body: Buffer.from("cpu,a=\xed\xa0\x80 b=1", "latin1"),
      offsetBytes: 6,
    },
    {
      name: "invalid UTF-8 in an escaped tag value",
      body: Buffer.from("cpu,a=\\ \xff b=1", "latin1"),
      offsetBytes: 6,
    },
    {
      name: "invalid UTF-8 in a field key",
      body: Buffer.from("cpu a\xc0\xaf=1", "latin1"),
      offsetBytes: 4,
    },
    {
      name: "invalid UTF-8 in a string",
      body: Buffer.from('cpu a="\x80"', "latin1"),
      offsetBytes: 6,
    },
  ];
  for (const { name, body, line = 1, offsetBytes, code = "SERVER_INVALID_LINE" } of cases) {
    test(`refuses ${name}`, () => {
      const error = errorOf(body);
      assert.deepEqual(
        [error.code, error.details["line"], error.details["offsetBytes"]],
        [code, line, offsetBytes],
      );
      assert.equal(typeof error.details["reason"], "string");
      assert.match(String(error.details["text"]), /^[\x20-\x7e]{0,80}$/);
    });
  }

  test("shows the offending text, printable and short", () => {
    assert.equal(errorOf("cpu a=12x 5").details["text"], "12x");
    assert.equal(errorOf(`cpu a=${"9x".repeat(100)}`).details["text"], `${"9x".repeat(38)}9...`);
    assert.equal(
      errorOf(Buffer.from('cpu a="\x00\x80\x1b[31m"', "latin1")).details["text"],
      String.raw`"\x00\x80\x1b[31m"`,
    );
  });

  test("names measurement, column and both types of a conflict", () => {
    const { details } = errorOf("cpu,h=a usage=1\ncpu,h=a usage=2i");
    assert.deepEqual(
      [details["measurement"], details["column"], details["expected"], details["found"]],
      ["cpu", "usage", "float", "integer"],
    );
  });

  test("refuses a body cut at any byte, or reads exactly the complete lines", () => {
    const body = Buffer.from('cpu,host=a\\ b f=1.5,s="x\\"y" 10\nmem used=5i\n');
    for (let length = 0; length <= body.length; length++) {
      const expected = referenceDecode(body.subarray(0, length), { unitNs: 1n, nowNs: NOW_NS });
      if (expected.kind === "error")
        assert.equal(errorOf(body.subarray(0, length)).details["line"], expected.line);
      else assert.deepEqual(plainTables(decode(body.subarray(0, length))), expected.tables);
    }
  });
});

suite("decodeLineProtocol: limits", () => {
  const cases: {
    limit: keyof IngestLimits;
    value: number;
    body: (count: number) => string;
    code: string;
  }[] = [
    {
      limit: "maxRows",
      value: 3,
      body: (count) => "m a=1 1\n".repeat(count),
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxTables",
      value: 3,
      body: (count) => Array.from({ length: count }, (_, index) => `m${index} a=1`).join("\n"),
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxColumnsPerTable",
      value: 4,
      body: (count) => Array.from({ length: count }, (_, index) => `m a${index}=1`).join("\n"),
      code: "SERVER_TOO_LARGE",
    },
    {
      limit: "maxLineBytes",
      value: 20,
      body: (count) => `m a=1${" ".repeat(count - 5)}`,
      code: "SERVER_INVALID_LINE",
    },
    {
      limit: "maxTagsPerRow",
      value: 3,
      body: (count) =>
        `m${Array.from({ length: count }, (_, index) => `,t${index}=1`).join("")} a=1`,
      code: "SERVER_INVALID_LINE",
    },
    {
      limit: "maxFieldsPerRow",
      value: 3,
      body: (count) => `m ${Array.from({ length: count }, (_, index) => `f${index}=1`).join(",")}`,
      code: "SERVER_INVALID_LINE",
    },
    {
      limit: "maxNameBytes",
      value: 8,
      body: (count) => `${"é".repeat(count >> 1)}${"m".repeat(count & 1)} a=1`,
      code: "SERVER_INVALID_LINE",
    },
    {
      limit: "maxNameBytes",
      value: 8,
      body: (count) => `m ${"k".repeat(count)}=1`,
      code: "SERVER_INVALID_LINE",
    },
    {
      limit: "maxNameBytes",
      value: 8,
      body: (count) => `m,${"k".repeat(count)}=1 a=1`,
      code: "SERVER_INVALID_LINE",
    },
    {
      limit: "maxStringBytes",
      value: 8,
      body: (count) => `m a="${"s".repeat(count)}"`,
      code: "SERVER_INVALID_LINE",
    },
    {
      limit: "maxStringBytes",
      value: 8,
      body: (count) => `m a="${'\\"'.repeat(count)}"`,
      code: "SERVER_INVALID_LINE",
    },
    {
      limit: "maxStringBytes",
      value: 8,
      body: (count) => `m,t=${"v".repeat(count)} a=1`,
      code: "SERVER_INVALID_LINE",
    },
  ];
  for (const { limit, value, body, code } of cases) {
    test(`accepts exactly ${limit} and refuses one more: ${body(value).slice(0, 12)}`, () => {
      const limits = { [limit]: value };
      decode(body(value - 1), { limits });
      decode(body(value), { limits });
      const error = errorOf(body(value + 1), { limits });
      assert.equal(error.code, code);
      assert.equal(error.details["limit"], limit);
      assert.ok(Number(error.details["line"]) >= 1);
    });
  }

  test("refuses a sparse table before it takes memory", () => {
    const lines = Array.from({ length: 100_000 }, (_, index) => `m f${index % 2_000}=1`).join("\n");
    const before = process.memoryUsage().arrayBuffers;
    assert.equal(errorOf(lines).code, "SERVER_TOO_LARGE");
    assert.ok(process.memoryUsage().arrayBuffers - before < 512 * 1024 * 1024);
  });

  test("stays linear when every string is different", () => {
    const lines = Array.from({ length: 100_000 }, (_, index) => `m s="value ${index}"`).join("\n");
    const startedMs = performance.now();
    assert.equal(decode(lines).rowCount, 100_000);
    assert.ok(performance.now() - startedMs < 2_000);
  });

  const slow: { name: string; body: string }[] = [
    { name: "a number of a million digits", body: `m a=${"1".repeat(1_000_000)}` },
    {
      name: "a million digits and an exponent without digits",
      body: `m a=${"1".repeat(1_000_000)}e`,
    },
    { name: "a fraction of a million digits and junk", body: `m a=1.${"1".repeat(1_000_000)}.` },
    { name: "an integer of a million digits", body: `m a=${"1".repeat(1_000_000)}i` },
    { name: "a string of backslashes without an end", body: `m a="${"\\".repeat(1_000_000)}` },
    { name: "a tag of backslashes", body: `m,t=${"\\".repeat(1_000_000)} a` },
    {
      name: "many new names before a long rest",
      body: `${Array.from({ length: 1_500 }, (_, index) => `m a${index}=1,b${index % 300}=2`).join("\n")}\n${"# padding\n".repeat(400_000)}m`,
    },
  ];
  for (const { name, body } of slow) {
    test(`refuses ${name} in linear time`, () => {
      const startedMs = performance.now();
      assert.equal(errorOf(body).code, "SERVER_INVALID_LINE");
      assert.ok(performance.now() - startedMs < 1_000);
    });
  }

  test("counts at least the bytes of the record, so that an accepted batch fits the log", () => {
    fc.assert(
      fc.property(lineBody(), (body) => {
        const expected = referenceDecode(body, { unitNs: 1n, nowNs: NOW_NS });
        if (expected.kind === "error" || expected.tables.size === 0) return;
        const recordBytes = encodeIngestBatch(decode(body)).length;
        const error = errorOf(body, { limits: { maxBatchBytes: recordBytes - 1 } });
        assert.equal(error.details["limit"], "maxBatchBytes");
      }),
      { numRuns: 200, seed: SEED },
    );
  });

  test("refuses very many columns before they take memory", () => {
    const lines = Array.from(
      { length: 200 },
      (_, table) =>
        `m${table} ${Array.from({ length: 1_000 }, (__, index) => `f${index}=1`).join(",")}`,
    );
    assert.equal(errorOf(lines.join("\n")).details["limit"], "maxBatchBytes");
  });

  test("stays fast when every line has another shape", () => {
    const keys = Array.from({ length: 9 }, (_, index) => `k${index}=1`);
    const lines = Array.from({ length: 20_000 }, (_, index) => {
      const rotated = [...keys.slice(index % 9), ...keys.slice(0, index % 9)];
      rotated.splice(index % 8, 1, rotated[8] ?? "", ...rotated.splice(7, 1));
      return `m ${[...new Set(rotated)].join(",")} ${index}`;
    }).join("\n");
    const startedMs = performance.now();
    assert.equal(decode(lines).rowCount, 20_000);
    assert.ok(performance.now() - startedMs < 2_000);
  });
});

suite("decodeLineProtocol: against the reference decoder", () => {
  const compare = (body: Uint8Array): void => {
    const expected = referenceDecode(body, { unitNs: 1_000_000n, nowNs: NOW_NS });
    if (expected.kind === "rows") {
      assert.deepEqual(plainTables(decode(body, { precision: "ms" })), expected.tables);
      return;
    }
    const error = errorOf(body, { precision: "ms" });
    assert.equal(error.details["line"], expected.line, `${expected.reason} / ${error.message}`);
    assert.ok(error.code === "SERVER_INVALID_LINE" || error.code === "SERVER_TYPE_CONFLICT");
  };

  test("agrees on generated bodies", () => {
    fc.assert(fc.property(lineBody(), compare), { seed: SEED, numRuns: 600 });
  });

  test("agrees on mutated bodies", () => {
    fc.assert(fc.property(mutatedBody(), compare), { seed: SEED, numRuns: 2_500 });
  });
});
