import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { FaultyStorage, StorageError, WrappedStorage } from "@walnut/testkit";
import { isWalError, type Wal } from "@walnut/wal";

import {
  appendNumbered,
  bytesText,
  Machine,
  numbered,
  readTexts,
  segmentPath,
  settle,
  textBytes,
} from "../machine.ts";

const PAYLOAD_BYTES = 500;

/** Payload that says which append it belongs to. */
function payload(number: number): Uint8Array {
  const bytes = new Uint8Array(PAYLOAD_BYTES);
  new DataView(bytes.buffer).setUint32(0, number, true);
  return bytes;
}

async function numbersIn(wal: Wal): Promise<readonly number[]> {
  const numbers: number[] = [];
  for await (const { payload: bytes } of wal.read()) {
    numbers.push(new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true));
  }
  return numbers;
}

/** Appends one group that is larger than several segments; tells which appends were acknowledged. */
async function appendGroup(wal: Wal, from: number, count: number): Promise<Map<number, boolean>> {
  const outcomes = new Map<number, boolean>();
  const calls = Array.from({ length: count }, (_, index) => from + index).map(async (number) => {
    try {
      await wal.append(payload(number));
      outcomes.set(number, true);
    } catch (error) {
      assert.ok(isWalError(error, "WAL_NO_SPACE"), String(error));
      outcomes.set(number, false);
    }
  });
  await Promise.all(calls);
  return outcomes;
}

suite("a group that runs out of space", () => {
  for (const kind of ["write", "writeDurable", "createFile"] as const) {
    for (const isNewborn of [true, false]) {
      const where = isNewborn ? "in a newborn log" : "in a log with records";
      test(`leaves nothing of itself when ${kind} fails, ${where}, then and after a restart`, async () => {
        let hasFired = true;
        for (let nth = 1; hasFired; nth++) {
          const rule = {
            kind,
            nth,
            code: "ENOSPC",
            effect: "short" as const,
            path: /\.(wal|prewrite)$/u,
          };
          let faulty: FaultyStorage | undefined;
          const machine = new Machine({
            wrapStorage: (disk) => (faulty = new FaultyStorage(disk, [rule])),
          });
          const wal = await machine.open();
          const acked = new Set<number>();
          const rejected = new Set<number>();
          const note = (outcomes: Map<number, boolean>): void => {
            for (const [number, isAcked] of outcomes) (isAcked ? acked : rejected).add(number);
          };
          if (!isNewborn) note(await appendGroup(wal, 1, 3));
          note(await appendGroup(wal, 100, 60));
          note(await appendGroup(wal, 200, 5));
          hasFired = (faulty?.fired.length ?? 0) > 0;

          const live = await numbersIn(wal);
          assert.deepEqual(
            [...live].sort(byNumber),
            [...acked].sort(byNumber),
            `${kind} ${nth}, live`,
          );
          assert.equal(wal.positions.appendedLsn, acked.size);
          await wal.close();
          const restarted = await machine.afterPowerLoss().open({ recovery: "strict" });
          const found = await numbersIn(restarted);
          assert.deepEqual(found, live, `${kind} ${nth}, after a restart`);
          assert.equal(await restarted.append(payload(999)), acked.size + 1);
          await restarted.close();
        }
      });
    }
  }
});

/** A machine whose writes into one segment's frames wait, and then find no space. */
function machineWithFullSegment(segmentId: number): { machine: Machine; letGo: () => void } {
  let letGo = (): void => undefined;
  const isLetGo = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  let hasFailed = false;
  const machine = new Machine({
    wrapStorage: (disk) =>
      new WrappedStorage(disk, {
        intercept: async (call, proceed) => {
          const isFrame = call.kind.startsWith("write") && call.path === segmentPath(segmentId);
          if (!isFrame || hasFailed) return await proceed();
          await isLetGo;
          hasFailed = true;
          throw new StorageError("ENOSPC", call);
        },
      }),
  });
  return { machine, letGo: () => letGo() };
}

suite("a release beside a group that runs out of space", () => {
  test("may take the segment in which the log stood: the next one stays, empty", async () => {
    const { machine, letGo } = machineWithFullSegment(2);
    const wal = await machine.open();
    const reader = wal.cursor("reader");
    await appendNumbered(wal, 2);
    await wal.append(new Uint8Array(8_000));
    const refused = assert.rejects(wal.append(payload(4)), (error) =>
      isWalError(error, "WAL_NO_SPACE"),
    );
    await settle();
    await reader.ack(3);
    assert.equal(machine.fileNames.includes("000000000001.wal"), false);
    letGo();
    await refused;

    assert.equal(await wal.append(textBytes("r4")), 4);
    assert.deepEqual(await readTexts(wal), ["4:r4"]);
    await wal.close();
    const restarted = await machine.afterPowerLoss().open({ recovery: "strict" });
    assert.deepEqual(await readTexts(restarted), ["4:r4"]);
    await restarted.close();
  });

  test("leaves segments in which the group has records", async () => {
    const { machine, letGo } = machineWithFullSegment(3);
    const wal = await machine.open();
    const reader = wal.cursor("reader");
    await appendNumbered(wal, 3);
    const outcomes = Array.from({ length: 40 }, (_, index) => wal.append(payload(4 + index)));
    const refused = Promise.all(
      outcomes.map((outcome) =>
        assert.rejects(outcome, (error) => isWalError(error, "WAL_NO_SPACE")),
      ),
    );
    await settle();
    await reader.ack(wal.positions.writtenLsn);
    letGo();
    await refused;

    assert.equal(await wal.append(textBytes("r4")), 4);
    const live = await readTexts(wal);
    assert.deepEqual(live, numbered(1, 4));
    await wal.close();
    const restarted = await machine.afterPowerLoss().open({ recovery: "strict" });
    assert.deepEqual(await readTexts(restarted), live);
    await restarted.close();
  });
});

suite("what is seen of a group that runs out of space", () => {
  for (const visibility of ["durable", "written"] as const) {
    test(`is nothing, by readers up to what is ${visibility}, by positions and by cursors`, async () => {
      const { machine, letGo } = machineWithFullSegment(3);
      const wal = await machine.open();
      const cursor = wal.cursor("reader");
      await appendNumbered(wal, 3);
      const followed: string[] = [];
      const following = (async () => {
        for await (const { lsn, payload: bytes } of wal.tail({ visibility })) {
          followed.push(`${lsn}:${bytesText(bytes)}`);
        }
      })();
      const outcomes = Array.from({ length: 40 }, (_, index) =>
        assert.rejects(wal.append(payload(4 + index)), { code: "WAL_NO_SPACE" }),
      );
      await settle();

      // Segments 1 and 2 are whole and on the device; segment 3 cannot be written.
      assert.ok(machine.fileNames.includes("000000000003.wal"));
      assert.deepEqual(await readTexts(wal, { visibility }), numbered(1, 3));
      assert.deepEqual(await readTexts(wal, { visibility, from: 10 }), []);
      const { writtenLsn, durableLsn, appendedLsn } = wal.positions;
      assert.deepEqual([writtenLsn, durableLsn, appendedLsn], [3, 3, 43]);
      await cursor.ack(2);
      const refused = assert.rejects(cursor.ack(20), { code: "WAL_NO_SPACE" });
      await settle();
      assert.equal(cursor.lsn, 2);
      letGo();
      await Promise.all([...outcomes, refused]);

      await appendNumbered(wal, 4);
      await settle();
      assert.equal(cursor.lsn, 2);
      await wal.close();
      await following;
      assert.deepEqual(followed, numbered(1, 7));
      const restarted = await machine.afterPowerLoss().open({ recovery: "strict" });
      assert.equal(restarted.cursor("reader").lsn, 2);
      assert.deepEqual(await readTexts(restarted), numbered(1, 7));
      await restarted.close();
    });
  }
});

function byNumber(a: number, b: number): number {
  return a - b;
}
