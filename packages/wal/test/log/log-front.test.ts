/** The front of a log: steps one at a time, logical before physical, and what a failure leaves behind. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { FaultyStorage, StorageError, WrappedStorage, type StorageCall } from "@walnut/testkit";
import {
  appendNumbered,
  appendSegments,
  Machine,
  numbered,
  readTexts,
  segmentPath,
  settle,
} from "../machine.ts";

function segmentsOf(machine: Machine): string[] {
  return machine.fileNames.filter((name) => name.endsWith(".wal")).map((name) => name.slice(8, 12));
}

suite("LogFront", () => {
  test("replaces the checkpoint, durably, before it removes a file", async () => {
    const calls: StorageCall[] = [];
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          intercept: (call, proceed) => {
            calls.push(call);
            return proceed();
          },
        }),
    });
    const wal = await machine.open();
    await appendSegments(wal, 3);
    calls.length = 0;
    await wal.cursor("reader").ack(4);
    const order = calls
      .filter(({ kind, path, to }) => kind === "remove" || (to ?? path).endsWith("CHECKPOINT"))
      .filter(({ path }) => !path.endsWith(".tmp") || path.endsWith("CHECKPOINT.tmp"))
      .map(({ kind, path, to }) => `${kind} ${(to ?? path).slice(5)}`);
    const renamed = order.indexOf("rename CHECKPOINT");
    const removed = order.indexOf("remove 000000000001.wal");
    assert.ok(renamed >= 0 && renamed < removed, order.join(", "));
    const synced = calls.findIndex(
      ({ kind, path }, index) =>
        kind === "syncDirectory" &&
        path === "/log" &&
        index > calls.findIndex((call) => call.to === "/log/CHECKPOINT"),
    );
    const first = calls.findIndex(({ kind, path }) => kind === "remove" && path === segmentPath(1));
    assert.ok(synced >= 0 && synced < first);
    assert.deepEqual(segmentsOf(machine), ["0003"]);
    await wal.close();
  });

  test("releases nothing that a cursor holds, and never the segment that is written", async () => {
    const machine = new Machine();
    const wal = await machine.open();
    await appendSegments(wal, 3);
    wal.cursor("slow");
    await wal.cursor("quick").ack(6);
    assert.deepEqual(segmentsOf(machine), ["0001", "0002", "0003"]);
    await wal.cursor("slow").ack(3);
    assert.deepEqual(segmentsOf(machine), ["0002", "0003"]);
    await wal.cursor("slow").ack(6);
    assert.deepEqual(segmentsOf(machine), ["0003"]);
    assert.deepEqual(await readTexts(wal), numbered(5, 6));
    await wal.close();
  });

  test("a checkpoint that cannot be written leaves the log as it was, and the next release catches up", async () => {
    let fails = true;
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          intercept: (call, proceed) =>
            fails && call.kind === "rename" && call.to === "/log/CHECKPOINT"
              ? Promise.reject(new StorageError("EIO", call))
              : proceed(),
        }),
    });
    fails = false;
    const wal = await machine.open();
    await appendSegments(wal, 3);
    fails = true;
    await wal.cursor("reader").ack(2);
    assert.equal(wal.positions.firstLsn, 1);
    assert.match(wal.status().releaseFailure ?? "", /EIO/);
    assert.deepEqual(await readTexts(wal), numbered(1, 6));
    fails = false;
    await wal.cursor("reader").ack(3);
    assert.equal(wal.positions.firstLsn, 3);
    assert.equal(wal.status().releaseFailure, undefined);
    await wal.close();
  });

  test("files that could not be removed go with the next release, or with the next open", async () => {
    const removals = { kind: "remove", code: "EIO", path: /000000000001\.wal$/ } as const;
    const machine = new Machine({
      wrapStorage: (disk) => new FaultyStorage(disk, [{ ...removals, nth: 1, count: 2 }]),
    });
    const wal = await machine.open();
    await appendSegments(wal, 4);
    await wal.cursor("reader").ack(2);
    await wal.cursor("reader").ack(4);
    assert.equal(wal.positions.firstLsn, 5);
    assert.deepEqual(segmentsOf(machine), ["0001", "0002", "0003", "0004"]);
    await wal.cursor("reader").ack(6);
    assert.deepEqual(segmentsOf(machine), ["0004"]);
    await wal.close();

    const again = new Machine({
      disk: machine.disk,
      wrapStorage: (disk) =>
        new FaultyStorage(disk, [
          { kind: "remove", nth: 1, count: 1, code: "EIO", path: /\.wal$/ },
        ]),
    });
    const failing = await again.open();
    await appendSegments(failing, 2);
    await failing.cursor("reader").ack(8);
    await failing.close();
    const reopened = await machine.open();
    assert.equal(reopened.positions.firstLsn, 9);
    assert.deepEqual(await readTexts(reopened), numbered(9, 12));
    assert.equal(segmentsOf(machine)[0], "0005");
    await reopened.close();
  });

  test("a segment that is closed while the checkpoint is written goes with the next release", async () => {
    let isHolding = false;
    let letGo = (): void => undefined;
    const isLetGo = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          intercept: async (call, proceed) => {
            if (isHolding && call.to === "/log/CHECKPOINT") await isLetGo;
            return await proceed();
          },
        }),
    });
    const wal = await machine.open();
    await appendSegments(wal, 2);
    isHolding = true;
    const ack = wal.cursor("reader").ack(4);
    await settle();
    await wal.rotate();
    letGo();
    await ack;
    assert.equal(wal.positions.firstLsn, 3);
    assert.deepEqual(segmentsOf(machine), ["0002", "0003"]);
    await wal.cursor("reader").ack(4);
    await appendNumbered(wal, 1);
    await wal.rotate();
    await wal.cursor("reader").ack(5);
    assert.deepEqual(segmentsOf(machine), ["0004"]);
    await wal.close();
  });

  test("steps wait for one another: a backup keeps what a release would take until it is done", async () => {
    const held: (() => void)[] = [];
    let holds = false;
    const machine = new Machine({
      wrapStorage: (disk) =>
        new WrappedStorage(disk, {
          intercept: async (call, proceed) => {
            if (holds && call.kind === "createFile" && call.path.startsWith("/backup")) {
              await new Promise<void>((resolve) => {
                held.push(resolve);
              });
            }
            return await proceed();
          },
        }),
    });
    const wal = await machine.open();
    await appendSegments(wal, 3);
    holds = true;
    const backup = wal.backup("/backup");
    await settle();
    const ack = wal.cursor("reader").ack(4);
    await appendNumbered(wal, 1);
    await settle();
    assert.deepEqual(segmentsOf(machine), ["0001", "0002", "0003"]);
    holds = false;
    for (const resume of held) resume();
    assert.deepEqual(
      { ...(await backup), linkedBytes: 0, copiedBytes: 0 },
      {
        directory: "/backup",
        firstLsn: 1,
        lastLsn: 6,
        segments: 3,
        linkedBytes: 0,
        copiedBytes: 0,
      },
    );
    await ack;
    assert.deepEqual(segmentsOf(machine), ["0003"]);
    await wal.close();
  });
});
