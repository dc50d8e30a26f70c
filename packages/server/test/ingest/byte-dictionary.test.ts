import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  ByteDictionary,
  hashByte,
  hashBytes,
  INVALID_UTF8,
  VALUE_TOO_LONG,
} from "../../src/ingest/byte-dictionary.ts";

/** A dictionary over texts that follow each other in one body. */
class TextDictionary {
  readonly dictionary: ByteDictionary;
  readonly #body: Buffer;

  constructor(body: string | Buffer, maxValueBytes = 1_000) {
    this.#body = Buffer.from(body);
    this.dictionary = new ByteDictionary(this.#body, { maxValueBytes });
  }

  encode(start: number, end: number, hash: number = hashBytes(this.#body, start, end)): number {
    return this.dictionary.encode(start, end, hash);
  }
}

suite("ByteDictionary", () => {
  test("gives equal values the same code, in order of appearance", () => {
    const texts = new TextDictionary("abababbaé");
    assert.deepEqual(
      [
        texts.encode(0, 2),
        texts.encode(2, 4),
        texts.encode(6, 8),
        texts.encode(1, 3),
        texts.encode(3, 3),
        texts.encode(8, 10),
      ],
      [0, 0, 1, 1, 2, 3],
    );
    assert.deepEqual(texts.dictionary.values, ["ab", "ba", "", "é"]);
    assert.equal(texts.dictionary.valueBytes, 6);
  });

  test("refuses invalid UTF-8 and values over the limit, and adds nothing", () => {
    const texts = new TextDictionary(Buffer.of(0xff, 0x61, 0x62, 0x63), 2);
    assert.equal(texts.encode(0, 1), INVALID_UTF8);
    assert.equal(texts.encode(1, 4), VALUE_TOO_LONG);
    assert.equal(texts.dictionary.encodeText("abc"), VALUE_TOO_LONG);
    assert.equal(texts.dictionary.encodeText("é"), 0);
    assert.equal(texts.encode(1, 3), 1);
    assert.deepEqual(texts.dictionary.values, ["é", "ab"]);
  });

  test("keeps a hundred thousand values apart", () => {
    const body = Array.from({ length: 100_000 }, (_, index) => String(100_000 + index)).join("");
    const texts = new TextDictionary(body);
    for (let pass = 0; pass < 2; pass++) {
      for (let index = 0; index < 100_000; index++) {
        assert.equal(texts.encode(index * 6, index * 6 + 6), index);
      }
    }
    assert.equal(texts.dictionary.values[99_999], "199999");
  });

  test("stays right and fast when every value has the same hash", () => {
    const body = Array.from({ length: 50_000 }, (_, index) => String(100_000 + index)).join("");
    const texts = new TextDictionary(body);
    const startedMs = performance.now();
    for (let pass = 0; pass < 2; pass++) {
      for (let index = 0; index < 50_000; index++) {
        assert.equal(texts.encode(index * 6, index * 6 + 6, 12_345), index);
      }
    }
    assert.ok(performance.now() - startedMs < 1_000);
  });

  test("stays fast when hashes collide in their low bits only", () => {
    const body = Array.from({ length: 50_000 }, (_, index) => String(100_000 + index)).join("");
    const texts = new TextDictionary(body);
    const startedMs = performance.now();
    for (let index = 0; index < 50_000; index++) {
      assert.equal(texts.encode(index * 6, index * 6 + 6, index << 31), index);
    }
    assert.ok(performance.now() - startedMs < 1_000);
  });

  test("knows values added as text, also those that stand in the body", () => {
    const texts = new TextDictionary("abcd");
    assert.equal(texts.encode(0, 2), 0);
    assert.equal(texts.dictionary.encodeAnyText("ab"), 0);
    assert.equal(texts.dictionary.encodeAnyText("cd"), 1);
    assert.equal(texts.encode(2, 4), 1);
    assert.equal(texts.encode(1, 3), 2);
    assert.deepEqual(texts.dictionary.values, ["ab", "cd", "bc"]);
  });

  test("hashes step by step as at once", () => {
    const bytes = Buffer.from("server-1");
    let hash = 0;
    for (const byte of bytes) hash = hashByte(hash, byte);
    assert.equal(hash, hashBytes(bytes, 0, bytes.length));
  });
});
