import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import {
  NO_NUMBER,
  readIntegerField,
  readTimestamp,
  readUnsignedField,
  writeSigned,
  writeUnsigned,
} from "../../src/ingest/decimal-integer.ts";
import { PRECISION_SCALES, type Precision } from "../../src/ingest/precision.ts";

const SETTINGS = { numRuns: 5_000, seed: Number(process.env["SEED"] ?? 20_261_120) };
const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);

/** Integers of every size, also around the limits and out of range. */
const anyInteger = fc.oneof(
  fc.bigInt({ min: MIN * 3n, max: MAX * 3n }),
  fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
  fc
    .tuple(
      fc.constantFrom(
        0n,
        MAX,
        MIN,
        2n ** 64n,
        2n ** 53n,
        2n ** 32n,
        2n ** 31n,
        10n ** 9n,
        10n ** 18n,
      ),
      fc.integer({ min: -3, max: 3 }),
    )
    .map(([base, step]) => base + BigInt(step)),
);

function readWith(
  read: (bytes: Uint8Array, halves: Int32Array) => number,
  text: string,
): { end: number; signed: bigint; unsigned: bigint } {
  const halves = new Int32Array(2);
  const end = read(Buffer.from(`${text}\n`), halves);
  return {
    end,
    signed: new BigInt64Array(halves.buffer)[0] ?? 0n,
    unsigned: new BigUint64Array(halves.buffer)[0] ?? 0n,
  };
}

suite("decimal integers", () => {
  test("reads any signed integer exactly, or not at all", () => {
    fc.assert(
      fc.property(anyInteger, fc.constantFrom("", "0", "000"), (value, zeros) => {
        const text = `${value < 0n ? "-" : ""}${zeros}${value < 0n ? -value : value}i`;
        const found = readWith((bytes, halves) => readIntegerField(bytes, 0, halves, 0), text);
        if (value >= MIN && value <= MAX)
          assert.deepEqual([found.end, found.signed], [text.length, value]);
        else assert.equal(found.end, NO_NUMBER);
      }),
      SETTINGS,
    );
  });

  test("reads any unsigned integer exactly, or not at all", () => {
    fc.assert(
      fc.property(anyInteger, (value) => {
        const text = `${value}u`;
        const found = readWith((bytes, halves) => readUnsignedField(bytes, 0, halves, 0), text);
        if (value >= 0n && value < 2n ** 64n)
          assert.deepEqual([found.end, found.unsigned], [text.length, value]);
        else assert.equal(found.end, NO_NUMBER);
      }),
      SETTINGS,
    );
  });

  test("scales any timestamp exactly, or refuses it", () => {
    const unitsNs: Record<Precision, bigint> = {
      n: 1n,
      ns: 1n,
      u: 1_000n,
      us: 1_000n,
      ms: 10n ** 6n,
      s: 10n ** 9n,
      m: 60n * 10n ** 9n,
      h: 3_600n * 10n ** 9n,
    };
    for (const [precision, unitNs] of Object.entries(unitsNs)) {
      const scale = PRECISION_SCALES[precision as Precision];
      const nearLimit = fc.integer({ min: -3, max: 3 }).map((step) => MAX / unitNs + BigInt(step));
      fc.assert(
        fc.property(
          fc.oneof(anyInteger, nearLimit, fc.bigInt({ min: MIN / unitNs, max: MAX / unitNs })),
          (value) => {
            const found = readWith(
              (bytes, halves) => readTimestamp(bytes, 0, scale, halves, 0),
              `${value}`,
            );
            const ns = value * unitNs;
            if (ns >= MIN && ns <= MAX)
              assert.deepEqual([found.end, found.signed], [`${value}`.length, ns]);
            else assert.equal(found.end, NO_NUMBER);
          },
        ),
        { ...SETTINGS, numRuns: 1_000 },
      );
    }
  });

  test("writes to its row only, and nothing when out of range", () => {
    const halves = new Int32Array(6).fill(7);
    assert.equal(writeSigned(halves, 1, 9_223_372_036, 854_775_808, false), false);
    assert.equal(writeSigned(halves, 1, 1e300, 0, true), false);
    assert.equal(writeUnsigned(halves, 1, 18_446_744_073, 709_551_616), false);
    assert.deepEqual([...halves], [7, 7, 7, 7, 7, 7]);
    assert.equal(writeSigned(halves, 1, 9_223_372_036, 854_775_808, true), true);
    assert.deepEqual([...halves], [7, 7, 0, -(2 ** 31), 7, 7]);
  });

  test("finds no number without digits or without the suffix", () => {
    for (const text of ["", "-", "i", "-i", "1", "1.5i", "1u", "12345678901x", "x"]) {
      assert.equal(
        readWith((bytes, halves) => readIntegerField(bytes, 0, halves, 0), text).end,
        NO_NUMBER,
      );
    }
  });
});
