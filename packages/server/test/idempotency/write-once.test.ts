import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ServerError, type ServerErrorCode } from "../../src/errors.ts";
import { KnownWrites, type WriteLedger } from "../../src/idempotency/known-writes.ts";
import { writeOnce } from "../../src/idempotency/write-once.ts";
import { keyed, produced } from "./identities.ts";

function newLedger(): WriteLedger {
  const settings = { windowMs: 1_000, maxKeys: 100, maxWaitMs: 10, nowMs: () => 1_000 };
  return new KnownWrites({ ...settings, workers: 1 }).ledger(1);
}

function hasCode(code: ServerErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ServerError && error.code === code;
}

const stored = (): Promise<number> => Promise.resolve(1);

suite("writeOnce", () => {
  test("writes once; refusals have a code each", async () => {
    const ledger = newLedger();
    await assert.rejects(
      writeOnce(ledger, keyed("a"), stored),
      hasCode("SERVER_WRITE_IN_PROGRESS"),
    );
    await ledger.reportWrites([]);
    assert.equal(await writeOnce(ledger, keyed("a"), stored), "stored");
    const never = (): never => assert.fail("written twice");
    assert.equal(await writeOnce(ledger, keyed("a"), never), "repeated");
    const refusals = [
      [keyed("a", { digest: "00".repeat(16) }), "SERVER_KEY_REUSED"],
      [produced(1, 3), "SERVER_PRODUCER_FENCED"],
      [produced(2, 1), "SERVER_SEQUENCE_PASSED"],
    ] as const;
    await writeOnce(ledger, produced(2, 2), stored);
    for (const [identity, code] of refusals) {
      await assert.rejects(writeOnce(ledger, identity, never), hasCode(code));
    }
  });

  test("after a failure that kept nothing the retry writes; after one that may have, it does not", async () => {
    const ledger = newLedger();
    await ledger.reportWrites([]);
    const failures = [
      [new ServerError("SERVER_OVERLOADED", "later"), true],
      [new ServerError("SERVER_TYPE_CONFLICT", "never"), true],
      [unavailable("WAL_NO_SPACE"), true],
      [unavailable("WAL_POISONED"), false],
      [unavailable("WAL_IO"), false],
      [new ServerError("SERVER_STORAGE_CORRUPT", "after the append"), false],
      [new TypeError("anything else"), false],
    ] as const;
    for (const [index, [failure, isTriedAnew]] of failures.entries()) {
      const identity = keyed(String(index));
      await assert.rejects(
        writeOnce(ledger, identity, () => Promise.reject(failure)),
        (error: unknown) => error === failure,
      );
      const retry = writeOnce(ledger, identity, stored);
      if (isTriedAnew) assert.equal(await retry, "stored");
      else await assert.rejects(retry, hasCode("SERVER_WRITE_IN_PROGRESS"));
    }
  });
});

function unavailable(walCode: string): ServerError {
  return new ServerError("SERVER_WAL_UNAVAILABLE", "no", { details: { walCode } });
}
