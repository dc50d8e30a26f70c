/**
 * Recovery mode "salvage": whatever is damaged is moved to quarantine and named, the rest is served.
 */
import { removeIfThere } from "../storage/replace-file.ts";
import { joinPath } from "../storage/storage.ts";
import {
  applySalvage,
  QUARANTINE_DIRECTORY,
  unusedReportName,
  writeReport,
  type SalvageReport,
} from "./salvage-apply.ts";
import { planSalvage, type SalvageOptions } from "./salvage-plan.ts";

/** Salvages a log's segments. Returns `undefined` when nothing was damaged. The caller holds the directory's lock. */
export async function salvageSegments(options: SalvageOptions): Promise<SalvageReport | undefined> {
  const plan = await planSalvage(options);
  if (plan.actions.length === 0) return undefined;
  return await applySalvage(options, plan);
}

/**
 * Moves a damaged cursor file to quarantine. Its owner starts again from the first record: delivering twice is the safe
 * side of not knowing.
 */
export async function quarantineCursor(
  options: SalvageOptions,
  path: string,
  name: string,
): Promise<SalvageReport> {
  const { storage, directory, nowMs } = options;
  const quarantine = joinPath(directory, QUARANTINE_DIRECTORY);
  const timeMs = nowMs();
  await storage.ensureDirectory(quarantine);
  const { name: reportName, stamp } = await unusedReportName(storage, quarantine, timeMs);
  const quarantined = `${name}-${stamp}-0.cursor`;
  const report: SalvageReport = {
    version: 1,
    timeMs,
    directory,
    isTailMissing: false,
    places: [
      {
        action: "remove-cursor",
        path,
        fromOffset: null,
        endOffset: null,
        lostFirstLsn: null,
        lostLastLsn: null,
        reason: "the cursor file is damaged",
        quarantined,
      },
    ],
    report: reportName,
  };
  await writeReport(storage, quarantine, report);
  await storage.rename(path, joinPath(quarantine, quarantined));
  await storage.syncDirectory(quarantine);
  await removeIfThere(storage, path);
  return report;
}
