import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { decideWrite, KnownWrites } from "../../src/idempotency/known-writes.ts";
import { keyed, produced } from "./identities.ts";

const OTHER = { digest: "ff".repeat(16) };

interface Setup {
  readonly known: KnownWrites;
  readonly clock: { nowMs: number };
}

function setUp(changes: { maxKeys?: number; maxWaitMs?: number; workers?: number } = {}): Setup {
  const clock = { nowMs: 1_000 };
  const known = new KnownWrites({
    windowMs: 500,
    maxKeys: 10,
    maxWaitMs: 20,
    workers: 0,
    ...changes,
    nowMs: () => clock.nowMs,
  });
  return { known, clock };
}

suite("decideWrite", () => {
  test("by epoch, then seq, then what was asked for", () => {
    const known = produced(3, 5);
    const cases = [
      [produced(2, 9), "fenced"],
      [produced(3, 4), "passed"],
      [produced(3, 5), "repeated"],
      [produced(3, 5, OTHER), "different"],
      [produced(3, 6), "new"],
      [produced(3, 60), "new"],
      [produced(4, 0), "new"],
    ] as const;
    for (const [wanted, verdict] of cases) {
      assert.equal(decideWrite(known, wanted), verdict, JSON.stringify(wanted));
    }
    assert.equal(decideWrite(undefined, known), "new");
  });
});

suite("KnownWrites", () => {
  test("a stored write is repeated, a failed one is new again", async () => {
    const ledger = setUp().known.ledger(1);
    assert.equal(await ledger.reserveWrite(keyed("a")), "new");
    ledger.abandonWrite(keyed("a"));
    assert.equal(await ledger.reserveWrite(keyed("a")), "new");
    ledger.completeWrite(keyed("a"));
    assert.equal(await ledger.reserveWrite(keyed("a")), "repeated");
    assert.equal(await ledger.reserveWrite(keyed("a", OTHER)), "different");
    assert.equal(await ledger.reserveWrite(keyed("b")), "new");
  });

  test("a worker that dies while its request waits leaves nothing under way", async () => {
    const { known } = setUp({ maxWaitMs: 10_000 });
    const [one, two] = [known.ledger(1), known.ledger(2)];
    assert.equal(await one.reserveWrite(keyed("a")), "new");
    const asked = two.reserveWrite(keyed("a"));
    await two.reportWrites([]); // The process that asked is dead, and another one has recovered.
    one.abandonWrite(keyed("a"));
    assert.equal(await asked, "busy");
    assert.equal(await one.reserveWrite(keyed("a")), "new");
  });

  test("a retry waits for the first try: stored, or failed and then one of the waiting is next", async () => {
    const { known } = setUp({ maxWaitMs: 10_000 });
    const [one, two] = [known.ledger(1), known.ledger(2)];
    assert.equal(await one.reserveWrite(keyed("a")), "new");
    const waiting = [two.reserveWrite(keyed("a")), one.reserveWrite(keyed("a"))];
    assert.equal(await two.reserveWrite(keyed("a", OTHER)), "different");
    one.abandonWrite(keyed("a"));
    assert.equal(await Promise.race(waiting), "new");
    two.completeWrite(keyed("a"));
    assert.deepEqual((await Promise.all(waiting)).toSorted(), ["new", "repeated"]);
  });

  test("the wait is bounded", async () => {
    const ledger = setUp().known.ledger(1);
    assert.equal(await ledger.reserveWrite(produced(1, 1)), "new");
    assert.equal(await ledger.reserveWrite(produced(1, 2)), "busy");
    ledger.completeWrite(produced(1, 1));
    assert.equal(await ledger.reserveWrite(produced(1, 2)), "new");
  });

  test("a write of a worker that died stays undecided until its recovery has spoken", async () => {
    const { known } = setUp();
    const [dead, alive] = [known.ledger(1), known.ledger(2)];
    await dead.reserveWrite(keyed("found"));
    await dead.reserveWrite(keyed("lost"));
    await alive.reserveWrite(keyed("other"));
    assert.equal(await alive.reserveWrite(keyed("found")), "busy");
    await dead.reportWrites([keyed("found")]);
    assert.equal(await alive.reserveWrite(keyed("found")), "repeated");
    assert.equal(await alive.reserveWrite(keyed("lost")), "new");
    assert.equal(await dead.reserveWrite(keyed("other")), "busy", "of another worker");
  });

  test("nothing is decided before every worker has recovered", async () => {
    const { known } = setUp({ workers: 2 });
    const [one, two] = [known.ledger(1), known.ledger(2)];
    await one.reportWrites([]);
    assert.equal(await one.reserveWrite(keyed("a")), "busy");
    await two.reportWrites([keyed("a")]);
    assert.equal(await one.reserveWrite(keyed("a")), "repeated");
  });

  test("of a producer that several workers know, the furthest counts", async () => {
    const ledger = setUp().known.ledger(1);
    await ledger.reportWrites([produced(2, 5), produced(2, 3), produced(1, 9)]);
    assert.equal(await ledger.reserveWrite(produced(2, 4)), "passed");
    assert.equal(await ledger.reserveWrite(produced(2, 5)), "repeated");
  });

  test("is forgotten when the window is over, and not before", async () => {
    const { known, clock } = setUp();
    const ledger = known.ledger(1);
    await ledger.reserveWrite(keyed("a"));
    ledger.completeWrite(keyed("a"));
    clock.nowMs = 1_500;
    assert.equal(await ledger.reserveWrite(keyed("a")), "repeated");
    clock.nowMs = 1_501;
    assert.equal(await ledger.reserveWrite(keyed("a")), "new");
    assert.deepEqual(known.counts, { remembered: 0, evicted: 0 });
  });

  test("beyond the limit the oldest go, and are counted", async () => {
    const { known } = setUp({ maxKeys: 3 });
    const ledger = known.ledger(1);
    await ledger.reportWrites(["a", "b", "c", "d", "e"].map((key) => keyed(key)));
    assert.deepEqual(known.counts, { remembered: 3, evicted: 2 });
    assert.equal(await ledger.reserveWrite(keyed("c")), "repeated");
    assert.equal(await ledger.reserveWrite(keyed("b")), "new");
  });
});
