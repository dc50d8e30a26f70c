/** Where a log stood at a time. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { VirtualClock } from "@walnut/testkit";
import { lastLsnAt } from "../../src/log/find-by-time.ts";
import type { FrameRecords, LogReader } from "../../src/log/log-reader.ts";
import { Machine, numbered, readTexts, textBytes } from "../machine.ts";

/** A reader over frames of so many records at such times. */
function readerOf(
  frames: readonly (readonly [timeMs: number, recordCount: number])[],
  firstLsn = 1,
) {
  let nextLsn = firstLsn;
  let index = 0;
  const reader = {
    isClosed: false,
    get nextLsn(): number {
      return nextLsn;
    },
    next(): Promise<FrameRecords | undefined> {
      const frame = frames[index++];
      if (frame === undefined) return Promise.resolve(undefined);
      const [timeMs, recordCount] = frame;
      const first = nextLsn;
      nextLsn += recordCount;
      return Promise.resolve({ firstLsn: first, recordCount, timeMs, body: new Uint8Array(0) });
    },
    close(): Promise<void> {
      reader.isClosed = true;
      return Promise.resolve();
    },
  };
  // Only these members are used.
  return { reader: reader as unknown as LogReader, state: reader };
}

suite("lastLsnAt", () => {
  const FRAMES = [
    [100, 2],
    [200, 1],
    [200, 3],
    [300, 1],
  ] as const;
  const cases = [
    { what: "before everything", timeMs: 99, lsn: 0 },
    { what: "at the first frame", timeMs: 100, lsn: 2 },
    { what: "between frames", timeMs: 199, lsn: 2 },
    { what: "at frames of one time", timeMs: 200, lsn: 6 },
    { what: "at the last frame", timeMs: 300, lsn: 7 },
    { what: "after everything", timeMs: 1e15, lsn: 7 },
  ];
  for (const { what, timeMs, lsn } of cases) {
    test(`${what} is LSN ${lsn}`, async () => {
      const { reader, state } = readerOf(FRAMES);
      assert.equal(await lastLsnAt(reader, timeMs), lsn);
      assert.ok(state.isClosed);
    });
  }

  test("stops at the first later frame: a clock that has gone back brings nothing in again", async () => {
    const { reader } = readerOf([
      [100, 1],
      [500, 1],
      [200, 1],
    ]);
    assert.equal(await lastLsnAt(reader, 300), 1);
  });

  test("of a log that begins later is the LSN before its first", async () => {
    assert.equal(await lastLsnAt(readerOf(FRAMES, 41).reader, 5), 40);
    assert.equal(await lastLsnAt(readerOf([], 41).reader, 5), 40);
  });

  test("closes the reader when it fails", async () => {
    const { reader, state } = readerOf(FRAMES);
    reader.next = () => Promise.reject(new Error("damage"));
    await assert.rejects(lastLsnAt(reader, 300), /damage/);
    assert.ok(state.isClosed);
  });
});

suite("recoverUntil", () => {
  const START_MS = Date.UTC(2026, 0, 1);

  /** Records 1 to 6, one a second from START_MS on, two segments. */
  async function spacedLog(): Promise<Machine> {
    const clock = new VirtualClock(START_MS);
    const machine = new Machine({ clock });
    const wal = await machine.open();
    for (let lsn = 1; lsn <= 6; lsn++) {
      await wal.append(textBytes(`r${lsn}`));
      if (lsn === 3) await wal.rotate();
      clock.advance(1000);
    }
    await wal.cursor("reader").ack(5);
    await wal.close();
    return machine;
  }

  // Segment 1 has gone: the cursor had passed it.
  const cases = [
    { what: "a time inside", until: { timeMs: START_MS + 4500 }, last: 5 },
    { what: "the very time of a record", until: { timeMs: START_MS + 4000 }, last: 5 },
    { what: "a time after everything", until: { timeMs: START_MS * 2 }, last: 6 },
    { what: "a time before everything", until: { timeMs: START_MS - 1 }, last: 3 },
    { what: "an LSN inside", until: { lsn: 4 }, last: 4 },
    { what: "an LSN behind the end", until: { lsn: 1000 }, last: 6 },
    { what: "an LSN before the front", until: { lsn: 1 }, last: 3 },
  ] as const;
  for (const { what, until, last } of cases) {
    test(`${what}: the log ends there, for good, and cursors with it`, async () => {
      const machine = await spacedLog();
      const wal = await machine.open({ recoverUntil: until });
      assert.deepEqual(await readTexts(wal), numbered(4, last));
      assert.equal(wal.cursor("reader").lsn, Math.min(5, last));
      assert.equal(await wal.append(textBytes("new")), last + 1);
      await wal.close();
      const reopened = await machine.open();
      assert.deepEqual(await readTexts(reopened), [...numbered(4, last), `${last + 1}:new`]);
      await reopened.close();
    });
  }
});
