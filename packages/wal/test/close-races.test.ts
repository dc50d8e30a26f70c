/**
 * What is still under way when a log is closed must not touch the directory once the lock is gone: the next owner has it then.
 */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { SimulatedDisk, StorageError, WrappedStorage } from "@walnut/testkit";
import { appendNumbered, Machine, numbered, readTexts, settle } from "./machine.ts";

/**
 * A machine on which a cursor's file takes as long as the test wants, and so does a checkpoint that is written after the lock
 * was released.
 */
function machineWithSlowSmallFiles(disk: SimulatedDisk): {
  readonly machine: Machine;
  readonly letCursorGo: () => void;
  readonly letCheckpointGo: () => void;
} {
  const cursorMayGo = openableGate();
  const checkpointMayGo = openableGate();
  let isReleased = false;
  const machine = new Machine({
    disk,
    wrapStorage: (inner) =>
      new WrappedStorage(inner, {
        async intercept(call, proceed) {
          if (call.kind === "rename" && call.path.includes("/cursors/")) await cursorMayGo.gate;
          if (isReleased && call.path.includes("CHECKPOINT")) await checkpointMayGo.gate;
          if (call.kind === "releaseLock") isReleased = true;
          return await proceed();
        },
      }),
  });
  return { machine, letCursorGo: cursorMayGo.open, letCheckpointGo: checkpointMayGo.open };
}

function openableGate(): { readonly gate: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { gate, open };
}

suite("an ack that is under way when the log is closed", () => {
  test("does not damage the log of the next owner", async () => {
    const disk = new SimulatedDisk();
    const { machine: first, letCursorGo, letCheckpointGo } = machineWithSlowSmallFiles(disk);
    const one = await first.open();
    for (let round = 0; round < 3; round++) {
      await appendNumbered(one, 2);
      await one.rotate();
    }
    const late = one.cursor("c").ack(2);
    const closing = one.close();
    await settle(50);
    letCursorGo();
    await closing;
    await settle(50);

    const second = new Machine({ disk, seed: 2 });
    const two = await second.open();
    await two.cursor("c").ack(4);
    letCheckpointGo();
    await late.catch(() => undefined);
    await settle();
    await two.close();

    const three = await new Machine({ disk, seed: 3 }).open();
    assert.equal(three.cursor("c").lsn, 4);
    assert.deepEqual(await readTexts(three), numbered(5, 6));
  });
});

suite("a file that is being prepared when the last group finds no space", () => {
  test("is not touched once the lock is gone", async () => {
    const { gate, open } = openableGate();
    const late: string[] = [];
    let isHolding = false;
    let isFull = false;
    let isReleased = false;
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          async intercept(call, proceed) {
            if (call.kind === "releaseLock") isReleased = true;
            if (call.kind === "createFile" && call.path.endsWith("next.prewrite") && isHolding) {
              await gate;
            }
            if (isReleased) late.push(call.kind);
            if (call.kind === "writeDurable" && isFull) throw new StorageError("ENOSPC", call);
            return await proceed();
          },
        }),
    });
    const wal = await machine.open({ prewriteBytes: 4096 });
    await wal.append(new Uint8Array(100));
    isHolding = true;
    // Beyond the middle of the segment: the next file is begun.
    await wal.append(new Uint8Array(5000));
    isFull = true;
    const refused = assert.rejects(wal.append(new Uint8Array(100)));
    const closed = wal.close().catch(() => undefined);
    await settle(20);
    open();
    await Promise.all([refused, closed]);
    await settle(20);
    assert.deepEqual(late, ["releaseLock"]);
  });
});
