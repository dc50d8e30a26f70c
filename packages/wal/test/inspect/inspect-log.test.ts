import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { inspectLog, type LogInspection } from "../../src/inspect/inspect-log.ts";
import { appendNumbered, LOG_DIRECTORY, Machine, segmentPath, textBytes } from "../machine.ts";
import { closedLog, flip, frameOffset } from "./inspected-log.ts";

async function inspect(machine: Machine): Promise<LogInspection> {
  return await inspectLog({ directory: LOG_DIRECTORY, storage: machine.disk });
}

suite("inspectLog", () => {
  test("lists segments with their extents", async () => {
    const machine = await closedLog(3, 2);
    const { segments, written, vouched, firstLsn } = await inspect(machine);
    assert.deepEqual(
      segments.map(({ segmentId, state, firstLsn: first, lastLsn }) => [
        segmentId,
        state,
        first,
        lastLsn,
      ]),
      [
        [1, "sealed", 1, 2],
        [2, "sealed", 3, 4],
        [3, "last", 5, 6],
      ],
    );
    assert.equal(firstLsn, 1);
    assert.deepEqual([written?.segmentId, written?.lsn, vouched?.lsn], [3, 6, 6]);
    for (const { usedBytes, zeroBytes, fileBytes, path } of segments) {
      assert.equal(usedBytes + zeroBytes, fileBytes);
      assert.equal(fileBytes, machine.bytesOf(path).byteLength);
    }
  });

  test("tells used bytes from zeros ahead, and written from vouched for, while a writer is at work", async () => {
    const machine = new Machine();
    const wal = await machine.open({ prewriteBytes: 4096 });
    await appendNumbered(wal, 1);
    await appendNumbered(wal, 1);
    const { segments, written, vouched } = await inspect(machine);
    assert.equal(segments[0]?.usedBytes, frameOffset(2));
    assert.equal(written?.offsetBytes, frameOffset(2));
    assert.equal(written?.lsn, 2);
    assert.equal(vouched?.lsn, 1);
    await wal.close();
  });

  test("says who holds space and since when", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    for (let segment = 0; segment < 3; segment++) {
      await appendNumbered(wal, 2);
      await wal.rotate();
    }
    await wal.cursor("slow").ack(1);
    const slowAtMs = machine.environment.nowMs();
    machine.clock.advance(5000);
    await wal.cursor("fast").ack(6);
    const { cursors } = await inspect(machine);
    assert.deepEqual(
      cursors.map(({ name, ackedLsn, heldRecords, isLowest }) => [
        name,
        ackedLsn,
        heldRecords,
        isLowest,
      ]),
      [
        ["fast", 6, 0, false],
        ["slow", 1, 5, true],
      ],
    );
    assert.equal(cursors[1]?.movedAtMs, slowAtMs);
    assert.ok((cursors[1]?.heldBytes ?? 0) > (cursors[0]?.heldBytes ?? 0));
    await wal.close();
  });

  test("names files that a release has left behind", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendNumbered(wal, 2);
    await wal.rotate();
    await appendNumbered(wal, 2);
    const released = machine.bytesOf(segmentPath(1)).slice();
    await wal.cursor("reader").ack(2);
    machine.disk.plant(segmentPath(1), released);
    const { leftovers, segments, firstLsn } = await inspect(machine);
    assert.deepEqual(leftovers, ["000000000001.wal"]);
    assert.equal(segments.length, 1);
    assert.equal(firstLsn, 3);
    await wal.close();
  });

  test("shows what is missing or damaged as far as headers tell", async () => {
    const machine = await closedLog(3, 2);
    await machine.disk.remove(segmentPath(2));
    await flip(machine, 1, 8);
    const { damage, segments } = await inspect(machine);
    assert.deepEqual(
      damage.map(({ kind, segmentId }) => [kind, segmentId]),
      [
        ["header", 1],
        ["missing-segment", 2],
      ],
    );
    assert.equal(segments[0]?.lastLsn, undefined);
  });

  test("shows a log that holds nothing yet", async () => {
    const machine = new Machine();
    machine.disk.plant(`${LOG_DIRECTORY}/LOCK`, textBytes(""));
    const { segments, written, cursors, firstLsn } = await inspect(machine);
    assert.deepEqual([segments, written, cursors, firstLsn], [[], undefined, [], 1]);
  });
});
