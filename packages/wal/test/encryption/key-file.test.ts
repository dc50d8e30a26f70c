/** Key files as text: what is accepted, and that messages never show a key. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isWalError } from "@walnut/wal";
import { parseKeyFile } from "../../src/encryption/key-file.ts";

const KEY_A = Buffer.alloc(32, 0xaa).toString("base64");
const KEY_B = Buffer.alloc(32, 0xbb).toString("base64");

suite("parseKeyFile", () => {
  test("reads one key a line, between comments and empty lines", () => {
    const keys = parseKeyFile("/k", `# made in May\r\n1:${KEY_A}\n\n  20:${KEY_B}  \n`);
    assert.deepEqual([...keys.keys()], [1, 20]);
    assert.deepEqual(keys.get(1), new Uint8Array(32).fill(0xaa));
    assert.deepEqual(keys.get(20), new Uint8Array(32).fill(0xbb));
  });

  const REFUSED = [
    { name: "an empty file", text: "" },
    { name: "comments only", text: "# nothing\n" },
    { name: "a key without id", text: `${KEY_A}\n` },
    { name: "a key that is too short", text: `1:${Buffer.alloc(31).toString("base64")}\n` },
    { name: "a key that is too long", text: `1:${Buffer.alloc(33).toString("base64")}\n` },
    { name: "a key in hexadecimal", text: `1:${"aa".repeat(32)}\n` },
    { name: "an id of 0", text: `0:${KEY_A}\n` },
    { name: "an id beyond 32 bits", text: `4294967296:${KEY_A}\n` },
    { name: "an id that comes twice", text: `1:${KEY_A}\n1:${KEY_B}\n` },
    { name: "text behind the key", text: `1:${KEY_A} old\n` },
  ];
  for (const { name, text } of REFUSED) {
    test(`refuses ${name}`, () => {
      assert.throws(
        () => parseKeyFile("/k", text),
        (error) =>
          isWalError(error, "WAL_INVALID_OPTION") &&
          error.details["path"] === "/k" &&
          !error.message.includes(KEY_A.slice(0, 8)),
      );
    });
  }
});
