/**
 * Logs in memory for the tests of what looks at logs from outside.
 */
import { verifyLog } from "../../src/inspect/verify-log.ts";
import { readLog, type LogPart, type ReadLogOptions } from "../../src/inspect/read-log.ts";
import type { LogVerification } from "../../src/inspect/verify-log.ts";
import { appendNumbered, bytesText, LOG_DIRECTORY, Machine, segmentPath } from "../machine.ts";

/** A closed log of `segments` segments with `records` records each, one frame per record. */
export async function closedLog(segments: number, records: number): Promise<Machine> {
  const machine = new Machine();
  const wal = await machine.open();
  for (let segment = 0; segment < segments; segment++) {
    if (segment > 0) await wal.rotate();
    for (let record = 0; record < records; record++) await appendNumbered(wal, 1);
  }
  await wal.close();
  return machine;
}

export async function verify(machine: Machine): Promise<LogVerification> {
  return await verifyLog({ directory: LOG_DIRECTORY, storage: machine.disk });
}

/** Parts as short texts: records as `lsn:text`, the rest as `kind first-last`. */
export async function read(
  machine: Machine,
  options: Partial<ReadLogOptions> = {},
): Promise<string[]> {
  const texts: string[] = [];
  const parts = readLog({ directory: LOG_DIRECTORY, storage: machine.disk, ...options });
  for await (const part of parts) texts.push(...partTexts(part));
  return texts;
}

export function partTexts(part: LogPart): string[] {
  switch (part.kind) {
    case "records":
      return part.records.map(({ lsn, payload }) => `${lsn}:${bytesText(payload)}`);
    case "damage":
      return [`damage ${part.damage.firstLsn}-${part.damage.lastLsn}`];
    case "gap":
    case "missed":
      return [`${part.kind} ${part.firstLsn}-${part.lastLsn}`];
    case "cut":
      return [`cut ${part.lastLsn}`];
  }
}

/** Flips one bit of a segment. */
export async function flip(machine: Machine, segmentId: number, offset: number): Promise<void> {
  const path = segmentPath(segmentId);
  const bytes = Uint8Array.from(machine.bytesOf(path));
  bytes[offset] = (bytes[offset] ?? 0) ^ 1;
  await machine.replace(path, bytes);
}

/** Offset of the frame that holds this record, in a log with one frame per record of one or two digits. */
export function frameOffset(recordIndex: number): number {
  return 64 + recordIndex * 56;
}
