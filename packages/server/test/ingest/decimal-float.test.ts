import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { NO_FLOAT, readFloat } from "../../src/ingest/decimal-float.ts";

const SEED = Number(process.env["SEED"] ?? 20_261_120);

/** The number at the start of `text`, and how many characters it has. */
function read(text: string): { value: number; length: number } | undefined {
  const values = new Float64Array(1);
  const length = readFloat(Buffer.from(`${text}\n`), 0, values, 0);
  return length === NO_FLOAT ? undefined : { value: values[0] ?? Number.NaN, length };
}

function assertExact(text: string): void {
  const found = read(text);
  assert.ok(
    found?.length === text.length && Object.is(found.value, Number(text)),
    `${text}: ${found?.value} instead of ${Number(text)}`,
  );
}

/** Digits with a point somewhere and maybe an exponent. */
function decimal(minDigits: number, maxDigits: number): fc.Arbitrary<string> {
  return fc
    .record({
      sign: fc.constantFrom("", "-"),
      digits: fc
        .array(fc.integer({ min: 0, max: 9 }), { minLength: minDigits, maxLength: maxDigits })
        .map((list) => list.join("")),
      point: fc.nat({ max: maxDigits }),
      exponent: fc.option(fc.integer({ min: -330, max: 310 }), { freq: 3 }),
    })
    .map(({ sign, digits, point, exponent }) => {
      const at = point % (digits.length + 1);
      const mantissa = point % 5 === 0 ? digits : `${digits.slice(0, at)}.${digits.slice(at)}`;
      return `${sign}${mantissa}${exponent === null ? "" : `e${exponent}`}`;
    })
    .filter((text) => Number.isFinite(Number(text)));
}

suite("readFloat", () => {
  test("reads the shortest text of any double exactly", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assertExact(Object.is(value, -0) ? "-0" : String(value));
      }),
      { numRuns: 20_000, seed: SEED },
    );
  });

  test("reads 17 to 19 digits between 10^-3 and 10^6 exactly", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        fc.integer({ min: 14, max: 21 }),
        (value, digits) => {
          assertExact(value.toPrecision(digits));
        },
      ),
      { numRuns: 20_000, seed: SEED },
    );
  });

  for (const [min, max] of [
    [1, 9],
    [10, 15],
    [16, 18],
    [19, 40],
  ] as const) {
    test(`reads ${min} to ${max} digits with any point and exponent exactly`, () => {
      fc.assert(fc.property(decimal(min, max), assertExact), { numRuns: 10_000, seed: SEED });
    });
  }

  test("rounds texts that lie exactly between two doubles to the even one, and their neighbours to their side", () => {
    // Odd multiples of half a unit in the last place: 54 bits, so up to 18 digits.
    fc.assert(
      fc.property(
        fc.bigInt({ min: 2n ** 52n, max: 2n ** 53n - 1n }),
        fc.integer({ min: 0, max: 6 }),
        (bits, shift) => {
          const middle = (bits * 2n + 1n) * 10n ** 6n;
          // (bits × 2 + 1) / 2^shift has at most `shift` decimal places: write them with six.
          const scaledUp = (middle / 2n ** BigInt(shift)).toString();
          for (const neighbour of [-1n, 0n, 1n]) {
            const digits = (BigInt(scaledUp) + neighbour).toString();
            assertExact(`${digits.slice(0, -6)}.${digits.slice(-6)}`);
            assertExact(digits.slice(0, 18));
            assertExact(`${digits.slice(0, 3)}.${digits.slice(3, 18)}`);
          }
        },
      ),
      { numRuns: 5_000, seed: SEED },
    );
  });

  for (const text of [
    "9007199254740993",
    "9007199254740993.0",
    "900719925474099.3",
    "90071992547409.93",
    "4503599627370497.5",
    "4503599627370496.5",
    "4503599627370495.5",
    "2251799813685249.25",
    "1125899906842624.125",
    "0.500000000000000166533453693773481063544750213623046875",
    "9223372036854775807",
    "999999999999999999",
    "0.000000000000000999999999999999999",
    "5e-324",
    "2.2250738585072011e-308",
    "1e22",
    "1e23",
    "8.5e22",
  ]) {
    test(`reads ${text} exactly`, () => assertExact(text));
  }

  const rejected = [
    "",
    "-",
    ".",
    "-.",
    "e5",
    ".e5",
    "1e",
    "1e+",
    "1e-",
    "+1",
    "1e999",
    "-1e400",
    "x",
    "-x",
    "--1",
  ];
  for (const text of rejected) {
    test(`finds no number in ${JSON.stringify(text)}`, () => assert.equal(read(text), undefined));
  }

  test("stops at the first byte that does not belong to the number", () => {
    for (const [text, length] of [
      ["1,", 1],
      ["1.5.2", 3],
      ["-12e3x", 5],
      ["1234567890123i", 13],
      ["0x10", 1],
    ] as const) {
      assert.equal(read(text)?.length, length);
    }
  });
});
