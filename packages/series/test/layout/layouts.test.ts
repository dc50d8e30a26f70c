/** Both layouts: the examples of the document byte by byte, everything that fits goes there and back, nothing else passes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import fc from "fast-check";
import {
  decodeEntriesV1,
  decodeEntriesV2,
  encodeEntriesV1,
  encodeEntriesV2,
  isSeriesError,
  MAX_DICTIONARY_SERIES,
  MAX_VALUE_BYTES_V1,
  SeriesDictionary,
  type SeriesEntry,
} from "@walnut/series";

const DOCUMENT = readFileSync(new URL("../../../../docs/series.md", import.meta.url), "utf8");

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const EXAMPLE_V1: readonly SeriesEntry[] = [
  { seriesId: 7n, timestamps: [1000n, 1010n], values: [text("on"), text("off")] },
  { seriesId: 258n, timestamps: [-1n], values: [text("")] },
];

const EXAMPLE_V2: readonly SeriesEntry[] = [
  ...EXAMPLE_V1,
  { seriesId: 7n, timestamps: [1020n, 1030n, 1041n], values: ["a", "b", "c"].map(text) },
];

/** The bytes of the example: the pairs of hex digits before the words of each line. */
function exampleBytes(name: string): Uint8Array {
  const [, block = ""] =
    new RegExp(`\\(example ${name}\\):\\n\\n\`\`\`text\\n([^\`]*)`).exec(DOCUMENT) ?? [];
  const lines = block.split("\n").map((line) => /^(?:[0-9a-f]{2} ?)*/.exec(line)?.[0] ?? "");
  return Buffer.from(lines.join("").replaceAll(" ", ""), "hex");
}

const LAYOUTS = [
  { name: "v1", encode: encodeEntriesV1, decode: decodeEntriesV1, example: EXAMPLE_V1 },
  { name: "v2", encode: encodeEntriesV2, decode: decodeEntriesV2, example: EXAMPLE_V2 },
] as const;

const plain = (entries: readonly SeriesEntry[]): unknown =>
  entries.map(({ values, ...rest }) => ({
    ...rest,
    values: values.map((value) => Buffer.from(value).toString("hex")),
  }));

const anyTimestamp = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 1_700_000_000_000_000_000n, max: 1_700_000_000_000_000_999n }),
  fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n),
);
const anyEntry = fc
  .record({
    seriesId: fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: 0n, max: 5n }),
    ),
    points: fc.array(fc.tuple(anyTimestamp, fc.uint8Array({ maxLength: 20 })), { maxLength: 12 }),
  })
  .map(({ seriesId, points }) => ({
    seriesId,
    timestamps: points.map(([timestamp]) => timestamp),
    values: points.map(([, value]) => value),
  }));

for (const { name, encode, decode, example } of LAYOUTS) {
  suite(`layout ${name}`, () => {
    test("is, byte by byte, what the document says", () => {
      const bytes = exampleBytes(name);
      assert.ok(bytes.byteLength > 40);
      assert.equal(
        Buffer.from(encode(example)).toString("hex"),
        Buffer.from(bytes).toString("hex"),
      );
      assert.deepEqual(plain(decode(bytes)), plain(example));
    });

    test("gives back whatever was encoded", () => {
      fc.assert(
        fc.property(fc.array(anyEntry, { maxLength: 8 }), (entries) => {
          assert.deepEqual(plain(decode(encode(entries))), plain(entries));
        }),
        { numRuns: 300 },
      );
    });

    test("refuses bytes that were cut", () => {
      const bytes = encode(example);
      const ends = new Set([0]);
      for (let count = 1; count <= example.length; count++) {
        ends.add(encode(example.slice(0, count)).byteLength);
      }
      for (let length = 0; length < bytes.byteLength; length++) {
        if (ends.has(length)) continue;
        assert.throws(
          () => decode(bytes.subarray(0, length)),
          (error) => isSeriesError(error, "SERIES_CORRUPT"),
          `${length} bytes`,
        );
      }
    });

    test("answers random and damaged bytes with entries or SERIES_CORRUPT, in bounded memory", () => {
      const bytes = encode(example);
      const tryDecode = (input: Uint8Array): void => {
        try {
          const entries = decode(input);
          const points = entries.reduce((sum, { values }) => sum + values.length, 0);
          assert.ok(points <= input.byteLength);
        } catch (error) {
          assert.ok(isSeriesError(error, "SERIES_CORRUPT"), String(error));
        }
      };
      fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), tryDecode), { numRuns: 500 });
      for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
        const damaged = Uint8Array.from(bytes);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        tryDecode(damaged);
      }
    });
  });
}

suite("values of many bytes", () => {
  const entryOf = (bytes: number): SeriesEntry => ({
    seriesId: 1n,
    timestamps: [1n],
    values: [new Uint8Array(bytes)],
  });

  test("BanyanDB wrapped lengths above 65,535: v1 refuses them", () => {
    assert.equal(decodeEntriesV1(encodeEntriesV1([entryOf(MAX_VALUE_BYTES_V1)])).length, 1);
    assert.throws(
      () => encodeEntriesV1([entryOf(MAX_VALUE_BYTES_V1 + 1)]),
      (error) => isSeriesError(error, "SERIES_VALUE_TOO_LARGE"),
    );
  });

  test("v2 has no such limit, for values or for timestamps", () => {
    const [large] = decodeEntriesV2(encodeEntriesV2([entryOf(1_000_000)]));
    assert.equal(large?.values[0]?.byteLength, 1_000_000);
    const timestamps = Array.from({ length: 70_000 }, (_, index) => BigInt(index * index));
    const values = timestamps.map(() => Uint8Array.of(1));
    const [many] = decodeEntriesV2(encodeEntriesV2([{ seriesId: 1n, timestamps, values }]));
    assert.deepEqual(many?.timestamps, timestamps);
  });
});

suite("series dictionary", () => {
  test("numbers so many series and no more", () => {
    const dictionary = new SeriesDictionary();
    const reading = new SeriesDictionary();
    const one = (seriesId: bigint): SeriesEntry => ({ seriesId, timestamps: [], values: [] });
    for (let id = 0; id < MAX_DICTIONARY_SERIES + 10; id += 100) {
      const entries = Array.from({ length: 100 }, (_, index) => one(BigInt(id + index)));
      assert.deepEqual(decodeEntriesV2(encodeEntriesV2(entries, dictionary), reading), entries);
    }
    assert.equal(dictionary.size, MAX_DICTIONARY_SERIES);
    assert.equal(encodeEntriesV2([one(3n)], dictionary).byteLength, 3);
    assert.equal(encodeEntriesV2([one(10n ** 15n)], dictionary).byteLength, 11);
  });

  test("makes regular timestamps of known series cost about a byte each", () => {
    const timestamps = Array.from({ length: 1000 }, (_, index) => BigInt(index) * 10_000_000n);
    const values = timestamps.map(() => new Uint8Array(8));
    const bytes = encodeEntriesV2([{ seriesId: 1n, timestamps, values }]).byteLength;
    assert.ok(bytes < 1000 * 9 + 30, `${bytes}`);
  });
});
