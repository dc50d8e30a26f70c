/** The option `encryption`: shapes that are refused, and where keys come from. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { isWalError, openWalWith, type WalOptions } from "@walnut/wal";
import { keySource } from "../../src/encryption/encryption-options.ts";
import { Machine, QUIET_OPTIONS } from "../machine.ts";

const line = (keyId: number, byte: number): string =>
  `${keyId}:${Buffer.alloc(32, byte).toString("base64")}\n`;

suite("option encryption", () => {
  const keys = (): Uint8Array => new Uint8Array(32);
  const REFUSED: readonly unknown[] = [
    null,
    "secret",
    {},
    { keyId: 1 },
    { keys },
    { keyId: 0, keys },
    { keyId: 1.5, keys },
    { keyId: 2 ** 32, keys },
    { keyId: 1, keys: "secret" },
    { keyId: 1, keys, keyFile: "/k" },
    { keyFile: "" },
    { keyFile: 5 },
    { keyFile: "/k", keyId: 1 },
  ];
  for (const encryption of REFUSED) {
    test(`refuses ${JSON.stringify(encryption)}`, async () => {
      // Callers without types can hand over anything.
      const options = { ...QUIET_OPTIONS, encryption } as unknown as WalOptions;
      await assert.rejects(
        openWalWith(new Machine().environment, options),
        (error) =>
          isWalError(error, "WAL_INVALID_OPTION") && error.details["option"] === "encryption",
      );
    });
  }

  test("takes the highest id of a key file for new frames", async () => {
    const source = await keySource({ keyFile: "/k" }, () =>
      Promise.resolve(line(7, 1) + line(30, 2) + line(8, 3)),
    );
    assert.equal(source.keyId, 30);
    assert.deepEqual(await source.lookup(8), new Uint8Array(32).fill(3));
  });

  test("reads the key file again for an id that it did not hold", async () => {
    let text = line(1, 1);
    const source = await keySource({ keyFile: "/k" }, () => Promise.resolve(text));
    text += line(2, 2);
    assert.deepEqual(await source.lookup(2), new Uint8Array(32).fill(2));
    assert.equal(await source.lookup(3), undefined);
  });

  test("says WAL_KEY_MISSING for a file that cannot be read", async () => {
    await assert.rejects(
      keySource({ keyFile: "/k" }, () => Promise.reject(new Error("ENOENT"))),
      (error) => isWalError(error, "WAL_KEY_MISSING") && error.details["path"] === "/k",
    );
  });

  test("says WAL_INVALID_OPTION where the environment reads no key files", async () => {
    await assert.rejects(keySource({ keyFile: "/k" }, undefined), (error) =>
      isWalError(error, "WAL_INVALID_OPTION"),
    );
  });
});
