import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { CommitBuffer, WaiterList, type FrameGeometry } from "../../src/commit/commit-buffer.ts";

const GEOMETRY: FrameGeometry = { frameHeaderBytes: 48, recordHeadBytes: 4, targetBodyBytes: 100 };

function bufferOf(capacityBytes = 4096): CommitBuffer {
  return new CommitBuffer(capacityBytes, GEOMETRY);
}

suite("CommitBuffer", () => {
  test("lays records out behind one another in one frame", () => {
    const buffer = bufferOf();
    buffer.addRecord(0x1000_0003, Uint8Array.of(1, 2, 3), 1);
    buffer.addRecord(0x0000_0000, new Uint8Array(0), 2);
    buffer.addRecord(0x0000_0001, Uint8Array.of(9), 3);
    buffer.closeFrame();
    const body = [3, 0, 0, 0x10, 1, 2, 3, 0, 0, 0, 0, 1, 0, 0, 0, 9];
    assert.deepEqual([...buffer.bytes.subarray(48, 64)], body);
    assert.deepEqual(buffer.frames, [
      { start: 0, bodyBytes: 16, firstLsn: 1, recordCount: 3, continues: false },
    ]);
    assert.equal(buffer.lengthBytes, 64);
  });

  for (const payloadBytes of [0, 1, 3, 4, 5, 11, 12]) {
    test(`ends a frame with a record of ${payloadBytes} bytes at a multiple of 8`, () => {
      const buffer = bufferOf();
      buffer.addRecord(payloadBytes, new Uint8Array(payloadBytes), 1);
      buffer.closeFrame();
      assert.equal(buffer.lengthBytes % 8, 0);
      assert.ok(buffer.lengthBytes - (48 + 4 + payloadBytes) < 8);
      assert.equal(buffer.frames[0]?.bodyBytes, 4 + payloadBytes);
    });
  }

  test("begins another frame where the body would exceed its target, not before", () => {
    const buffer = bufferOf();
    buffer.addRecord(46, new Uint8Array(46), 1);
    buffer.addRecord(46, new Uint8Array(46), 2);
    assert.equal(buffer.frames.length, 1);
    buffer.addRecord(0, new Uint8Array(0), 3);
    buffer.closeFrame();
    const frames = buffer.frames.map(({ firstLsn, recordCount, bodyBytes }) => [
      firstLsn,
      recordCount,
      bodyBytes,
    ]);
    assert.deepEqual(frames, [
      [1, 2, 100],
      [3, 1, 4],
    ]);
  });

  test("gives a record larger than the target a frame of its own", () => {
    const buffer = bufferOf();
    buffer.addRecord(10, new Uint8Array(10), 1);
    buffer.addRecord(500, new Uint8Array(500), 2);
    buffer.addRecord(10, new Uint8Array(10), 3);
    buffer.closeFrame();
    const bodies = buffer.frames.map((frame) => frame.bodyBytes);
    assert.deepEqual(bodies, [14, 504, 14]);
  });

  test("says how much the open frame still takes", () => {
    const buffer = bufferOf();
    assert.equal(buffer.openFrameRoomBytes, 0);
    buffer.addRecord(20, new Uint8Array(20), 1);
    assert.equal(buffer.openFrameRoomBytes, 76);
    buffer.closeFrame();
    assert.equal(buffer.openFrameRoomBytes, 0);
  });

  test("has room for exactly what it says, record after record", () => {
    for (const payloadBytes of [0, 1, 7, 50, 300]) {
      const buffer = bufferOf(2048);
      let lsn = 1;
      while (buffer.hasRoomFor(payloadBytes)) {
        buffer.addRecord(payloadBytes, new Uint8Array(payloadBytes).fill(1), lsn++);
        assert.ok(buffer.lengthBytes + 8 <= 2048);
      }
      buffer.closeFrame();
      assert.ok(lsn > 1 && buffer.lengthBytes <= 2048);
    }
  });

  test("keeps no view on a payload", () => {
    const buffer = bufferOf();
    const payload = Uint8Array.of(1, 2, 3);
    buffer.addRecord(3, payload, 1);
    payload.fill(0xff);
    assert.deepEqual([...buffer.bytes.subarray(52, 55)], [1, 2, 3]);
  });

  test("is as new after a reset", () => {
    const buffer = bufferOf();
    buffer.addRecord(1, Uint8Array.of(1), 5);
    buffer.closeFrame();
    buffer.reset();
    assert.equal(buffer.isEmpty, true);
    assert.equal(buffer.lengthBytes, 0);
    assert.equal(buffer.openFrameRoomBytes, 0);
    buffer.addRecord(1, Uint8Array.of(2), 6);
    buffer.closeFrame();
    assert.deepEqual(buffer.frames, [
      { start: 0, bodyBytes: 5, firstLsn: 6, recordCount: 1, continues: false },
    ]);
  });
});

suite("WaiterList", () => {
  function waiters(count: number): { readonly list: WaiterList; readonly told: string[] } {
    const list = new WaiterList();
    const told: string[] = [];
    for (let index = 0; index < count; index++) {
      list.add(
        (value) => told.push(`resolve ${JSON.stringify(value)}`),
        (reason) => told.push(`reject ${String(reason)}`),
        index,
      );
    }
    return { list, told };
  }

  test("tells everybody once, in order, with the value that was added", () => {
    const { list, told } = waiters(3);
    assert.equal(list.count, 3);
    list.resolveAll();
    list.resolveAll();
    list.rejectAll("late");
    assert.deepEqual(told, ["resolve 0", "resolve 1", "resolve 2"]);
    assert.equal(list.count, 0);
  });

  test("rejects everybody once, in order", () => {
    const { list, told } = waiters(2);
    list.rejectAll("why");
    list.rejectAll("again");
    list.resolveAll();
    assert.deepEqual(told, ["reject why", "reject why"]);
  });

  test("is used again after it was emptied", () => {
    const { list, told } = waiters(2);
    list.resolveAll();
    const value = { firstLsn: 3, lastLsn: 4 };
    list.add(
      (given) => told.push(given === value ? "the same object" : "another"),
      () => assert.fail(),
      value,
    );
    list.resolveAll();
    assert.deepEqual(told.slice(2), ["the same object"]);
  });
});
