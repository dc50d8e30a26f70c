import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { decodeUtf8, printableExcerpt } from "../../src/ingest/utf8-text.ts";

suite("decodeUtf8", () => {
  test("returns any well-formed text as it was, from any place in a buffer", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.nat({ max: 9 }), (text, before) => {
        const bytes = Buffer.concat([
          Buffer.alloc(before, 0xff),
          Buffer.from(text),
          Buffer.of(0xff),
        ]);
        assert.equal(decodeUtf8(bytes, before, bytes.length - 1), text);
      }),
    );
  });

  for (const text of ["\u{feff}", "\u{feff}a", "\0", "\u{10ffff}", "\u{fffd}"]) {
    test(`keeps ${JSON.stringify(text)}`, () =>
      assert.equal(decodeUtf8(Buffer.from(text), 0, Buffer.byteLength(text)), text));
  }

  const invalid = {
    "a lone continuation": [0x80],
    "an overlong slash": [0xc0, 0xaf],
    "a surrogate": [0xed, 0xa0, 0x80],
    "a cut sequence": [0xe2, 0x82],
    "a value past U+10FFFF": [0xf4, 0x90, 0x80, 0x80],
    "a byte that is never used": [0x61, 0xff],
  };
  for (const [name, bytes] of Object.entries(invalid)) {
    test(`refuses ${name}`, () =>
      assert.equal(decodeUtf8(Buffer.from(bytes), 0, bytes.length), undefined));
  }
});

suite("printableExcerpt", () => {
  const excerpt = (bytes: Uint8Array, maxChars: number): string =>
    printableExcerpt(bytes, { start: 0, end: bytes.length, maxChars });

  test("shows printable ASCII as it is and everything else as escapes", () => {
    assert.equal(
      excerpt(Buffer.from("a b~\n\r\t\0\x7fé"), 80),
      String.raw`a b~\n\r\t\x00\x7f\xc3\xa9`,
    );
  });

  test("is never longer than allowed, printable, and says where it was cut", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.integer({ min: 8, max: 40 }),
        (bytes, maxChars) => {
          const text = excerpt(bytes, maxChars);
          assert.ok(text.length <= maxChars, text);
          assert.match(text, /^[\x20-\x7e]*$/);
          if (bytes.length > maxChars) assert.ok(text.endsWith("..."));
        },
      ),
    );
  });

  test("shows all of a text that fits exactly", () => {
    assert.equal(excerpt(Buffer.from("12345678"), 8), "12345678");
    assert.equal(excerpt(Buffer.from("123456789"), 8), "12345...");
  });
});
