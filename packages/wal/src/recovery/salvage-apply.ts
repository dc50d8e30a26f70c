/**
 * Salvage, the writing half: damaged bytes go to quarantine first, with a report, and only then is anything written over them.
 *
 * Steps, and what a crash right after each leaves behind:
 * 1. copies of all damaged bytes are in `quarantine/`, synced: the log as it was, and copies (CRASH: salvage-1)
 * 2. the report is there: the same (CRASH: salvage-2)
 * 3. some places patched: fewer damaged places; the next salvage finds the rest (CRASH: salvage-3)
 */
import { encodeCheckpoint } from "../format/checkpoint-file.ts";
import { CHECKPOINT_NAME, TEMPORARY_SUFFIX } from "../format/segment-name.ts";
import { copyFile, unshareFile } from "../storage/copy-file.ts";
import { removeIfThere, replaceFile } from "../storage/replace-file.ts";
import { joinPath, type Storage, type StorageFile } from "../storage/storage.ts";
import type { SalvageAction, SalvagePlan } from "./salvage-action.ts";

/** Where damaged bytes and reports are kept, beside the segments. */
export const QUARANTINE_DIRECTORY = "quarantine";

/** One place of a report: what was damaged, what is lost, where the bytes are now. */
export interface SalvagedPlace {
  readonly action: SalvageAction["kind"] | "remove-cursor";
  readonly path: string;
  readonly fromOffset: number | null;
  readonly endOffset: number | null;
  readonly lostFirstLsn: number | null;
  readonly lostLastLsn: number | null;
  readonly reason: string;
  /** File in quarantine that holds the damaged bytes; null when there were none. */
  readonly quarantined: string | null;
}

export interface SalvageReport {
  readonly version: 1;
  readonly timeMs: number;
  readonly directory: string;
  readonly isTailMissing: boolean;
  readonly places: readonly SalvagedPlace[];
  /** File name of the report itself, in quarantine. */
  readonly report: string;
}

export interface ApplyOptions {
  readonly storage: Storage;
  readonly directory: string;
  readonly nowMs: () => number;
}

/** Carries out a plan. The caller holds the directory's lock. */
export async function applySalvage(
  options: ApplyOptions,
  plan: SalvagePlan,
): Promise<SalvageReport> {
  const { storage, directory } = options;
  const quarantine = joinPath(directory, QUARANTINE_DIRECTORY);
  const timeMs = options.nowMs();
  await storage.ensureDirectory(quarantine);
  const report = await unusedReportName(storage, quarantine, timeMs);
  const places: SalvagedPlace[] = [];
  for (const [index, action] of plan.actions.entries()) {
    const quarantined = await copyDamaged(storage, quarantine, action, `${report.stamp}-${index}`);
    places.push(placeOf(action, quarantined));
  }
  const written: SalvageReport = {
    version: 1,
    timeMs,
    directory,
    isTailMissing: plan.isTailMissing,
    places,
    report: report.name,
  };
  await writeReport(storage, quarantine, written);
  await unshareChanged(options, plan);
  for (const action of plan.actions) await applyAction(options, plan, action);
  return written;
}

/** A backup keeps its segments as they are: those that are about to be changed in place stop sharing their files with it. */
async function unshareChanged(options: ApplyOptions, plan: SalvagePlan): Promise<void> {
  const { storage, directory } = options;
  const inPlace: readonly SalvageAction["kind"][] = [
    "patch-range",
    "restore-header",
    "remove-seal",
  ];
  const changed = plan.actions.filter(({ kind }) => inPlace.includes(kind));
  for (const path of new Set(changed.map((action) => action.path))) {
    await unshareFile(storage, directory, path);
  }
}

/** A name that no earlier report has; unfinished reports of a crash are removed on the way. */
export async function unusedReportName(
  storage: Storage,
  quarantine: string,
  timeMs: number,
): Promise<{ readonly name: string; readonly stamp: string }> {
  const names = new Set(await storage.listDirectory(quarantine));
  for (const name of names) {
    if (name.endsWith(TEMPORARY_SUFFIX)) await removeIfThere(storage, joinPath(quarantine, name));
  }
  for (let count = 0; ; count++) {
    const stamp = count === 0 ? String(timeMs) : `${timeMs}-${count}`;
    const name = `report-${stamp}.json`;
    const isTaken = [...names].some((other) => other === name || other.includes(`-${stamp}-`));
    if (!isTaken) return { name, stamp };
  }
}

/** Writes a report, durable when it resolves. */
export async function writeReport(
  storage: Storage,
  quarantine: string,
  report: SalvageReport,
): Promise<void> {
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  await replaceFile(storage, quarantine, report.report, new TextEncoder().encode(text));
}

async function applyAction(
  options: ApplyOptions,
  plan: SalvagePlan,
  action: SalvageAction,
): Promise<void> {
  const { storage, directory, nowMs } = options;
  switch (action.kind) {
    case "patch-range":
    case "restore-header":
      await patchFile(storage, action);
      return;
    case "replace-segment": {
      const name = action.path.slice(action.path.lastIndexOf("/") + 1);
      await replaceSegment(storage, directory, name, action);
      return;
    }
    case "keep-bytes":
      return;
    case "remove-seal":
      await cutFile(storage, action);
      return;
    case "remove-segment":
      await removeIfThere(storage, action.path);
      await storage.syncDirectory(directory);
      return;
    case "move-checkpoint": {
      const { first } = plan;
      if (first === undefined) {
        await removeIfThere(storage, action.path);
        return;
      }
      const bytes = encodeCheckpoint({
        firstSegmentId: first.segmentId,
        firstLsn: first.firstLsn,
        writtenAtMs: nowMs(),
      });
      await replaceFile(storage, directory, CHECKPOINT_NAME, bytes);
    }
  }
}

async function cutFile(storage: Storage, action: SalvageAction): Promise<void> {
  const file = await storage.openFile(action.path, "write");
  try {
    await file.truncate(action.offset);
    await file.syncAll();
  } finally {
    await file.close();
  }
}

async function patchFile(storage: Storage, action: SalvageAction): Promise<void> {
  const file = await storage.openFile(action.path, "write");
  try {
    await writePieces(file, action);
  } finally {
    await file.close();
  }
}

/** As `replaceFile`, for a file too large to be held in memory. A crash leaves the old file, or none, or the new one. */
async function replaceSegment(
  storage: Storage,
  directory: string,
  name: string,
  action: SalvageAction,
): Promise<void> {
  const path = joinPath(directory, name);
  const temporaryPath = path + TEMPORARY_SUFFIX;
  await removeIfThere(storage, temporaryPath);
  const file = await storage.createFile(temporaryPath);
  try {
    await writePieces(file, action);
  } finally {
    await file.close();
  }
  await storage.rename(temporaryPath, path);
  await storage.syncDirectory(directory);
}

/** Writes what the action holds; durable when it resolves. */
async function writePieces(file: StorageFile, action: SalvageAction): Promise<void> {
  let { offset } = action;
  for (const piece of action.pieces()) {
    await file.write([piece], offset);
    offset += piece.byteLength;
  }
  await file.syncAll();
}

/** Copies the damaged bytes aside. Returns the copy's name, or `null` when there is nothing to copy. */
async function copyDamaged(
  storage: Storage,
  quarantine: string,
  action: SalvageAction,
  stamp: string,
): Promise<string | null> {
  if (action.damaged === undefined) return null;
  const { fromOffset, endOffset } = action.damaged;
  const segment = action.path.slice(action.path.lastIndexOf("/") + 1);
  const name = `${segment}-${fromOffset}-${endOffset}-${stamp}.bin`;
  await copyFile(storage, action.path, joinPath(quarantine, name), { fromOffset, endOffset });
  await storage.syncDirectory(quarantine);
  return name;
}

/** An action as a report tells of it. Pure. */
export function placeOf(action: SalvageAction, quarantined: string | null): SalvagedPlace {
  return {
    action: action.kind,
    path: action.path,
    fromOffset: action.damaged?.fromOffset ?? null,
    endOffset: action.damaged?.endOffset ?? null,
    lostFirstLsn: action.lost.firstLsn ?? null,
    lostLastLsn: action.lost.lastLsn ?? null,
    reason: action.reason,
    quarantined,
  };
}
