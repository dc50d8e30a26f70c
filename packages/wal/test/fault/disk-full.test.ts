/** The disk is full, at every size at which it can be: nothing acknowledged is lost, and the log goes on. */

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import {
  assertRecovered,
  KeepAllChooser,
  LogHistory,
  LoseAllChooser,
  Simulation,
  SimulatedDisk,
  type SimulatedEnvironment,
} from "@walnut/testkit";
import { isWalError, openWalWith, type Wal, type WalOptions } from "@walnut/wal";

import { recoverWal } from "../crash/wal-subject.ts";

const OPTIONS: WalOptions = {
  directory: "/data/log",
  segmentSizeBytes: 8 * 1024,
  prewriteBytes: 4 * 1024,
  bufferSizeBytes: 64 * 1024,
  attestDelayMs: 0,
  segmentMaxAgeMs: 0,
};

const RECORD_BYTES = 700;
const RECORDS = 20;
/** Room for everything that a run writes. */
const AMPLE_BYTES = 200 * 1024;

suite("a full disk", () => {
  for (let capacityBytes = 0; capacityBytes <= 32 * 1024; capacityBytes += 1_900) {
    test(`of ${capacityBytes} bytes rejects, loses nothing, and goes on when there is room`, async () => {
      const history = new LogHistory(capacityBytes);
      const simulation = new Simulation({ seed: 3, disk: new SimulatedDisk({ capacityBytes }) });
      const { disk } = simulation;
      const end = await simulation.run(async (environment) => {
        const wal = await openWhenThereIsRoom(environment, disk);
        await appendAll(wal, history);
        disk.capacityBytes = AMPLE_BYTES;
        const batch = history.send([RECORD_BYTES], "power-loss");
        history.acknowledge(batch, await wal.append(batch.payloads[0] ?? new Uint8Array(0)));
        disk.capacityBytes = disk.usedBytes;
        await wal.close().catch(assertNoSpace);
      });
      if (end.kind === "failed") throw end.error;
      assert.equal(end.kind, "done");
      assert.deepEqual(disk.openFiles, []);
      await assertOpensWithoutRoom(disk.afterProcessCrash(new KeepAllChooser()), history);
      await assertOpensWithoutRoom(disk.afterPowerLoss(new LoseAllChooser()), history);
    });
  }
});

async function openWhenThereIsRoom(
  environment: SimulatedEnvironment,
  disk: SimulatedDisk,
): Promise<Wal> {
  try {
    return await openWalWith(environment, OPTIONS);
  } catch (error) {
    assertNoSpace(error);
    disk.capacityBytes = 6_000;
    return await openWalWith(environment, OPTIONS);
  }
}

async function appendAll(wal: Wal, history: LogHistory): Promise<void> {
  for (let count = 0; count < RECORDS; count += 1) {
    const batch = history.send([RECORD_BYTES], "power-loss");
    try {
      history.acknowledge(batch, await wal.append(batch.payloads[0] ?? new Uint8Array(0)));
    } catch (error) {
      assertNoSpace(error);
      history.fail(batch, false);
    }
  }
}

/** A start needs no free space: all that was acknowledged can be read, and writing goes on when there is room. */
async function assertOpensWithoutRoom(disk: SimulatedDisk, history: LogHistory): Promise<void> {
  disk.capacityBytes = disk.usedBytes;
  const simulation = new Simulation({ seed: 4, disk });
  const end = await simulation.run(async (environment) => {
    const log = await recoverWal(environment, OPTIONS, []);
    assertRecovered(log, history, { crash: "power", claimedLsn: history.durableLsn });
    simulation.disk.capacityBytes = AMPLE_BYTES;
    const next = history.continueFrom(log);
    await log.append(next.send([20], "power-loss").payloads);
    await log.close();
  });
  if (end.kind === "failed") throw end.error;
  assert.equal(end.kind, "done");
}

function assertNoSpace(error: unknown): void {
  if (!isWalError(error, "WAL_NO_SPACE")) throw error;
}
