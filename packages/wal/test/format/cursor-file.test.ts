import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { checksum } from "../../src/format/checksum.ts";
import { decodeCursorFile, encodeCursorFile, isCursorName } from "../../src/format/cursor-file.ts";
import { everyBitFlipped } from "../every-bit.ts";

const CURSOR = { name: "flusher-1", ackedLsn: 77, writtenAtMs: 1_767_225_600_000 };

function withField(write: (view: DataView) => void): Uint8Array {
  const bytes = encodeCursorFile(CURSOR);
  const view = new DataView(bytes.buffer);
  write(view);
  const end = bytes.byteLength - 4;
  view.setUint32(end, checksum(bytes.subarray(0, end)), true);
  return bytes;
}

suite("cursor file", () => {
  test("is laid out as the specification says", () => {
    const bytes = encodeCursorFile(CURSOR);
    const view = new DataView(bytes.buffer);
    assert.equal(bytes.byteLength, 24 + 9 + 4);
    assert.equal(Buffer.from(bytes.subarray(0, 4)).toString("latin1"), "WCUR");
    assert.equal(view.getUint16(4, true), 1);
    assert.equal(view.getUint16(6, true), 9);
    assert.equal(view.getBigUint64(8, true), 77n);
    assert.equal(view.getBigUint64(16, true), 1_767_225_600_000n);
    assert.equal(Buffer.from(bytes.subarray(24, 33)).toString("latin1"), "flusher-1");
    assert.equal(view.getUint32(33, true), checksum(bytes.subarray(0, 33)));
  });

  for (const field of ["ackedLsn", "writtenAtMs"] as const) {
    test(`round-trips ${field} from one end of its range to the other`, () => {
      for (const value of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        const cursor = { ...CURSOR, [field]: value };
        assert.deepEqual(decodeCursorFile(encodeCursorFile(cursor)), { kind: "valid", cursor });
      }
    });
  }

  test("round-trips names of 1 and of 64 characters", () => {
    for (const name of ["a", "x".repeat(64)]) {
      const result = decodeCursorFile(encodeCursorFile({ ...CURSOR, name }));
      assert.deepEqual(result, { kind: "valid", cursor: { ...CURSOR, name } });
    }
  });

  test("is invalid with any one bit flipped, and never another version", () => {
    for (const { bytes, byteIndex, bit } of everyBitFlipped(encodeCursorFile(CURSOR))) {
      assert.deepEqual(
        decodeCursorFile(bytes),
        { kind: "invalid" },
        `byte ${byteIndex}, bit ${bit}`,
      );
    }
  });

  test("is invalid when cut at any byte or longer than it should be", () => {
    const bytes = encodeCursorFile(CURSOR);
    for (let length = 0; length < bytes.byteLength; length++) {
      assert.deepEqual(decodeCursorFile(bytes.subarray(0, length)), { kind: "invalid" });
    }
    assert.deepEqual(decodeCursorFile(Buffer.concat([bytes, Buffer.alloc(1)])), {
      kind: "invalid",
    });
  });

  test("names another version as unsupported when the checksum is right", () => {
    const bytes = withField((view) => view.setUint16(4, 2, true));
    assert.deepEqual(decodeCursorFile(bytes), { kind: "unsupported-version", version: 2 });
  });

  const wrongWithRightChecksum: {
    readonly what: string;
    readonly write: (view: DataView) => void;
  }[] = [
    { what: "a name length that is not the file's", write: (view) => view.setUint16(6, 8, true) },
    { what: "an LSN beyond 2^53 - 1", write: (view) => view.setBigUint64(8, 2n ** 53n, true) },
    { what: "a time beyond 2^53 - 1", write: (view) => view.setBigUint64(16, 2n ** 53n, true) },
    { what: "a name with a slash", write: (view) => view.setUint8(25, 0x2f) },
    { what: "a name that is no UTF-8", write: (view) => view.setUint8(25, 0xff) },
    { what: "a name that begins with a dot", write: (view) => view.setUint8(24, 0x2e) },
  ];
  for (const { what, write } of wrongWithRightChecksum) {
    test(`refuses ${what} although the checksum is right`, () => {
      assert.deepEqual(decodeCursorFile(withField(write)), { kind: "invalid" });
    });
  }
});

suite("isCursorName", () => {
  for (const name of ["a", "Z", "0", "_", "-", "a.b", "flusher", "x".repeat(64), "a..b", "-rf"]) {
    test(`accepts ${JSON.stringify(name)}`, () => {
      assert.equal(isCursorName(name), true);
    });
  }
  for (const name of [
    "",
    ".",
    "..",
    ".a",
    "a/b",
    "a\\b",
    "a b",
    "é",
    "x".repeat(65),
    "a\n",
    "a\0",
  ]) {
    test(`refuses ${JSON.stringify(name)}`, () => {
      assert.equal(isCursorName(name), false);
    });
  }
});
