/** Encryption of single bodies: round trips, fresh nonces, and everything that must not decrypt. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decryptBody, FrameEncryptor } from "../../src/encryption/frame-cipher.ts";
import { Keyring } from "../../src/encryption/keyring.ts";
import {
  ENCRYPTION_OVERHEAD_BYTES,
  splitEncryptedBody,
  type AuthenticatedFields,
} from "../../src/format/encrypted-body.ts";
import { FRAME_KIND } from "../../src/format/frame.ts";
import { everyBitFlipped } from "../every-bit.ts";

const FIELDS: AuthenticatedFields = {
  rawBytes: 11,
  firstLsn: 5,
  recordCount: 1,
  kind: FRAME_KIND.data,
  codecId: 0,
  flags: 2,
  timeMs: 1_700_000_000_000,
};
const BODY = new TextEncoder().encode("hello world");

async function keyringOf(byte: number): Promise<Keyring> {
  const keyring = new Keyring(() => new Uint8Array(32).fill(byte));
  await keyring.load(1);
  return keyring;
}

let drawn = 0;
async function encryptorOf(byte = 1): Promise<FrameEncryptor> {
  return new FrameEncryptor(await keyringOf(byte), 1, (length) =>
    new Uint8Array(length).fill(++drawn),
  );
}

function encrypt(encryptor: FrameEncryptor, body = BODY, fields = FIELDS): Uint8Array {
  const target = new Uint8Array(body.byteLength + encryptor.overheadBytes);
  encryptor.encrypt(body, fields, target, 0);
  return target;
}

suite("frame-cipher", () => {
  test("decrypts what it encrypted, of any length", async () => {
    const encryptor = await encryptorOf();
    for (const length of [0, 1, 15, 16, 17, 1000, 200_000]) {
      const body = new Uint8Array(length).fill(7);
      const stored = encrypt(encryptor, body);
      assert.equal(stored.byteLength, length + ENCRYPTION_OVERHEAD_BYTES);
      const result = await decryptBody(await keyringOf(1), FIELDS, stored);
      assert.equal(result.kind, "decrypted");
      if (result.kind === "decrypted") assert.ok(Buffer.from(result.body).equals(body));
    }
  });

  test("never uses a nonce twice under one data key", async () => {
    const encryptors = [await encryptorOf(), await encryptorOf()];
    const seen = new Set<string>();
    for (let round = 0; round < 50; round++) {
      for (const encryptor of encryptors) {
        const parts = splitEncryptedBody(encrypt(encryptor));
        seen.add(`${Buffer.from(parts?.salt ?? []).toString("hex")}/${parts?.counter}`);
      }
    }
    assert.equal(seen.size, 100);
  });

  test("hides the body", async () => {
    const stored = encrypt(await encryptorOf());
    assert.ok(!Buffer.from(stored).includes("hello"));
  });

  test("writes into the middle of a target and leaves the rest alone", async () => {
    const encryptor = await encryptorOf();
    const target = new Uint8Array(BODY.byteLength + encryptor.overheadBytes + 20).fill(0x55);
    encryptor.encrypt(BODY, FIELDS, target, 10);
    assert.ok(target.subarray(0, 10).every((byte) => byte === 0x55));
    assert.ok(target.subarray(-10).every((byte) => byte === 0x55));
    const result = await decryptBody(await keyringOf(1), FIELDS, target.subarray(10, -10));
    assert.equal(result.kind, "decrypted");
  });

  test("refuses another key", async () => {
    const result = await decryptBody(await keyringOf(2), FIELDS, encrypt(await encryptorOf(1)));
    assert.deepEqual(result, { kind: "refused", keyId: 1 });
  });

  test("refuses every flipped bit", async () => {
    const stored = encrypt(await encryptorOf());
    const keyring = new Keyring((keyId) => new Uint8Array(32).fill(keyId === 1 ? 1 : 2));
    for (const { bytes: flipped } of everyBitFlipped(stored)) {
      const result = await decryptBody(keyring, FIELDS, flipped);
      assert.notEqual(result.kind, "decrypted");
    }
  });

  test("refuses a body under another header", async () => {
    const stored = encrypt(await encryptorOf());
    const keyring = await keyringOf(1);
    const others: readonly Partial<AuthenticatedFields>[] = [
      { rawBytes: 12 },
      { firstLsn: 6 },
      { recordCount: 2 },
      { kind: FRAME_KIND.attest },
      { codecId: 1 },
      { flags: 3 },
      { timeMs: 1 },
    ];
    for (const other of others) {
      const result = await decryptBody(keyring, { ...FIELDS, ...other }, stored);
      assert.equal(result.kind, "refused", JSON.stringify(other));
    }
  });

  test("calls a body malformed that is too short for one", async () => {
    for (const length of [0, 1, ENCRYPTION_OVERHEAD_BYTES - 1]) {
      const result = await decryptBody(await keyringOf(1), FIELDS, new Uint8Array(length));
      assert.equal(result.kind, "malformed");
    }
  });
});
