/** Logs for the regression tests: written on a simulated disk, then changed behind the engine's back. */

import assert from "node:assert/strict";

import type { SimulatedDisk } from "@walnut/testkit";
import { isWalError, type WalErrorCode } from "@walnut/wal";

import { appendNumbered, LOG_DIRECTORY, Machine } from "../machine.ts";

export { flipBit } from "../every-bit.ts";

/** Bytes of a segment's header, and of a frame's. */
export const SEGMENT_HEADER_BYTES = 64;
export const FRAME_HEADER_BYTES = 48;

/** A log of `segments` segments with `perSegment` records each, cleanly closed. */
export async function closedLog(segments: number, perSegment: number): Promise<Machine> {
  const machine = new Machine();
  const wal = await machine.open();
  for (let segment = 0; segment < segments; segment += 1) {
    if (segment > 0) await wal.rotate();
    // One frame each: every append waits for the one before.
    for (let count = 0; count < perSegment; count += 1) await appendNumbered(wal, 1);
  }
  await wal.close();
  return machine;
}

/** A log that was killed behind `records` synced appends: nothing vouches for the last one. */
export async function killedLog(records: number): Promise<Machine> {
  const machine = new Machine();
  const wal = await machine.open();
  for (let count = 0; count < records; count += 1) await appendNumbered(wal, 1);
  return machine.afterPowerLoss();
}

/** The same machine started again. */
export function restarted(machine: Machine): Machine {
  return new Machine({ disk: machine.disk, seed: 9 });
}

/** Every file of the log, for a comparison before and after. */
export function filesOf(disk: SimulatedDisk): [path: string, content: Uint8Array][] {
  return disk.snapshot().filter(([path]) => path.startsWith(`${LOG_DIRECTORY}/`));
}

/** Fails unless the promise rejects with this code. Returns the error's details. */
export async function rejectsWith(
  promise: Promise<unknown>,
  code: WalErrorCode,
): Promise<Readonly<Record<string, string | number>>> {
  try {
    await promise;
  } catch (error) {
    if (!isWalError(error, code)) throw error;
    return error.details;
  }
  assert.fail(`nothing was thrown, expected ${code}`);
}
