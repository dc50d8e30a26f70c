/** The guard by itself, in front of a commit that only counts. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CapacityGroup } from "@walnut/wal";
import { FULL_POLICIES } from "../../src/capacity/guarded-commit.ts";
import { settle } from "../machine.ts";
import { GuardBench, neededBytes, watch } from "./guard-bench.ts";

const FULL = { code: "WAL_NO_SPACE" };

suite("GuardedCommit: budget", () => {
  test("takes what fits exactly, and not a byte more", async () => {
    const bench = new GuardBench({ maxBytes: neededBytes(100) + neededBytes(50) });
    assert.equal(await bench.append(100), 1);
    await assert.rejects(bench.append(51), FULL);
    assert.equal(await bench.append(50), 2);
    await assert.rejects(bench.append(0), FULL);
  });

  test("counts a batch as a whole", async () => {
    const bench = new GuardBench({ maxBytes: 64 + 3 * (4 + 100) });
    const payloads = [new Uint8Array(100), new Uint8Array(100), new Uint8Array(100)];
    const range = await bench.guard.appendBatch([0, 0, 0], payloads, "durable");
    assert.deepEqual(range, { firstLsn: 1, lastLsn: 3 });
    const small = bench.guard.appendBatch([0], [new Uint8Array(0)], "durable");
    await assert.rejects(small, FULL);
  });

  for (const policy of FULL_POLICIES) {
    test(`${policy}: refuses at once, and drops nothing for, what would not fit into an empty log`, async () => {
      const bench = new GuardBench({ maxBytes: 1000, emptyBytes: 64, policy });
      bench.used = 900;
      bench.droppable = [900];
      await assert.rejects(bench.append(1000 - 64 - 68 + 1), { code: "WAL_RECORD_TOO_LARGE" });
      const batch = bench.guard.appendBatch([0], [new Uint8Array(2000)], "durable");
      await assert.rejects(batch, { code: "WAL_RECORD_TOO_LARGE" });
      assert.equal(bench.drops, 0);
      assert.equal(bench.clock.pendingTimers, 0);
    });

    test(`${policy}: a log that has failed says so, whether or not there is room`, async () => {
      const bench = new GuardBench({ maxBytes: 1000, policy });
      bench.used = 1000;
      bench.failure = Object.assign(new Error("poisoned"), { code: "WAL_POISONED" });
      await assert.rejects(bench.append(10), { code: "WAL_POISONED" });
      assert.equal(bench.guard.drops.newestRecords, 0);
    });
  }
});

suite("GuardedCommit: block", () => {
  test("serves those who wait in their order, and whoever comes meanwhile behind them", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "block" });
    bench.used = 950;
    const first = watch(bench.append(300, 1));
    const second = watch(bench.append(100, 2));
    bench.used = 700;
    // There would be room for the third, and not for those before it.
    const third = watch(bench.append(1, 3));
    await settle(1);
    assert.deepEqual([first.state, second.state, third.state], ["pending", "pending", "pending"]);
    assert.equal(bench.guard.waiting, 3);
    bench.free(700);
    await settle(1);
    assert.deepEqual(bench.order, [1, 2, 3]);
    assert.deepEqual([first.value, second.value, third.value], [1, 2, 3]);
    assert.equal(bench.clock.pendingTimers, 0);
  });

  test("keeps what the payload was when append was called", async () => {
    const bench = new GuardBench({ maxBytes: 200, policy: "block" });
    bench.used = 200;
    const payload = new Uint8Array([1, 2, 3]);
    const batch = new Uint8Array([4, 5, 6]);
    const waiting = [
      bench.guard.append(0, payload, "durable"),
      bench.guard.appendBatch([0], [batch], "durable"),
    ];
    payload.fill(9);
    batch.fill(9);
    bench.free(200);
    await Promise.all(waiting);
    assert.deepEqual(bench.taken, [new Uint8Array([1, 2, 3]), new Uint8Array([4, 5, 6])]);
  });

  test("refuses at the deadline, and then serves those behind who need less", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "block", blockTimeoutMs: 400 });
    bench.used = 800;
    const large = watch(bench.append(500, 1));
    bench.clock.advance(100);
    const small = watch(bench.append(10, 2));
    await settle(1);
    bench.clock.advance(299);
    await settle(1);
    assert.equal(large.state, "pending");
    bench.clock.advance(1);
    await settle(1);
    assert.equal(large.code, "WAL_NO_SPACE");
    assert.deepEqual([small.state, bench.order], ["resolved", [2]]);
    assert.equal(bench.clock.pendingTimers, 0);
  });

  test("looks again by itself: space can come back without a word", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "block", blockTimeoutMs: 10_000 });
    bench.used = 1000;
    const waiting = watch(bench.append(10));
    await settle(1);
    bench.used = 0;
    bench.clock.advance(250);
    await settle(1);
    assert.equal(waiting.state, "resolved");
  });

  test("looks again however many come meanwhile", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "block", blockTimeoutMs: 10_000 });
    bench.used = 1000;
    const first = watch(bench.append(10));
    await settle(1);
    bench.used = 0;
    for (let count = 0; count < 5; count++) {
      bench.clock.advance(60);
      void bench.append(10).catch(() => undefined);
    }
    await settle(1);
    assert.equal(first.state, "resolved");
  });

  test("asks for what nobody needs to be released before anybody waits for long", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "block" });
    bench.used = 1000;
    bench.reclaimable = 900;
    assert.equal(await bench.append(10), 1);
    assert.equal(bench.reclaims, 1);
  });

  test("lets no more wait than may, whatever that costs them", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "block", maxWaitingBytes: 400 });
    bench.used = 1000;
    const one = watch(bench.append(400 - 68));
    const another = watch(bench.append(0));
    await settle(1);
    assert.deepEqual([one.state, another.code], ["pending", "WAL_OVERLOADED"]);
    bench.free(1000);
    await settle(1);
    assert.equal(one.state, "resolved");
  });

  test("refuses everybody when the log fails", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "block", blockTimeoutMs: 10_000 });
    bench.used = 1000;
    const waiting = watch(bench.append(10));
    await settle(1);
    bench.failure = Object.assign(new Error("poisoned"), { code: "WAL_POISONED" });
    bench.clock.advance(250);
    await settle(1);
    assert.equal(waiting.code, "WAL_POISONED");
    assert.equal(bench.clock.pendingTimers, 0);
  });

  test("refuses everybody when the log is closed", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "block" });
    bench.used = 1000;
    const waiting = [watch(bench.append(10)), watch(bench.append(10))];
    bench.guard.close(Object.assign(new Error("closed"), { code: "WAL_CLOSED" }));
    await settle(1);
    assert.deepEqual(
      waiting.map(({ code }) => code),
      ["WAL_CLOSED", "WAL_CLOSED"],
    );
    assert.equal(bench.clock.pendingTimers, 0);
  });
});

suite("GuardedCommit: reject", () => {
  test("makes room for the next while it refuses", async () => {
    const bench = new GuardBench({ maxBytes: 1000 });
    bench.used = 1000;
    bench.reclaimable = 900;
    await assert.rejects(bench.append(10), FULL);
    await settle(1);
    assert.equal(await bench.append(10), 1);
  });
});

suite("GuardedCommit: drop-newest", () => {
  test("resolves with LSN 0 and counts what it did not take", async () => {
    const bench = new GuardBench({ maxBytes: 200, policy: "drop-newest" });
    bench.used = 200;
    assert.equal(await bench.append(10), 0);
    const payloads = [new Uint8Array(20), new Uint8Array(12)];
    const range = await bench.guard.appendBatch([0, 0], payloads, "durable");
    assert.deepEqual(range, { firstLsn: 0, lastLsn: 0 });
    assert.deepEqual(bench.taken, []);
    const { newestRecords, newestBytes } = bench.guard.drops;
    assert.deepEqual({ newestRecords, newestBytes }, { newestRecords: 3, newestBytes: 42 });
    bench.used = 0;
    assert.equal(await bench.append(10), 1);
  });
});

suite("GuardedCommit: drop-oldest", () => {
  test("drops as much as is needed and no more", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "drop-oldest" });
    bench.used = 1000;
    bench.droppable = [200, 200, 200, 200, 200];
    assert.equal(await bench.append(300), 1);
    assert.equal(bench.drops, 2);
    await settle(1);
    assert.equal(bench.drops, 2);
  });

  test("drops nothing when releasing what nobody needs is enough", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "drop-oldest" });
    bench.used = 1000;
    bench.droppable = [500, 500];
    bench.reclaimable = 500;
    await bench.append(10);
    assert.equal(bench.drops, 0);
  });

  test("refuses whom dropping everything does not help, and serves those behind", async () => {
    const group = new CapacityGroup({ maxBytes: 1000 });
    const other = new GuardBench({ group });
    other.used = 700;
    const bench = new GuardBench({ group, policy: "drop-oldest" });
    bench.used = 300;
    bench.droppable = [300];
    const large = watch(bench.append(500, 1));
    const small = watch(bench.append(100, 2));
    await settle(1);
    assert.equal(large.code, "WAL_NO_SPACE");
    assert.deepEqual([small.state, bench.order], ["resolved", [2]]);
  });

  test("asks the device before it drops, and after each drop before the next", async () => {
    const bench = new GuardBench({
      reserveFreeBytes: 1000,
      deviceFreeBytes: 1000,
      policy: "drop-oldest",
    });
    bench.droppable = [500, 500, 500];
    bench.isDeviceSlow = true;
    const first = watch(bench.append(100));
    // Somebody else has freed some meanwhile.
    bench.deviceFree = 1200;
    for (let turn = 0; turn < 10; turn++) {
      bench.answer();
      await settle(1);
    }
    assert.deepEqual([first.state, bench.drops], ["resolved", 0]);
    const second = watch(bench.append(400));
    bench.deviceFree = 1000;
    for (let turn = 0; turn < 10; turn++) {
      bench.answer();
      await settle(1);
    }
    assert.deepEqual([second.state, bench.drops], ["resolved", 1]);
  });

  test("whoever comes just when the last one was served is not forgotten", async () => {
    const bench = new GuardBench({ maxBytes: 300, policy: "drop-oldest" });
    for (let count = 0; count < 50; count++) {
      bench.used = 300;
      bench.droppable = [100, 100, 100];
      const first = bench.append(50);
      const next = first.then(() => {
        bench.used = 300;
        bench.droppable = [100, 100, 100];
        return bench.append(50);
      });
      await next;
    }
    assert.equal(bench.taken.length, 100);
  });

  test("refuses everybody when dropping fails", async () => {
    const bench = new GuardBench({ maxBytes: 1000, policy: "drop-oldest" });
    bench.used = 1000;
    Object.defineProperty(bench, "droppable", {
      get: () => {
        throw Object.assign(new Error("EIO"), { code: "WAL_IO" });
      },
    });
    const waiting = [watch(bench.append(10)), watch(bench.append(10))];
    await settle(1);
    assert.deepEqual(
      waiting.map(({ code }) => code),
      ["WAL_IO", "WAL_IO"],
    );
  });
});

suite("GuardedCommit: reserve", () => {
  test("leaves the reserve alone, counting what it has let through since it asked", async () => {
    const bench = new GuardBench({ reserveFreeBytes: 1000, deviceFreeBytes: 1000 + 400 });
    await bench.append(100);
    await bench.append(100);
    await assert.rejects(bench.append(0), FULL);
  });

  test("asks again when it refuses: writing resumes when others have made room", async () => {
    const bench = new GuardBench({ reserveFreeBytes: 1000, deviceFreeBytes: 1000 });
    await assert.rejects(bench.append(10), FULL);
    bench.deviceFree = 2000;
    await settle(1);
    await assert.rejects(bench.append(5000), FULL);
    await settle(1);
    assert.equal(await bench.append(10), 1);
  });

  test("counts what the device does not know of yet", async () => {
    const bench = new GuardBench({ reserveFreeBytes: 1000, deviceFreeBytes: 0 });
    bench.pending = 500;
    bench.deviceFree = 1600;
    await assert.rejects(bench.append(10), FULL);
    await settle(1);
    await assert.rejects(bench.append(100), FULL);
    await settle(1);
    assert.equal(await bench.append(10), 1);
  });

  test("asks now and then while it lets through", async () => {
    const bench = new GuardBench({ reserveFreeBytes: 1, deviceFreeBytes: 100 * 1024 * 1024 });
    for (let count = 0; count < 9; count++) await bench.append(1024 * 1024);
    assert.equal(bench.deviceQuestions, 2);
  });

  test("keeps the last answer when the device does not say", async () => {
    const bench = new GuardBench({ reserveFreeBytes: 1000, deviceFreeBytes: 1500 });
    bench.deviceFails = true;
    await assert.rejects(bench.append(600), FULL);
    await settle(1);
    assert.equal(await bench.append(100), 1);
  });
});
