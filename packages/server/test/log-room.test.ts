import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { WalError } from "@walnut/wal";
import { LogRoom, REFUSAL_IS_TOLD_MS, REFUSAL_STOPS_WRITES_MS } from "../src/log-room.ts";

const FULL = new WalError("WAL_NO_SPACE", "no space for the log");

function setUp(): {
  room: LogRoom;
  device: { freeBytes: number | undefined };
  readonly pass: (ms: number) => void;
} {
  let nowMs = 1_000;
  const device: { freeBytes: number | undefined } = { freeBytes: 0 };
  const room = new LogRoom({
    freeBytes: () => Promise.resolve(device.freeBytes),
    monotonicMs: () => nowMs,
  });
  return { room, device, pass: (ms) => void (nowMs += ms) };
}

suite("LogRoom", () => {
  test("a write that is taken ends what a refusal has begun", async () => {
    const { room } = setUp();
    assert.equal(await room.findLack(REFUSAL_STOPS_WRITES_MS), undefined);
    room.refused(FULL, 500);
    assert.match(
      (await room.findLack(REFUSAL_STOPS_WRITES_MS)) ?? "",
      /500 bytes, 0 s ago: no space/,
    );
    room.taken();
    assert.equal(await room.findLack(REFUSAL_STOPS_WRITES_MS), undefined);
  });

  test("without a write it ends by itself, unless the device has less free than was refused", async () => {
    const { room, device, pass } = setUp();
    device.freeBytes = 499;
    room.refused(FULL, 500);
    pass(REFUSAL_IS_TOLD_MS * 10);
    assert.notEqual(await room.findLack(REFUSAL_STOPS_WRITES_MS), undefined);
    device.freeBytes = 500;
    assert.equal(await room.findLack(REFUSAL_STOPS_WRITES_MS), undefined);
  });

  test("a limit that the device does not know of, or one that does not say, stops writes for seconds only", async () => {
    for (const freeBytes of [1e9, undefined]) {
      const { room, device, pass } = setUp();
      device.freeBytes = freeBytes;
      room.refused(FULL, 500);
      pass(REFUSAL_STOPS_WRITES_MS - 1);
      assert.notEqual(await room.findLack(REFUSAL_STOPS_WRITES_MS), undefined);
      pass(1);
      assert.equal(await room.findLack(REFUSAL_STOPS_WRITES_MS), undefined);
      assert.notEqual(
        await room.findLack(REFUSAL_IS_TOLD_MS),
        undefined,
        "people are told for longer",
      );
      pass(REFUSAL_IS_TOLD_MS);
      assert.equal(await room.findLack(REFUSAL_IS_TOLD_MS), undefined);
    }
  });

  test("other failures are no want of room", async () => {
    const { room } = setUp();
    room.refused(new WalError("WAL_OVERLOADED", "behind"), 500);
    room.refused(new Error("EIO"), 500);
    assert.equal(await room.findLack(REFUSAL_STOPS_WRITES_MS), undefined);
  });
});
