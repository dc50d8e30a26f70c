import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { FaultyStorage } from "@walnut/testkit";
import { isWalError, type Wal } from "@walnut/wal";

import { Machine } from "../machine.ts";

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

function byNumber(a: number, b: number): number {
  return a - b;
}
