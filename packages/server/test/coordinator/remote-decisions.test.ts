import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  dispatchDecision,
  remoteDecisions,
  type Decisions,
} from "../../src/coordinator/remote-decisions.ts";
import { CoordinatorDesk } from "../../src/coordinator/coordinator-desk.ts";
import { KnownWrites } from "../../src/idempotency/known-writes.ts";
import { keyed } from "../idempotency/identities.ts";

suite("remoteDecisions", () => {
  test("tells what was recovered in messages of a bounded size, and is heard when the last one is there", async () => {
    const known = new KnownWrites({
      windowMs: Infinity,
      maxKeys: Infinity,
      maxWaitMs: 0,
      nowMs: () => 0,
      workers: 1,
    });
    const decisions: Decisions = { ...new CoordinatorDesk(1).forWorker(1), ...known.ledger(1) };
    const sizes: number[] = [];
    const verdicts: string[] = [];
    const remote = remoteDecisions(async (name, input) => {
      if (Array.isArray(input)) {
        sizes.push(input.length);
        verdicts.push(await decisions.reserveWrite(keyed("key 0")));
      }
      return await dispatchDecision(decisions, { name, input });
    });
    await remote.reportWrites(Array.from({ length: 12_000 }, (_, index) => keyed(`key ${index}`)));
    assert.deepEqual(sizes, [5_000, 5_000, 2_000]);
    assert.deepEqual(verdicts, ["busy", "busy", "busy"], "undecided until all of it is there");
    assert.equal(await remote.reserveWrite(keyed("key 11999")), "repeated");
    assert.deepEqual(await remote.countWrites(), { remembered: 12_000, evicted: 0 });
  });
});
