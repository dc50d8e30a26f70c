import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { continueLogAfter } from "../src/log-continuity.ts";

class FakeLog {
  lastLsn: number;
  largestBatch = 0;

  constructor(lastLsn: number) {
    this.lastLsn = lastLsn;
  }

  appendBatch(payloads: readonly Uint8Array[]): Promise<{ lastLsn: number }> {
    assert.ok(payloads.every((payload) => payload.byteLength === 0));
    this.largestBatch = Math.max(this.largestBatch, payloads.length);
    this.lastLsn += payloads.length;
    return Promise.resolve({ lastLsn: this.lastLsn });
  }
}

suite("continueLogAfter", () => {
  for (const { lastLsn, lsn, added } of [
    { lastLsn: 0, lsn: 0, added: 0 },
    { lastLsn: 7, lsn: 7, added: 0 },
    { lastLsn: 8, lsn: 7, added: 0 },
    { lastLsn: 6, lsn: 7, added: 1 },
    { lastLsn: 0, lsn: 120_000, added: 120_000 },
  ]) {
    test(`from ${lastLsn} to ${lsn}`, async () => {
      const log = new FakeLog(lastLsn);
      assert.equal(await continueLogAfter(log, { lsn, lastLsn }), added);
      assert.equal(log.lastLsn, Math.max(lastLsn, lsn));
      assert.ok(log.largestBatch <= 50_000);
    });
  }
});
