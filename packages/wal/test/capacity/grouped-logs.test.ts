/** Several logs with one budget: what each is guaranteed, and who hears that there is room. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CapacityGroup, isWalError, type Wal, type WalOptions } from "@walnut/wal";
import { Machine, settle } from "../machine.ts";
import { watch } from "./guard-bench.ts";

const SEGMENT_BYTES = 8 * 1024;

class LogGroup {
  readonly machine: Machine = new Machine();
  readonly group: CapacityGroup;

  constructor(maxBytes: number) {
    this.group = new CapacityGroup({ maxBytes });
  }

  /** A log of the group with a cursor that holds everything. */
  async open(name: string, options: Partial<WalOptions> = {}): Promise<Wal> {
    const wal = await this.machine.open({
      directory: `/${name}`,
      capacityGroup: this.group,
      blockTimeoutMs: 60_000,
      ...options,
    });
    wal.cursor("reader");
    return wal;
  }
}

/** Appends until there is no room; returns the bytes of payload that went in. */
async function flood(wal: Wal, payloadBytes = 500): Promise<number> {
  for (let bytes = 0; ; bytes += payloadBytes) {
    try {
      await wal.append(new Uint8Array(payloadBytes));
    } catch (error) {
      if (isWalError(error, "WAL_NO_SPACE")) return bytes;
      throw error;
    }
  }
}

suite("CapacityGroup of logs", () => {
  test("a flood of one leaves each other what it is guaranteed", async () => {
    const logs = new LogGroup(100_000);
    const loud = await logs.open("loud");
    const quiet = await logs.open("quiet", { guaranteedBytes: 30_000 });
    const shy = await logs.open("shy", { guaranteedBytes: 10_000 });
    const flooded = await flood(loud);
    assert.ok(flooded > 45_000 && flooded < 60_000, `${flooded} of 60,000`);
    assert.ok((await flood(quiet)) > 22_000);
    assert.ok((await flood(shy)) > 7_000);
    assert.ok(logs.group.usedBytes <= 100_000);
    await assert.rejects(loud.append(new Uint8Array(500)), { code: "WAL_NO_SPACE" });
    for (const wal of [loud, quiet, shy]) await wal.close();
  });

  test("space freed in one log serves those who wait at another, at once", async () => {
    const logs = new LogGroup(50_000);
    const full = await logs.open("full");
    const waiting = await logs.open("waiting", { whenFull: "block" });
    await flood(full);
    const append = watch(waiting.append(new Uint8Array(2000)));
    await settle();
    assert.equal(append.state, "pending");
    await full.cursor("reader").ack(full.positions.appendedLsn);
    await settle();
    assert.equal(append.state, "resolved");
    await full.close();
    await waiting.close();
  });

  test("what nobody needs of one log goes when another wants room, be it all in its active segment", async () => {
    const logs = new LogGroup(50_000);
    const done = await logs.open("done", { segmentSizeBytes: 1024 * 1024 });
    await flood(done);
    await done.cursor("reader").ack(done.positions.appendedLsn);
    assert.ok(
      logs.group.usedBytes > 45_000,
      "a segment that is written to is not released by an ack",
    );
    const waiting = await logs.open("waiting", { whenFull: "block" });
    const append = watch(waiting.append(new Uint8Array(10_000)));
    await settle();
    assert.equal(append.state, "resolved");
    assert.ok(logs.group.usedBytes < 15_000);
    await done.close();
    await waiting.close();
  });

  test("a log that drops its oldest drops its own only", async () => {
    const logs = new LogGroup(60_000);
    const kept = await logs.open("kept", { guaranteedBytes: 20_000 });
    const dropping = await logs.open("dropping", {
      whenFull: "drop-oldest",
      segmentSizeBytes: SEGMENT_BYTES,
    });
    for (let count = 0; count < 20; count++) await kept.append(new Uint8Array(500));
    for (let count = 0; count < 200; count++) await dropping.append(new Uint8Array(500));
    assert.equal(kept.positions.firstLsn, 1);
    assert.ok(dropping.positions.firstLsn > 100);
    assert.ok(logs.group.usedBytes <= 60_000);
    await kept.close();
    await dropping.close();
  });

  test("a log that finds nothing to drop of its own is refused", async () => {
    const logs = new LogGroup(50_000);
    const full = await logs.open("full");
    await flood(full);
    const empty = await logs.open("empty", { whenFull: "drop-oldest" });
    await assert.rejects(empty.append(new Uint8Array(5000)), { code: "WAL_NO_SPACE" });
    assert.equal(full.positions.firstLsn, 1);
    await full.close();
    await empty.close();
  });

  test("more than the budget cannot be guaranteed: the log does not open", async () => {
    const logs = new LogGroup(50_000);
    const one = await logs.open("one", { guaranteedBytes: 40_000 });
    await assert.rejects(logs.open("two", { guaranteedBytes: 20_000 }), {
      code: "WAL_INVALID_OPTION",
    });
    assert.deepEqual(logs.machine.disk.lockedDirectories, ["/one"]);
    const two = await logs.open("two", { guaranteedBytes: 10_000 });
    await one.close();
    await two.close();
  });

  test("a log that is closed holds nothing of the budget", async () => {
    const logs = new LogGroup(50_000);
    const one = await logs.open("one");
    await flood(one);
    const two = await logs.open("two", { whenFull: "block" });
    const append = watch(two.append(new Uint8Array(5000)));
    await settle();
    assert.equal(append.state, "pending");
    await one.close();
    await settle();
    assert.equal(append.state, "resolved");
    await two.close();
    assert.equal(logs.group.usedBytes, 0);
  });

  test("a log that could not be opened holds nothing of the budget", async () => {
    const logs = new LogGroup(50_000);
    const first = await logs.open("one");
    await first.append(new Uint8Array(5000));
    await first.close();
    const bad = { recoverUntil: { lsn: Number.NaN }, guaranteedBytes: 40_000 };
    await assert.rejects(logs.open("one", bad));
    assert.equal(logs.group.usedBytes, 0);
    const again = await logs.open("one", { guaranteedBytes: 40_000 });
    await again.close();
  });
});
