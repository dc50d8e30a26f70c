import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { followLog } from "../../src/inspect/follow-log.ts";
import { PartReader } from "../../src/inspect/read-log.ts";
import { appendNumbered, LOG_DIRECTORY, Machine, numbered, segmentPath } from "../machine.ts";
import { closedLog, partTexts, read } from "./inspected-log.ts";

/** A reader that can be asked again and again. */
async function reader(
  machine: Machine,
): Promise<{ texts(): Promise<string[]>; close(): Promise<void> }> {
  const parts = await PartReader.open({ directory: LOG_DIRECTORY, storage: machine.disk });
  return {
    async texts() {
      const texts: string[] = [];
      for (let part = await parts.next(); part !== undefined; part = await parts.next()) {
        texts.push(...partTexts(part));
      }
      return texts;
    },
    close: () => parts.close(),
  };
}

suite("readLog", () => {
  test("reads a range of LSNs across segments", async () => {
    const machine = await closedLog(4, 5);
    assert.deepEqual(await read(machine), numbered(1, 20));
    for (const [fromLsn, toLsn] of [
      [1, 1],
      [5, 6],
      [6, 6],
      [7, 18],
      [20, 20],
    ] as const) {
      assert.deepEqual(await read(machine, { fromLsn, toLsn }), numbered(fromLsn, toLsn));
    }
    assert.deepEqual(await read(machine, { fromLsn: 21 }), []);
    assert.deepEqual(await read(machine, { fromLsn: 5, toLsn: 4 }), []);
  });

  test("reads a range of times", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    const times: number[] = [];
    for (let index = 0; index < 6; index++) {
      if (index === 3) await wal.rotate();
      times.push(machine.environment.nowMs());
      await appendNumbered(wal, 1);
      machine.clock.advance(1000);
    }
    await wal.close();
    assert.deepEqual(await read(machine, { fromMs: times[2] }), numbered(3, 6));
    assert.deepEqual(await read(machine, { fromMs: times[4] }), numbered(5, 6));
    assert.deepEqual(await read(machine, { toMs: times[1] }), numbered(1, 2));
    assert.deepEqual(await read(machine, { fromMs: times[1], toMs: times[3] }), numbered(2, 4));
  });

  test("begins where the log begins", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 5);
    await wal.truncateFront(4);
    assert.deepEqual(await read(machine), numbered(4, 5));
    await wal.close();
  });

  test("delivers a batch that spans frames when it is complete, and nothing of it before", async () => {
    const machine = new Machine();
    const wal = await machine.open({ segmentSizeBytes: 64 * 1024 });
    await appendNumbered(wal, 1);
    const big = Array.from({ length: 30 }, () => new Uint8Array(2000));
    await wal.appendBatch(big);
    await wal.close();
    const path = segmentPath(1);
    const whole = machine.bytesOf(path).slice();
    assert.equal((await read(machine)).length, 31);
    await machine.replace(path, whole.slice(0, 40_000));
    const follower = await reader(machine);
    assert.deepEqual(await follower.texts(), numbered(1, 1));
    await machine.replace(path, whole);
    // The file was replaced, not written: a reader that begins anew sees all of it.
    await follower.close();
    assert.equal((await read(machine)).length, 31);
  });
});

suite("PartReader", () => {
  test("follows a writer across rotations and releases", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 1);
    const follower = await reader(machine);
    await appendNumbered(wal, 1);
    assert.deepEqual(await follower.texts(), numbered(1, 2));
    assert.deepEqual(await follower.texts(), []);
    await appendNumbered(wal, 2);
    await wal.rotate();
    await appendNumbered(wal, 1);
    assert.deepEqual(await follower.texts(), numbered(3, 5));
    await appendNumbered(wal, 1);
    await wal.rotate();
    await appendNumbered(wal, 1);
    await wal.rotate();
    await appendNumbered(wal, 1);
    await wal.cursor("reader").ack(7);
    // The file that the follower has open can still be read; the one behind it is gone.
    assert.deepEqual(await follower.texts(), ["6:r6", "missed 7-7", "8:r8"]);
    await follower.close();
    await wal.close();
  });

  test("goes on in what the next writer wrote", async () => {
    const machine = new Machine();
    const first = await machine.open();
    await appendNumbered(first, 2);
    const follower = await reader(machine);
    assert.deepEqual(await follower.texts(), numbered(1, 2));
    await first.close();
    const second = await machine.open();
    await appendNumbered(second, 2);
    assert.deepEqual(await follower.texts(), numbered(3, 4));
    await second.close();
    await follower.close();
  });

  test("says when the log was cut behind its back", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 2);
    await appendNumbered(wal, 2);
    const follower = await reader(machine);
    assert.deepEqual(await follower.texts(), numbered(1, 4));
    await wal.truncateBack(2);
    await appendNumbered(wal, 2);
    assert.deepEqual(await follower.texts(), ["cut 2", ...numbered(3, 4)]);
    // The part of a frame that stays is written anew, and so it is delivered anew.
    await wal.truncateBack(3);
    assert.deepEqual(await follower.texts(), ["cut 2", ...numbered(3, 3)]);
    await wal.close();
    await follower.close();
  });
});

suite("followLog", () => {
  test("waits at the end, longer and longer, and ends with its signal", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 2);
    const stop = new AbortController();
    const pauses: number[] = [];
    const texts: string[] = [];
    const parts = followLog({
      directory: LOG_DIRECTORY,
      storage: machine.disk,
      signal: stop.signal,
      pause: async (delayMs) => {
        pauses.push(delayMs);
        if (pauses.length === 3) await appendNumbered(wal, 1);
        if (pauses.length === 10) stop.abort();
      },
    });
    for await (const part of parts) texts.push(...partTexts(part));
    assert.deepEqual(texts, numbered(1, 3));
    assert.deepEqual(pauses.slice(0, 4), [10, 20, 40, 10]);
    assert.equal(pauses.at(-1), 250);
    await wal.close();
  });
});
