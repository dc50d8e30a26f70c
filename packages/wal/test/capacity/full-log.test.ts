/** Logs with a budget: what each policy does to appends, readers, cursors and the log when it is full. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { StorageError, WrappedStorage } from "@walnut/testkit";
import { isWalError, type Wal, type WalOptions } from "@walnut/wal";
import { bytesText, Machine, readTexts, settle, textBytes } from "../machine.ts";
import { watch } from "./guard-bench.ts";

const SEGMENT_BYTES = 8 * 1024;
const BUDGET: Partial<WalOptions> = {
  segmentSizeBytes: SEGMENT_BYTES,
  maxLogBytes: 4 * SEGMENT_BYTES,
};
/** Headers and marks that a budget does not count ahead: one of each for a segment. */
const UNCOUNTED_BYTES = 5 * (64 + 112);
const RECORD_BYTES = 1000;

function record(number: number): Uint8Array {
  return textBytes(`r${number} `.padEnd(RECORD_BYTES, "."));
}

/** Appends one record after the other until one is refused; returns how many were taken. */
async function fill(wal: Wal, from = 1): Promise<number> {
  for (let number = from; ; number++) {
    try {
      await wal.append(record(number));
    } catch (error) {
      if (isWalError(error, "WAL_NO_SPACE")) return number - 1;
      throw error;
    }
  }
}

async function numbersIn(wal: Wal): Promise<number[]> {
  const texts = await readTexts(wal);
  return texts.map((text) => Number(/:r(\d+) /.exec(text)?.[1]));
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function bytesOf(wal: Wal): number {
  return wal.status().segments.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

suite("maxLogBytes, reject", () => {
  test("takes about as much as the budget says, keeps all of it, and names the limit", async () => {
    const wal = await new Machine().open(BUDGET);
    wal.cursor("reader");
    const taken = await fill(wal);
    assert.ok(taken >= 29 && taken <= 31, `${taken} records of 1,000 bytes in 32 KiB`);
    assert.ok(bytesOf(wal) <= 4 * SEGMENT_BYTES);
    assert.deepEqual(await numbersIn(wal), range(1, taken));
    await assert.rejects(wal.append(record(99)), (error: unknown) => {
      assert.ok(isWalError(error, "WAL_NO_SPACE"));
      assert.equal(error.details["maxLogBytes"], 4 * SEGMENT_BYTES);
      return true;
    });
    await wal.close();
  });

  test("takes more when a cursor has moved", async () => {
    const wal = await new Machine().open(BUDGET);
    const cursor = wal.cursor("reader");
    const taken = await fill(wal);
    await cursor.ack(10);
    assert.ok(wal.positions.firstLsn > 1);
    assert.equal(await wal.append(record(taken + 1)), taken + 1);
    await wal.close();
  });

  test("takes more when everything was acknowledged, though all of it is in the active segment", async () => {
    const wal = await new Machine().open({ ...BUDGET, maxLogBytes: SEGMENT_BYTES });
    const cursor = wal.cursor("reader");
    const taken = await fill(wal);
    await cursor.ack(taken);
    await assert.rejects(wal.append(record(taken + 1)), { code: "WAL_NO_SPACE" });
    await settle();
    assert.equal(await wal.append(record(taken + 1)), taken + 1);
    assert.equal(wal.positions.firstLsn, taken + 1);
    await wal.close();
  });

  test("does not count twice what is just being written", async () => {
    const wal = await new Machine().open({ ...BUDGET, maxLogBytes: 2 * SEGMENT_BYTES });
    // A group over several segments, and appends at every moment of it.
    const appends: Promise<number>[] = [];
    for (let number = 1; number <= 14; number++) {
      appends.push(wal.append(record(number)));
      if (number % 3 === 0) await Promise.resolve();
    }
    assert.deepEqual(await Promise.all(appends), range(1, 14));
    await wal.close();
  });

  test("refuses a batch that the whole budget could not hold as too large, and goes on", async () => {
    const wal = await new Machine().open(BUDGET);
    const batch = range(1, 40).map(record);
    await assert.rejects(wal.appendBatch(batch), { code: "WAL_RECORD_TOO_LARGE" });
    await assert.rejects(wal.append(new Uint8Array(40_000)), { code: "WAL_RECORD_TOO_LARGE" });
    assert.equal(await wal.append(record(1)), 1);
    await wal.close();
  });

  test("counts what was there before: a log that is opened full is full", async () => {
    const machine = new Machine();
    const first = await machine.open(BUDGET);
    first.cursor("reader");
    const taken = await fill(first);
    await first.close();
    const wal = await machine.open(BUDGET);
    await assert.rejects(wal.append(record(taken + 1)), { code: "WAL_NO_SPACE" });
    await wal.cursor("reader").ack(taken);
    await settle();
    assert.equal(await wal.append(record(taken + 1)), taken + 1);
    await wal.close();
  });
});

suite("maxLogBytes, block", () => {
  const BLOCK: Partial<WalOptions> = { ...BUDGET, whenFull: "block", blockTimeoutMs: 5000 };

  /** A full log, and its last LSN: the next append waits. */
  async function fullLog(machine: Machine, options: Partial<WalOptions> = {}): Promise<Wal> {
    const wal = await machine.open({ ...BLOCK, ...options });
    wal.cursor("reader");
    for (let number = 1; number <= 40; number++) {
      const append = watch(wal.append(record(number)));
      await settle(2);
      if (append.state === "pending") {
        machine.clock.advance(5000);
        await settle();
        assert.equal(append.code, "WAL_NO_SPACE");
        return wal;
      }
    }
    throw new Error("the log is not full");
  }

  test("an append waits until a cursor moves, and those behind it keep their order", async () => {
    const machine = new Machine();
    const wal = await fullLog(machine);
    const { appendedLsn } = wal.positions;
    const payload = record(appendedLsn + 1);
    const waiting = [watch(wal.append(payload)), watch(wal.append(record(appendedLsn + 2)))];
    payload.fill(0);
    await settle();
    assert.deepEqual(
      waiting.map(({ state }) => state),
      ["pending", "pending"],
    );
    await wal.cursor("reader").ack(14);
    await settle();
    assert.deepEqual(
      waiting.map(({ value }) => value),
      [appendedLsn + 1, appendedLsn + 2],
    );
    const numbers = await numbersIn(wal);
    assert.deepEqual(numbers.slice(-2), [appendedLsn + 1, appendedLsn + 2]);
    await wal.close();
  });

  test("an append waits no longer than its deadline", async () => {
    const machine = new Machine();
    const wal = await fullLog(machine);
    const waiting = watch(wal.append(record(99)));
    await settle();
    machine.clock.advance(4999);
    await settle();
    assert.equal(waiting.state, "pending");
    machine.clock.advance(1);
    await settle();
    assert.equal(waiting.code, "WAL_NO_SPACE");
    await wal.close();
  });

  test("closing refuses those who wait and loses nothing", async () => {
    const machine = new Machine();
    const wal = await fullLog(machine);
    const { appendedLsn } = wal.positions;
    const waiting = watch(wal.append(record(99)));
    await wal.close();
    assert.equal(waiting.code, "WAL_CLOSED");
    const reopened = await machine.open(BLOCK);
    assert.deepEqual(await numbersIn(reopened), range(1, appendedLsn));
    await reopened.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });

  test("at level interval, what has waited is synced within the interval of being written", async () => {
    const machine = new Machine();
    const wal = await fullLog(machine, { durability: "interval", syncIntervalMs: 100 });
    const waiting = watch(wal.append(record(99)));
    machine.clock.advance(1000);
    await settle();
    await wal.cursor("reader").ack(14);
    await settle();
    assert.equal(waiting.state, "resolved");
    machine.clock.advance(100);
    await settle();
    assert.equal(wal.positions.durableLsn, waiting.value);
    await wal.close();
  });

  test("a failed sync refuses those who wait: nothing will ever be released for them", async () => {
    let fails = false;
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          intercept: (call, proceed) =>
            fails && call.kind === "syncData"
              ? Promise.reject(new StorageError("EIO", call))
              : proceed(),
        }),
    });
    const wal = await fullLog(machine, { durability: "async" });
    const waiting = watch(wal.append(record(99)));
    await settle();
    fails = true;
    await assert.rejects(wal.sync(), { code: "WAL_IO" });
    machine.clock.advance(250);
    await settle();
    assert.equal(waiting.code, "WAL_POISONED");
    await assert.rejects(wal.append(record(100)), { code: "WAL_POISONED" });
    await wal.close();
  });
});

suite("maxLogBytes, drop-oldest", () => {
  const DROP: Partial<WalOptions> = { ...BUDGET, whenFull: "drop-oldest" };

  test("keeps the newest, within the budget, and names every range with who was behind", async () => {
    const machine = new Machine();
    const wal = await machine.open(DROP);
    const slow = wal.cursor("slow");
    const quick = wal.cursor("quick");
    for (let number = 1; number <= 100; number++) {
      assert.equal(await wal.append(record(number)), number);
      assert.ok(bytesOf(wal) <= 4 * SEGMENT_BYTES + UNCOUNTED_BYTES);
      if (number === 20) await slow.ack(3);
      if (number % 10 === 0) await quick.ack(number);
    }
    const { firstLsn } = wal.positions;
    assert.ok(firstLsn > 60);
    assert.deepEqual(await numbersIn(wal), range(firstLsn, 100));
    const dropped = wal.status().dropped;
    assert.ok(dropped !== undefined);
    const named = dropped.oldestRanges.flatMap((one) => range(one.firstLsn, one.lastLsn));
    assert.deepEqual(named, range(4, firstLsn - 1), "every record that slow had not passed, once");
    assert.equal(dropped.oldestRecords, named.length);
    assert.ok(dropped.oldestRanges.every(({ cursors }) => cursors.join() === "slow"));
    assert.equal(wal.metrics().droppedRecords, named.length);
    assert.equal(slow.lsn, firstLsn - 1);
    assert.equal(quick.lsn, 100);
    await wal.close();
    const reopened = await machine.open(DROP);
    assert.equal(reopened.cursor("slow").lsn, firstLsn - 1);
    await reopened.close();
  });

  test("without cursors counts everything that goes", async () => {
    const wal = await new Machine().open(DROP);
    for (let number = 1; number <= 60; number++) await wal.append(record(number));
    const { firstLsn } = wal.positions;
    assert.equal(wal.status().dropped?.oldestRecords, firstLsn - 1);
    await wal.close();
  });

  test("drops nothing that cursors do not hold: they release it", async () => {
    const wal = await new Machine().open(DROP);
    const cursor = wal.cursor("reader");
    for (let number = 1; number <= 100; number++) {
      await wal.append(record(number));
      await cursor.ack(number);
    }
    assert.equal(wal.status().dropped?.oldestRecords, 0);
    await wal.close();
  });

  test("a reader inside what is dropped is told; one that is further goes on", async () => {
    const wal = await new Machine().open(DROP);
    for (let number = 1; number <= 28; number++) await wal.append(record(number));
    const behind = wal.read({ from: 1 });
    const ahead = wal.read({ from: 26 });
    assert.equal((await behind.next()).value?.lsn, 1);
    assert.equal((await ahead.next()).value?.lsn, 26);
    for (let number = 29; number <= 50; number++) await wal.append(record(number));
    assert.ok(wal.positions.firstLsn > 10);
    const { firstLsn } = wal.positions;
    const rest = (async () => {
      let last = 1;
      for await (const { lsn } of behind) {
        assert.equal(lsn, last + 1, "what it still delivers is in order");
        last = lsn;
      }
    })();
    await assert.rejects(rest, (error: unknown) => {
      assert.ok(isWalError(error, "WAL_LSN_TRUNCATED"));
      assert.equal(error.details["firstLsn"], firstLsn);
      return true;
    });
    const texts: string[] = [];
    for await (const { payload } of ahead) texts.push(bytesText(payload).slice(0, 3));
    assert.deepEqual(
      texts,
      range(27, 50).map((number) => `r${number}`),
    );
    await wal.close();
  });

  test("one append that needs several segments drops several", async () => {
    const wal = await new Machine().open(DROP);
    for (let number = 1; number <= 30; number++) await wal.append(record(number));
    const large = await wal.append(new Uint8Array(20_000));
    assert.equal(large, 31);
    assert.ok(bytesOf(wal) <= 4 * SEGMENT_BYTES + UNCOUNTED_BYTES);
    assert.ok(wal.positions.firstLsn <= 31);
    await wal.close();
  });

  test("appends of many callers at once keep their order", async () => {
    const wal = await new Machine().open(DROP);
    const settled: number[] = [];
    const appends = range(1, 200).map(async (number) => {
      settled.push(await wal.append(record(number)));
    });
    await Promise.all(appends);
    assert.deepEqual(settled, range(1, 200));
    assert.deepEqual(await numbersIn(wal), range(wal.positions.firstLsn, 200));
    await wal.close();
  });

  test("a log that begins with a segment without records can still be dropped", async () => {
    const machine = new Machine();
    const first = await machine.open(DROP);
    for (let number = 1; number <= 5; number++) await first.append(record(number));
    await first.truncateBack(0);
    await first.close();
    const wal = await machine.open(DROP);
    for (let number = 1; number <= 60; number++) await wal.append(record(number));
    assert.deepEqual(await numbersIn(wal), range(wal.positions.firstLsn, 60));
    await wal.close();
  });
});

suite("maxLogBytes, drop-newest", () => {
  test("keeps the oldest, answers 0 and counts; takes more when there is room", async () => {
    const wal = await new Machine().open({ ...BUDGET, whenFull: "drop-newest" });
    const cursor = wal.cursor("reader");
    let taken = 0;
    for (let number = 1; number <= 50; number++) {
      const lsn = await wal.append(record(number));
      if (lsn !== 0) taken = lsn;
    }
    assert.deepEqual(await numbersIn(wal), range(1, taken));
    const range0 = await wal.appendBatch([record(1), record(2)]);
    assert.deepEqual(range0, { firstLsn: 0, lastLsn: 0 });
    const { newestRecords, newestBytes } = wal.status().dropped ?? {
      newestRecords: 0,
      newestBytes: 0,
    };
    assert.equal(newestRecords, 50 - taken + 2);
    assert.equal(newestBytes, newestRecords * RECORD_BYTES);
    await cursor.ack(taken);
    await settle();
    assert.equal(await wal.append(record(taken + 1)), taken + 1);
    await wal.close();
  });
});
