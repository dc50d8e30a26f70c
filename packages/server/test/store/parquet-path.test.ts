import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import {
  encodePathPart,
  hourDirectory,
  parquetFileName,
  parseFileName,
  tableDirectory,
  temporaryFileName,
} from "../../src/store/parquet-path.ts";
import { hourOf } from "../../src/store/hour-partition.ts";
import { MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS } from "../../src/store/timestamp-range.ts";

suite("parquet paths", () => {
  test("keep plain names and make every other name one safe part", () => {
    const cases: readonly (readonly [string, string])[] = [
      ["cpu_load-1.x", "cpu_load-1.x"],
      [".", "%2E"],
      ["..", "%2E%2E"],
      ["...", "%2E.%2E"],
      [".hidden", "%2Ehidden"],
      ["a/b\\c", "a%2Fb%5Cc"],
      ["my db", "my%20db"],
      ["100%", "100%25"],
      ["a=b", "a%3Db"],
      ["é", "%C3%A9"],
      ["e\u0301", "e%CC%81"],
      ["*?[x]{y}", "%2A%3F%5Bx%5D%7By%7D"],
      ["~", "%7E"],
    ];
    for (const [name, part] of cases) assert.equal(encodePathPart(name), part, name);
  });

  test("are short and different for long names", () => {
    const long = "x".repeat(10_000);
    const part = encodePathPart(long);
    assert.ok(part.length <= 160);
    assert.notEqual(part, encodePathPart(`${long}x`));
    assert.match(part, /^x{90}~[0-9a-f]{64}$/);
    assert.ok(encodePathPart("/".repeat(200)).length <= 160);
    const file = parquetFileName(long, 64, { firstLsn: 2 ** 53 - 2, lastLsn: 2 ** 53 - 1 });
    assert.ok(temporaryFileName(file, 999_999).length < 255);
    assert.deepEqual(parseFileName(file, part), {
      kind: "data",
      shard: 64,
      range: { firstLsn: 2 ** 53 - 2, lastLsn: 2 ** 53 - 1 },
    });
  });

  test("never collide and never leave their directory", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (a, b) => {
        const [first, second] = [encodePathPart(a), encodePathPart(b)];
        assert.equal(first === second, a === b);
        if (a !== "") assert.match(first, /^[A-Za-z0-9_%~-][A-Za-z0-9_%.~-]*$/);
        assert.ok(!first.endsWith("."));
      }),
    );
  });

  test("name the hour in UTC, over the whole range", () => {
    assert.equal(hourDirectory(hourOf(1_760_000_000_000_000_000n)), "2025/10/09/08");
    assert.equal(hourDirectory(hourOf(-1n)), "1969/12/31/23");
    assert.equal(hourDirectory(hourOf(MIN_TIMESTAMP_NS)), "1677/09/22/00");
    assert.equal(hourDirectory(hourOf(MAX_TIMESTAMP_NS)), "2262/04/11/23");
    assert.equal(tableDirectory("my db", "cpu/load"), "my%20db/cpu%2Fload");
  });

  test("are recognised again, and nothing else is", () => {
    const name = parquetFileName("cpu_1", 3, { firstLsn: 7, lastLsn: 12 });
    assert.equal(name, "cpu_1_w3_7-12.parquet");
    assert.deepEqual(parseFileName(name, "cpu_1"), {
      kind: "data",
      shard: 3,
      range: { firstLsn: 7, lastLsn: 12 },
    });
    assert.deepEqual(parseFileName(temporaryFileName(name, 3), "cpu_1"), {
      kind: "temporary",
      shard: 3,
    });
    const strangers = [
      "cpu_w3_7-12.parquet",
      "cpu_1_7-12.parquet",
      "cpu_1_w0_7-12.parquet",
      "cpu_1_w100_7-12.parquet",
      "cpu_1_w3_12-7.parquet",
      "cpu_1_w3_0-7.parquet",
      "cpu_1_w3_7-12.parquet.bak",
      "cpu_1_w3_7-12x.parquet",
      "README",
      ".cpu_1_w3_7-12.parquet",
      "",
    ];
    for (const stranger of strangers) {
      assert.deepEqual(parseFileName(stranger, "cpu_1"), { kind: "unknown" }, stranger);
    }
  });
});
