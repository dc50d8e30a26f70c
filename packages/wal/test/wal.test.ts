import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SeededRandom } from "@walnut/testkit";
import { DURABILITY_LEVELS, isWalError, type Wal, type WalErrorCode } from "@walnut/wal";
import {
  appendNumbered,
  bytesText,
  LOG_DIRECTORY,
  Machine,
  numbered,
  readTexts,
  settle,
  textBytes,
} from "./machine.ts";

function hasCode(code: WalErrorCode): (error: unknown) => boolean {
  return (error) => isWalError(error, code);
}

suite("append", () => {
  test("gives dense LSNs from 1 and reads back what was appended", async () => {
    const wal = await new Machine().open();
    for (let lsn = 1; lsn <= 5; lsn++) assert.equal(await wal.append(textBytes(`r${lsn}`)), lsn);
    await appendNumbered(wal, 100);
    assert.deepEqual(await readTexts(wal), numbered(1, 105));
    await wal.close();
  });

  test("copies the payload before it returns", async () => {
    const wal = await new Machine().open();
    const payload = textBytes("as it was");
    const appended = wal.append(payload);
    payload.fill(0);
    await appended;
    assert.deepEqual(await readTexts(wal), ["1:as it was"]);
    await wal.close();
  });

  test("takes an empty payload for a record", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await wal.append(new Uint8Array(0));
    await wal.appendBatch([new Uint8Array(0), new Uint8Array(0)]);
    assert.deepEqual(await readTexts(wal), ["1:", "2:", "3:"]);
    await wal.close();
    assert.deepEqual(await readTexts(await machine.open()), ["1:", "2:", "3:"]);
  });

  test("takes a view into larger memory, and any kind of Uint8Array", async () => {
    const wal = await new Machine().open();
    const memory = textBytes("0123456789");
    await wal.append(memory.subarray(3, 6));
    await wal.append(Buffer.from("buffer"));
    assert.deepEqual(await readTexts(wal), ["1:345", "2:buffer"]);
    await wal.close();
  });

  test("takes a record larger than buffer, frame and segment", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const huge = new SeededRandom(5).bytes(3 * 1024 * 1024 + 17);
    await wal.append(textBytes("before"));
    await wal.append(huge);
    await wal.append(textBytes("behind"));
    const check = async (log: Wal): Promise<void> => {
      const payloads: Uint8Array[] = [];
      for await (const { payload } of log.read()) payloads.push(payload);
      assert.equal(payloads.length, 3);
      assert.ok(Buffer.from(payloads[1] ?? []).equals(huge));
      assert.equal(bytesText(payloads[2] ?? new Uint8Array(0)), "behind");
    };
    await check(wal);
    await wal.close();
    await check(await machine.open({ recovery: "strict" }));
  });

  test("keeps the kind of each record", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let kind = 0; kind <= 15; kind++) await wal.append(textBytes("x"), { kind });
    await wal.appendBatch([textBytes("y"), textBytes("z")], { kind: 5 });
    const kindsOf = async (log: Wal): Promise<number[]> => {
      const kinds: number[] = [];
      for await (const { kind } of log.read()) kinds.push(kind);
      return kinds;
    };
    const expected = [...Array.from({ length: 16 }, (_, kind) => kind), 5, 5];
    assert.deepEqual(await kindsOf(wal), expected);
    await wal.close();
    assert.deepEqual(await kindsOf(await machine.open()), expected);
  });

  test("refuses a payload over maxRecordBytes and takes one of exactly that", async () => {
    const wal = await new Machine().open({ maxRecordBytes: 100 });
    await assert.rejects(wal.append(new Uint8Array(101)), hasCode("WAL_RECORD_TOO_LARGE"));
    await assert.rejects(
      wal.appendBatch([new Uint8Array(1), new Uint8Array(101)]),
      hasCode("WAL_RECORD_TOO_LARGE"),
    );
    assert.equal(await wal.append(new Uint8Array(100)), 1);
    await wal.close();
  });

  for (const payload of ["text", undefined, null, 5, [1], new ArrayBuffer(1)]) {
    test(`refuses ${Object.prototype.toString.call(payload)} as a payload`, async () => {
      const wal = await new Machine().open();
      // What a caller in plain JavaScript can pass.
      const notBytes = payload as unknown as Uint8Array;
      await assert.rejects(async () => await wal.append(notBytes), TypeError);
      await assert.rejects(async () => await wal.appendBatch([notBytes]), TypeError);
      assert.equal(wal.positions.appendedLsn, 0);
      await wal.close();
    });
  }

  test("runs continuations in LSN order", async () => {
    const wal = await new Machine().open();
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        order.push(await wal.append(textBytes(`r${index}`)));
      }),
    );
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    );
    await wal.close();
  });

  test("refuses with WAL_OVERLOADED what would wait beyond the limit, and takes it later", async () => {
    const wal = await new Machine().open({ maxPendingBytes: 128 * 1024 });
    const payload = new Uint8Array(10_000);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 60 }, () => wal.append(payload)),
    );
    const refused = outcomes.filter((outcome) => outcome.status === "rejected");
    assert.ok(refused.length > 30);
    for (const { reason } of refused) assert.ok(isWalError(reason, "WAL_OVERLOADED"));
    assert.equal(await wal.append(payload), 60 - refused.length + 1);
    await wal.close();
  });
});

suite("appendBatch", () => {
  test("gives first and last LSN", async () => {
    const wal = await new Machine().open();
    await wal.append(textBytes("a"));
    const batch = [textBytes("b"), textBytes("c"), textBytes("d")];
    assert.deepEqual(await wal.appendBatch(batch), { firstLsn: 2, lastLsn: 4 });
    assert.deepEqual(await readTexts(wal), ["1:a", "2:b", "3:c", "4:d"]);
    await wal.close();
  });

  test("refuses an empty batch", async () => {
    const wal = await new Machine().open();
    await assert.rejects(wal.appendBatch([]), RangeError);
    await wal.close();
  });

  test("refuses a batch with one bad payload as a whole", async () => {
    const wal = await new Machine().open({ maxRecordBytes: 10 });
    const batch = [textBytes("good"), new Uint8Array(11), textBytes("good")];
    await assert.rejects(wal.appendBatch(batch), hasCode("WAL_RECORD_TOO_LARGE"));
    await wal.append(textBytes("next"));
    assert.deepEqual(await readTexts(wal), ["1:next"]);
    await wal.close();
  });

  test("takes a batch that spans frames, and one larger than a segment", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const batch = Array.from({ length: 30 }, (_, index) => new Uint8Array(1500).fill(index));
    assert.deepEqual(await wal.appendBatch(batch), { firstLsn: 1, lastLsn: 30 });
    await wal.close();
    const values: number[] = [];
    for await (const { payload } of (await machine.open()).read()) values.push(payload[9] ?? -1);
    assert.deepEqual(
      values,
      batch.map((_, index) => index),
    );
  });

  test("copies every payload before it returns", async () => {
    const wal = await new Machine().open();
    const batch = [textBytes("one"), textBytes("two")];
    const appended = wal.appendBatch(batch);
    for (const payload of batch) payload.fill(0);
    await appended;
    assert.deepEqual(await readTexts(wal), ["1:one", "2:two"]);
    await wal.close();
  });
});

suite("durability levels", () => {
  for (const durability of ["fsync", "fdatasync"] as const) {
    test(`${durability}: a resolved append survives power loss`, async () => {
      const machine = new Machine();
      const wal = await machine.open({ durability, segmentSizeBytes: 8192 });
      for (let count = 1; count <= 30; count++) {
        await wal.append(textBytes(`r${count}`.padEnd(900, " ")));
        const after = await machine.afterPowerLoss().open();
        assert.equal(after.positions.durableLsn, count);
      }
      await wal.close();
    });
  }

  for (const durability of ["interval", "async"] as const) {
    test(`${durability}: a resolved append survives the death of the process`, async () => {
      const machine = new Machine();
      const wal = await machine.open({ durability });
      for (let count = 1; count <= 10; count++) {
        await wal.append(textBytes(`r${count}`));
        assert.equal(wal.positions.writtenLsn, count);
      }
      const dead = machine.disk.processCrash({ random: new SeededRandom(1) });
      const after = await new Machine({ disk: dead }).open();
      assert.deepEqual(await readTexts(after), numbered(1, 10));
    });
  }

  test("memory: an append resolves before anything is written, and a close keeps it", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "memory" });
    assert.equal(await wal.append(textBytes("r1")), 1);
    assert.equal(wal.positions.writtenLsn, 0);
    await wal.append(textBytes("r2"));
    await wal.close();
    assert.deepEqual(await readTexts(await machine.open()), numbered(1, 2));
  });

  test("off: LSNs are given out and nothing is kept", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "off" });
    assert.equal(await wal.append(textBytes("a")), 1);
    assert.deepEqual(await wal.appendBatch([textBytes("b"), textBytes("c")]), {
      firstLsn: 2,
      lastLsn: 3,
    });
    assert.equal(wal.positions.appendedLsn, 3);
    await settle();
    await wal.sync();
    await wal.rotate();
    assert.deepEqual(await readTexts(wal), []);
    await wal.close();
    assert.deepEqual(await readTexts(await machine.open()), []);
  });

  for (const durability of DURABILITY_LEVELS.filter((level) => level !== "off")) {
    test(`${durability}: sync makes everything durable, close keeps everything`, async () => {
      const machine = new Machine();
      const wal = await machine.open({ durability });
      await appendNumbered(wal, 20);
      await wal.sync();
      assert.equal(wal.positions.durableLsn, 20);
      assert.deepEqual(await readTexts(await machine.afterPowerLoss().open()), numbered(1, 20));
      await appendNumbered(wal, 5);
      await wal.close();
      assert.deepEqual(await readTexts(await machine.afterPowerLoss().open()), numbered(1, 25));
    });
  }

  test("one append can ask for more than the log's level, and takes those before it along", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async" });
    await wal.append(textBytes("r1"));
    assert.equal(wal.positions.durableLsn, 0);
    await wal.append(textBytes("r2"), { durability: "fdatasync" });
    assert.equal(wal.positions.durableLsn, 2);
    assert.deepEqual(await readTexts(await machine.afterPowerLoss().open()), numbered(1, 2));
    await wal.close();
  });

  test("one append can ask for less than the log's level", async () => {
    const wal = await new Machine().open({ durability: "fdatasync" });
    await wal.append(textBytes("r1"), { durability: "memory" });
    assert.equal(wal.positions.durableLsn, 0);
    await wal.appendBatch([textBytes("r2"), textBytes("r3")], { durability: "async" });
    assert.equal(wal.positions.writtenLsn, 3);
    assert.equal(wal.positions.durableLsn, 0);
    await wal.append(textBytes("r4"));
    assert.equal(wal.positions.durableLsn, 4);
    await wal.close();
  });

  test("interval: a trickle of one record every 10 ms is durable within the period", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "interval", syncIntervalMs: 100 });
    const appendedAtMs: number[] = [];
    for (let count = 1; count <= 100; count++) {
      await wal.append(textBytes(`r${count}`));
      appendedAtMs.push(machine.clock.monotonicMs());
      machine.clock.advance(10);
      await settle(2);
      const mustBeDurable = appendedAtMs.filter(
        (time) => machine.clock.monotonicMs() - time >= 100,
      );
      assert.ok(wal.positions.durableLsn >= mustBeDurable.length, `record ${mustBeDurable.length}`);
    }
    const { syncs } = wal.status().totals;
    assert.ok(syncs <= 25, `${syncs} syncs in a second`);
    machine.clock.advance(100);
    await settle(2);
    assert.equal(wal.positions.durableLsn, 100);
    await wal.close();
  });

  test("interval: a sync is due at once after so many bytes", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "interval", syncIntervalBytes: 1000 });
    await wal.append(new Uint8Array(999));
    await settle();
    assert.equal(wal.positions.durableLsn, 0);
    await wal.append(new Uint8Array(1));
    await settle();
    assert.equal(wal.positions.durableLsn, 2);
    await wal.close();
  });

  test("interval, for one append of a log of another level, is kept as well", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async", syncIntervalMs: 100 });
    await wal.append(textBytes("x"), { durability: "interval" });
    machine.clock.advance(100);
    await settle();
    assert.equal(wal.positions.durableLsn, 1);
    await wal.close();
  });
});

suite("read", () => {
  test("delivers nothing from an empty log", async () => {
    const wal = await new Machine().open();
    assert.deepEqual(await readTexts(wal), []);
    assert.deepEqual(wal.positions, { firstLsn: 1, appendedLsn: 0, writtenLsn: 0, durableLsn: 0 });
    await wal.close();
  });

  test("delivers any range, whatever frames and segments it touches", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (const count of [1, 7, 3, 5, 4]) {
      await appendNumbered(wal, count);
      if (count % 2 === 1) await wal.rotate();
    }
    for (let from = 1; from <= 21; from++) {
      for (let to = from; to <= 21; to++) {
        assert.deepEqual(await readTexts(wal, { from, to }), numbered(from, Math.min(to, 20)));
      }
    }
    await wal.close();
  });

  test("delivers nothing from an LSN that is not there yet", async () => {
    const wal = await new Machine().open();
    await appendNumbered(wal, 5);
    for (const from of [6, 7, 1000, Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual(await readTexts(wal, { from }), []);
    }
    await wal.close();
  });

  test("delivers nothing when the range is empty", async () => {
    const wal = await new Machine().open();
    await appendNumbered(wal, 10);
    assert.deepEqual(await readTexts(wal, { from: 5, to: 3 }), []);
    await wal.close();
  });

  for (const from of [0, -1, 1.5, Number.NaN]) {
    test(`refuses to begin with LSN ${from}`, async () => {
      const wal = await new Machine().open();
      assert.throws(() => wal.read({ from }), RangeError);
      assert.throws(() => wal.tail({ from }), RangeError);
      await wal.close();
    });
  }

  test("sees what is durable, or with another visibility what is written", async () => {
    const wal = await new Machine().open({ durability: "async" });
    await appendNumbered(wal, 3);
    assert.deepEqual(await readTexts(wal), []);
    assert.deepEqual(await readTexts(wal, { visibility: "written" }), numbered(1, 3));
    await wal.sync();
    assert.deepEqual(await readTexts(wal), numbered(1, 3));
    await wal.close();
  });

  test("leaves payloads untouched that were handed out", async () => {
    const wal = await new Machine().open();
    for (let count = 0; count < 50; count++) await wal.append(new Uint8Array(500).fill(count));
    const payloads: Uint8Array[] = [];
    for await (const { payload } of wal.read()) payloads.push(payload);
    await appendNumbered(wal, 100);
    assert.deepEqual(
      payloads.map((payload) => [...new Set(payload)]),
      payloads.map((_, index) => [index]),
    );
    await wal.close();
  });

  test("closes its file when the loop is left", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 10);
    const { openFiles } = machine.disk;
    for await (const { lsn } of wal.read()) if (lsn === 3) break;
    assert.deepEqual(machine.disk.openFiles, openFiles);
    await readTexts(wal);
    assert.deepEqual(machine.disk.openFiles, openFiles);
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
  });

  test("delivers every record once when the next one is asked for before the last has come", async () => {
    const wal = await new Machine().open();
    for (let count = 1; count <= 6; count++) await wal.append(textBytes(`r${count}`));
    const records = wal.read();
    const results = await Promise.all(Array.from({ length: 7 }, () => records.next()));
    const lsns = results.flatMap(({ value }) => (value === undefined ? [] : [value.lsn]));
    assert.deepEqual(lsns, [1, 2, 3, 4, 5, 6]);
    await wal.close();
  });

  test("delivers the same in batches", async () => {
    const wal = await new Machine().open();
    for (const count of [3, 1, 6]) await appendNumbered(wal, count);
    const texts: string[] = [];
    for await (const batch of wal.readBatches({ from: 2, to: 9 })) {
      assert.ok(batch.length > 0);
      for (const { lsn, payload } of batch) texts.push(`${lsn}:${bytesText(payload)}`);
    }
    assert.deepEqual(texts, numbered(2, 9));
    await wal.close();
  });
});

suite("tail", () => {
  /** Collects what a tail delivers until it ends or fails. */
  function collect(
    wal: Wal,
    options?: Parameters<Wal["tail"]>[0],
  ): { readonly texts: string[]; readonly ended: Promise<unknown> } {
    const texts: string[] = [];
    const run = async (): Promise<unknown> => {
      try {
        for await (const { lsn, payload } of wal.tail(options))
          texts.push(`${lsn}:${bytesText(payload)}`);
        return "ended";
      } catch (error) {
        return error;
      }
    };
    return { texts, ended: run() };
  }

  test("waits for the first record, for more, and over rotations", async () => {
    const wal = await new Machine().open();
    const { texts, ended } = collect(wal);
    await settle();
    assert.deepEqual(texts, []);
    for (let round = 0; round < 5; round++) {
      await appendNumbered(wal, 4);
      await settle(20);
      assert.deepEqual(texts, numbered(1, (round + 1) * 4));
      await wal.rotate();
    }
    await wal.close();
    assert.equal(await ended, "ended");
    assert.deepEqual(texts, numbered(1, 20));
  });

  test("begins anywhere, also at an LSN that does not exist yet", async () => {
    const wal = await new Machine().open();
    await appendNumbered(wal, 3);
    const tails = [2, 4, 6].map((from) => ({ from, ...collect(wal, { from }) }));
    await settle(20);
    await appendNumbered(wal, 5);
    await wal.close();
    for (const { from, texts, ended } of tails) {
      await ended;
      assert.deepEqual(texts, numbered(from, 8));
    }
  });

  test("does not deliver what is written and not durable, unless it is asked to", async () => {
    const wal = await new Machine().open({ durability: "async" });
    const durable = collect(wal);
    const written = collect(wal, { visibility: "written" });
    await appendNumbered(wal, 3);
    await settle(20);
    assert.deepEqual(durable.texts, []);
    assert.deepEqual(written.texts, numbered(1, 3));
    await wal.sync();
    await settle(20);
    assert.deepEqual(durable.texts, numbered(1, 3));
    await wal.close();
    await Promise.all([durable.ended, written.ended]);
  });

  test("delivers everything that close makes durable before it ends", async () => {
    const wal = await new Machine().open({ durability: "memory" });
    const { texts, ended } = collect(wal);
    await appendNumbered(wal, 50);
    await wal.close();
    assert.equal(await ended, "ended");
    assert.deepEqual(texts, numbered(1, 50));
  });

  for (const when of ["before", "while waiting"] as const) {
    test(`ends with WAL_ABORTED when its signal fires ${when}`, async () => {
      const machine = new Machine();
      const wal = await machine.open();
      await appendNumbered(wal, 2);
      const { openFiles } = machine.disk;
      const controller = new AbortController();
      if (when === "before") controller.abort();
      const { texts, ended } = collect(wal, { signal: controller.signal });
      await settle(20);
      controller.abort(new Error("enough"));
      const error = await ended;
      assert.ok(isWalError(error, "WAL_ABORTED"));
      assert.deepEqual(texts, when === "before" ? [] : numbered(1, 2));
      await settle();
      assert.deepEqual(machine.disk.openFiles, openFiles);
      await wal.close();
    });
  }

  test("leaves nothing behind when the loop is left", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 2);
    const { openFiles } = machine.disk;
    for await (const { lsn } of wal.tail()) if (lsn === 2) break;
    assert.deepEqual(machine.disk.openFiles, openFiles);
    await wal.close();
  });

  test("serves many readers at once", async () => {
    const wal = await new Machine().open();
    const tails = Array.from({ length: 20 }, () => collect(wal));
    for (let round = 0; round < 10; round++) {
      await appendNumbered(wal, 3);
      if (round % 3 === 0) await wal.rotate();
    }
    await wal.close();
    for (const { texts, ended } of tails) {
      assert.equal(await ended, "ended");
      assert.deepEqual(texts, numbered(1, 30));
    }
  });
});

suite("positions", () => {
  test("go on from one opening to the next", async () => {
    const machine = new Machine();
    for (let round = 0; round < 4; round++) {
      const wal = await machine.open();
      const last = round * 3;
      const at = { appendedLsn: last, writtenLsn: last, durableLsn: last };
      assert.deepEqual(wal.positions, { firstLsn: 1, ...at });
      await appendNumbered(wal, 3);
      await wal.close();
    }
    assert.deepEqual(await readTexts(await machine.open()), numbered(1, 12));
  });

  test("are in order at every moment", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async" });
    for (let round = 0; round < 50; round++) {
      void wal.append(textBytes("x"));
      if (round % 7 === 0) void wal.append(textBytes("y"), { durability: "fdatasync" });
      if (round % 5 === 0) await settle(1);
      const { firstLsn, appendedLsn, writtenLsn, durableLsn } = wal.positions;
      assert.ok(
        firstLsn - 1 <= durableLsn && durableLsn <= writtenLsn && writtenLsn <= appendedLsn,
      );
    }
    await wal.close();
  });
});

suite("rotate", () => {
  test("closes the active segment, and does nothing when it holds no record", async () => {
    const wal = await new Machine().open();
    await wal.rotate();
    assert.equal(wal.status().segments.length, 0);
    await appendNumbered(wal, 1);
    await wal.rotate();
    await wal.rotate();
    assert.deepEqual(
      wal
        .status()
        .segments.map(({ segmentId, firstLsn, lastLsn, isSealed }) => [
          segmentId,
          firstLsn,
          lastLsn,
          isSealed,
        ]),
      [
        [1, 1, 1, true],
        [2, 2, 1, false],
      ],
    );
    await wal.close();
  });

  test("makes what it closes durable, at every level", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async" });
    await appendNumbered(wal, 3);
    await wal.rotate();
    assert.deepEqual(await readTexts(await machine.afterPowerLoss().open()), numbered(1, 3));
    await wal.close();
  });

  test("comes by size, and never splits a batch", async () => {
    const wal = await new Machine().open({ segmentSizeBytes: 8192 });
    for (let round = 0; round < 10; round++) {
      await wal.appendBatch(Array.from({ length: 5 }, () => new Uint8Array(700)));
    }
    const { segments } = wal.status();
    assert.ok(segments.length >= 5);
    for (const { firstLsn, sizeBytes, isSealed } of segments) {
      assert.equal((firstLsn - 1) % 5, 0);
      if (isSealed) assert.ok(sizeBytes <= 8192);
    }
    await wal.close();
  });

  test("comes by age, by the virtual clock", async () => {
    const machine = new Machine();
    const wal = await machine.open({ segmentMaxAgeMs: 60_000 });
    await appendNumbered(wal, 1);
    machine.clock.advance(59_999);
    await settle();
    assert.equal(wal.status().totals.rotations, 0);
    machine.clock.advance(1);
    await settle();
    assert.equal(wal.status().totals.rotations, 1);
    machine.clock.advance(600_000);
    await settle();
    assert.equal(wal.status().totals.rotations, 1);
    await wal.close();
  });
});

suite("idle log", () => {
  test("vouches for its last group after the delay, and then opens clean after a crash", async () => {
    const machine = new Machine();
    const wal = await machine.open({ attestDelayMs: 100 });
    await appendNumbered(wal, 3);
    assert.equal((await machine.afterPowerLoss().open()).recovery.verdict, "T6");
    machine.clock.advance(300);
    await settle();
    const after = await machine.afterPowerLoss().open();
    assert.equal(after.recovery.verdict, "T5");
    assert.equal(after.recovery.rewrittenRecords, 0);
    assert.deepEqual(await readTexts(after), numbered(1, 3));
    await wal.close();
  });
});

suite("close", () => {
  test("keeps what was appended and not awaited", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const appended = appendNumbered(wal, 100);
    await wal.close();
    await appended;
    assert.deepEqual(await readTexts(await machine.afterPowerLoss().open()), numbered(1, 100));
  });

  test("leaves no handle, no lock, no timer and a clean end", async () => {
    const machine = new Machine();
    const wal = await machine.open({
      attestDelayMs: 100,
      segmentMaxAgeMs: 1000,
      durability: "interval",
    });
    await appendNumbered(wal, 10);
    await wal.close();
    assert.deepEqual(machine.disk.openFiles, []);
    assert.deepEqual(machine.disk.lockedDirectories, []);
    assert.equal(machine.clock.pendingTimers, 0);
    assert.equal(wal.status().state, "closed");
    assert.deepEqual(machine.disk.violations, []);
    assert.equal((await machine.open()).recovery.verdict, "T5");
  });

  test("is idempotent, also while it is under way", async () => {
    const wal = await new Machine().open();
    await appendNumbered(wal, 1);
    await Promise.all([wal.close(), wal.close()]);
    await wal.close();
  });

  test("refuses everything that would write afterwards, and while it is under way", async () => {
    const wal = await new Machine().open();
    const cursor = wal.cursor("c");
    await appendNumbered(wal, 1);
    const closing = wal.close();
    for (const moment of ["closing", "closed"]) {
      if (moment === "closed") await closing;
      await assert.rejects(wal.append(textBytes("x")), hasCode("WAL_CLOSED"), moment);
      await assert.rejects(wal.appendBatch([textBytes("x")]), hasCode("WAL_CLOSED"));
      await assert.rejects(wal.rotate(), hasCode("WAL_CLOSED"));
      await assert.rejects(wal.sync(), hasCode("WAL_CLOSED"));
      await assert.rejects(cursor.ack(1), hasCode("WAL_CLOSED"));
    }
  });

  test("happens at the end of an await using block, also when the block throws", async () => {
    const machine = new Machine();
    await assert.rejects(async () => {
      await using wal = await machine.open();
      void wal.append(textBytes("kept"));
      throw new Error("from the block");
    }, /from the block/);
    assert.deepEqual(machine.disk.lockedDirectories, []);
    assert.deepEqual(await readTexts(await machine.open()), ["1:kept"]);
  });

  test("of a log without records leaves a log without records", async () => {
    const machine = new Machine();
    await (await machine.open()).close();
    const wal = await machine.open();
    assert.equal(wal.recovery.verdict, "T0");
    assert.equal(await wal.append(textBytes("first")), 1);
    await wal.close();
  });
});

suite("lock", () => {
  test("refuses a second handle with WAL_LOCKED and lets it in after the close", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await assert.rejects(machine.open(), hasCode("WAL_LOCKED"));
    await wal.close();
    await (await machine.open()).close();
  });
});

suite("status", () => {
  test("tells about segments, cursors, totals and level", async () => {
    const machine = new Machine();
    const wal = await machine.open({ durability: "async" });
    await appendNumbered(wal, 3);
    await wal.rotate();
    await appendNumbered(wal, 2);
    await wal.cursor("b").ack(1);
    wal.cursor("a");
    machine.clock.advance(2500);
    const status = wal.status();
    assert.equal(status.directory, LOG_DIRECTORY);
    assert.equal(status.durability, "async");
    assert.equal(status.state, "open");
    assert.equal(status.activeSegmentAgeMs, 2500);
    assert.deepEqual(status.cursors, [
      { name: "a", lsn: 0 },
      { name: "b", lsn: 1 },
    ]);
    assert.equal(status.totals.appendedRecords, 5);
    assert.equal(status.totals.appendedBytes, 10);
    assert.equal(status.totals.rotations, 1);
    assert.deepEqual(
      status.segments.map(({ name, path, firstLsn, lastLsn, isSealed }) => ({
        name,
        path,
        firstLsn,
        lastLsn,
        isSealed,
      })),
      [
        {
          name: "000000000001.wal",
          path: "/log/000000000001.wal",
          firstLsn: 1,
          lastLsn: 3,
          isSealed: true,
        },
        {
          name: "000000000002.wal",
          path: "/log/000000000002.wal",
          firstLsn: 4,
          lastLsn: 5,
          isSealed: false,
        },
      ],
    );
    assert.equal(JSON.parse(JSON.stringify(status)).state, "open");
    await wal.close();
  });
});
