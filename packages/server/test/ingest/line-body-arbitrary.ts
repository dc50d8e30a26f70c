/**
 * Random line protocol bodies for fast-check: mostly valid, with few names so that shapes repeat, and the same
 * bodies with a few bytes changed.
 */
import * as fc from "fast-check";

const MEASUREMENTS = ["cpu", "m", "cpu\\ load", "mem\\,x", "a\\=b", "été", "cp"];
const KEYS = [
  "host",
  "h",
  "usage",
  "us\\ age",
  "k\\=ey",
  "k\\,ey",
  "a\\b",
  "キー",
  "time_",
  "x",
  "y",
  "z",
];
const TAG_VALUES = [
  "a",
  "b",
  "server-1",
  "server-2",
  "eu\\ west",
  "a\\=b",
  "c\\,d",
  "back\\slash",
  "\\\\x",
  "ü",
  '"q"',
];
const STRINGS = [
  '""',
  '"a"',
  '"a b"',
  '"x,y=z"',
  '"\\"q\\""',
  '"\\\\"',
  '"a\\b"',
  '"a\\\\b"',
  '"line\nbreak"',
  '"日本"',
  '"# no comment"',
  '"\r\n"',
];

const LINE_ENDS = ["\n", "\n", "\n", "\r\n", "\n\n", "\n# comment\n", "  \n", "\n  "];

const float = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer({ min: -100_000, max: 100_000 }).map((value) => (value / 100).toFixed(2)),
  fc.constantFrom(
    "0",
    "-0",
    "1.",
    ".5",
    "1e3",
    "-1.5E-7",
    "123456789012345678",
    "0.1234567890123456789",
  ),
);
const integer = fc
  .oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer().map(BigInt))
  .map((value) => `${value}i`);
const unsigned = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => `${value}u`);
const boolean = fc.constantFrom(
  "t",
  "T",
  "true",
  "True",
  "TRUE",
  "f",
  "F",
  "false",
  "False",
  "FALSE",
);
const string = fc.constantFrom(...STRINGS);
const time = fc.oneof(
  fc.constant(""),
  fc.bigInt({ min: -9_223_372_036_854n, max: 9_223_372_036_854n }).map((value) => ` ${value}`),
  fc.integer({ min: 0, max: 2_000_000_000 }).map((value) => `  ${value} `),
);

/** A key decides the type, so that most bodies have no conflicts: the last keys are tags. */
function field(index: number): fc.Arbitrary<string> {
  const kinds = [float, float, integer, unsigned, boolean, string];
  return (kinds[index % kinds.length] ?? float).map((value) => `${KEYS[index] ?? "x"}=${value}`);
}

const line = fc
  .record({
    measurement: fc.constantFrom(...MEASUREMENTS),
    tags: fc.subarray([8, 9, 10, 11]),
    tagValues: fc.array(fc.constantFrom(...TAG_VALUES), { minLength: 4, maxLength: 4 }),
    fields: fc
      .subarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 1 })
      .chain((indexes) => fc.tuple(...indexes.map((index) => field(index)))),
    time,
    end: fc.constantFrom(...LINE_ENDS),
  })
  .map(({ measurement, tags, tagValues, fields, time: suffix, end }) => {
    const tagText = tags
      .map((key, index) => `,${KEYS[key] ?? "x"}=${tagValues[index] ?? "v"}`)
      .join("");
    return `${measurement}${tagText} ${fields.join(",")}${suffix}${end}`;
  });

/** Lines, some of them repeated so that predictions come true. */
const lines = fc
  .array(fc.tuple(line, fc.integer({ min: 1, max: 3 })), { maxLength: 12 })
  .map((parts) => parts.map(([text, times]) => text.repeat(times)).join(""));

/** A body that is almost always valid. */
export function lineBody(): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(lines, fc.boolean())
    .map(([text, isCut]) => Buffer.from(isCut ? text.trimEnd() : text));
}

const INTERESTING = [...Buffer.from('\\",= \n\r#-+.0159eEiuntT'), 0x00, 0x80, 0xc3, 0xff];

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  kind: fc.constantFrom("replace", "insert", "remove", "duplicate"),
  byte: fc.oneof(fc.constantFrom(...INTERESTING), fc.integer({ min: 0, max: 255 })),
  length: fc.integer({ min: 1, max: 12 }),
});

/** A body with one to three random edits. */
export function mutatedBody(): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(lineBody(), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([body, edits]) => {
      let bytes = [...body];
      for (const { at, kind, byte, length } of edits) {
        const position = Math.floor(at * bytes.length);
        if (kind === "replace") bytes[position] = byte;
        else if (kind === "insert") bytes.splice(position, 0, byte);
        else if (kind === "remove") bytes.splice(position, length);
        else bytes = [...bytes.slice(0, position + length), ...bytes.slice(position)];
      }
      return Uint8Array.from(bytes);
    });
}
