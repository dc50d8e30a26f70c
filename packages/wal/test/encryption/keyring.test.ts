/** Loading of keys: once each, early, and with a clear error when there is none. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isWalError } from "@walnut/wal";
import { Keyring, type KeyLookup } from "../../src/encryption/keyring.ts";

const SALT = new Uint8Array(16);

suite("Keyring", () => {
  test("asks once for each key", async () => {
    const asked: number[] = [];
    const keyring = new Keyring((keyId) => {
      asked.push(keyId);
      return new Uint8Array(32).fill(keyId);
    });
    assert.equal(keyring.dataKey(1, SALT), undefined);
    await keyring.load(1);
    await keyring.load(1);
    await keyring.load(2);
    assert.deepEqual(asked, [1, 2]);
    assert.notEqual(keyring.dataKey(1, SALT), undefined);
  });

  test("derives one data key for each key and salt", async () => {
    const keyring = new Keyring((keyId) => Promise.resolve(new Uint8Array(32).fill(keyId)));
    await keyring.load(1);
    await keyring.load(2);
    const hexOf = (keyId: number, salt: Uint8Array): string | undefined =>
      keyring.dataKey(keyId, salt)?.export().toString("hex");
    const other = new Uint8Array(16).fill(1);
    const derived = new Set([hexOf(1, SALT), hexOf(1, other), hexOf(2, SALT), hexOf(2, other)]);
    assert.equal(derived.size, 4);
    assert.equal(hexOf(1, SALT), hexOf(1, SALT.slice()));
    // Many salts: those of the past are derived again, and come out the same.
    const before = hexOf(1, SALT);
    for (let index = 0; index < 600; index++) {
      keyring.dataKey(
        1,
        Uint8Array.from({ length: 16 }, (_, at) => (at < 2 ? index >> (8 * at) : 9)),
      );
    }
    assert.equal(hexOf(1, SALT), before);
  });

  test("derives as docs/format.md says", async () => {
    const keyring = new Keyring(() => Uint8Array.from({ length: 32 }, (_, index) => index));
    await keyring.load(1);
    const salt = Uint8Array.from({ length: 16 }, (_, index) => 0xf0 + index);
    assert.equal(
      keyring.dataKey(1, salt)?.export().toString("hex"),
      "f749c302b3183df99da781c6804b01fe3622152281c8b1d7cc5b1810fd7b1707",
    );
  });

  test("keeps a copy of a key", async () => {
    const mine = new Uint8Array(32).fill(1);
    const keyring = new Keyring(() => mine);
    await keyring.load(1);
    const before = keyring.dataKey(1, SALT)?.export();
    mine.fill(2);
    assert.deepEqual(keyring.dataKey(1, SALT)?.export(), before);
    const again = new Keyring(() => new Uint8Array(32).fill(1));
    await again.load(1);
    assert.deepEqual(again.dataKey(1, SALT)?.export(), before);
  });

  const MISSING: readonly { readonly name: string; readonly lookup: KeyLookup | undefined }[] = [
    { name: "there is no lookup", lookup: undefined },
    { name: "the lookup knows none", lookup: () => undefined },
    {
      name: "the lookup throws",
      lookup: () => {
        throw new Error("vault is sealed");
      },
    },
    { name: "the lookup rejects", lookup: () => Promise.reject(new Error("vault is away")) },
  ];
  for (const { name, lookup } of MISSING) {
    test(`says WAL_KEY_MISSING when ${name}`, async () => {
      await assert.rejects(
        new Keyring(lookup).load(3),
        (error) => isWalError(error, "WAL_KEY_MISSING") && error.details["keyId"] === 3,
      );
    });
  }

  test("asks again after a failure", async () => {
    let calls = 0;
    const keyring = new Keyring(() => (++calls === 1 ? undefined : new Uint8Array(32)));
    await assert.rejects(keyring.load(1));
    await keyring.load(1);
    assert.notEqual(keyring.dataKey(1, SALT), undefined);
  });

  test("refuses a key of another length", async () => {
    for (const length of [0, 16, 31, 33]) {
      await assert.rejects(new Keyring(() => new Uint8Array(length)).load(1), (error) =>
        isWalError(error, "WAL_INVALID_OPTION"),
      );
    }
  });
});
