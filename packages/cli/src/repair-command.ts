/**
 * `walnut repair`: says what is damaged and what a repair would do; with `--apply` copies the directory and does it.
 */
import { basename } from "node:path";
import { planRepair, repairWal, type PlannedPlace, type RepairReport } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { EXIT_DAMAGE, EXIT_OK } from "./exit-code.ts";
import { locateLog, locateLogs, type LocatedLog } from "./log-locator.ts";
import { formatCount, formatLsns, plural } from "./quantity-text.ts";
import { formatBytes } from "./serve-text.ts";
import { shellQuote } from "./shell-quote.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./text-table.ts";

export interface RepairFlags {
  readonly apply?: boolean;
  /** False with `--no-backup`. */
  readonly backup?: boolean;
  readonly log?: string;
  readonly json?: boolean;
}

/** What was found in one log, and done about it if that was wanted. */
interface RepairedLog {
  readonly name: string;
  readonly directory: string;
  readonly places: readonly PlannedPlace[];
  readonly isTailMissing: boolean;
  /** `undefined` when nothing was changed. */
  readonly report: RepairReport | undefined;
}

const DONE_ABOUT: Readonly<Record<PlannedPlace["action"], string>> = {
  "patch-range": "marks a gap in place of the frames",
  "restore-header": "restores the header",
  "replace-segment": "puts a gap in its place",
  "remove-segment": "moves it to quarantine; the log ends before it",
  "remove-seal": "lets the log end here",
  "move-checkpoint": "rebuilds the checkpoint",
  "keep-bytes": "keeps the bytes in quarantine",
  "remove-cursor": "moves it to quarantine; its owner starts again",
};

export async function repairCommand(
  directory: string,
  flags: RepairFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const located =
    flags.log === undefined ? await locateLogs(directory) : [await locateLog(directory, flags.log)];
  const logs: RepairedLog[] = [];
  for (const log of located) {
    const repaired = await repairOne(log, flags, context);
    logs.push(repaired);
    if (flags.json === true) continue;
    if (logs.length > 1) output.line("");
    output.line(...repairedLines(repaired, terminal));
    await output.flush();
  }
  const isDamaged = logs.some(({ places, report }) => places.length > 0 && report === undefined);
  if (flags.json === true) {
    const isApplied = flags.apply === true;
    output.json({ ok: !isDamaged, isApplied, logs }, terminal.isTerminal);
  }
  await output.flush();
  return isDamaged ? EXIT_DAMAGE : EXIT_OK;
}

async function repairOne(
  { name, directory }: LocatedLog,
  flags: RepairFlags,
  { environment }: CommandContext,
): Promise<RepairedLog> {
  const { places, isTailMissing } = await planRepair({ directory });
  if (flags.apply !== true || places.length === 0) {
    return { name, directory, places, isTailMissing, report: undefined };
  }
  const backup = flags.backup === false ? undefined : backupName(directory, environment.nowMs());
  const report = await repairWal({ directory, backup });
  return { name, directory, places: report.places, isTailMissing, report };
}

/** Beside the log, so that it is on the same volume and easy to find. */
function backupName(directory: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
  return `${directory.replace(/\/+$/, "")}-before-repair-${stamp}`;
}

function repairedLines(log: RepairedLog, terminal: Terminal): string[] {
  const { directory, places, report, isTailMissing } = log;
  const lines = [terminal.paint("bold", directory)];
  if (places.length === 0) {
    return [...lines, terminal.paint("green", "  ok: nothing is damaged, nothing to repair")];
  }
  lines.push("", ...placeLines(places, terminal), "");
  if (isTailMissing) lines.push("What followed the last segment is lost; nobody can say how much.");
  if (report === undefined) {
    const summary = `${plural(places.length, "damaged place")}.`;
    lines.push(
      terminal.paint("red", summary) + lostText(places),
      "Nothing was changed. To copy the directory aside and repair it:",
      `  walnut repair ${shellQuote(directory)} --apply`,
    );
    return lines;
  }
  lines.push(
    terminal.paint("green", `Repaired ${plural(places.length, "damaged place")}.`) +
      lostText(places),
    `The log holds ${lsnText(report)} and opens.`,
  );
  const { backup, reports } = report;
  if (backup !== undefined) {
    const size = `${plural(backup.files, "file")}, ${formatBytes(backup.bytes)}`;
    lines.push(`As it was: ${backup.directory} (${size})`);
  }
  lines.push(`Damaged bytes and ${plural(reports.length, "report")}: ${directory}/quarantine`);
  return lines;
}

function lsnText({ firstLsn, lastLsn }: RepairReport): string {
  return lastLsn < firstLsn ? "no records" : `LSN ${formatLsns(firstLsn, lastLsn)}`;
}

function placeLines(places: readonly PlannedPlace[], terminal: Terminal): string[] {
  const rows = places.map((place) => [
    basename(place.path),
    bytesText(place),
    formatLsns(place.lostFirstLsn ?? undefined, place.lostLastLsn ?? undefined),
    `${DONE_ABOUT[place.action]}: ${place.reason}`,
  ]);
  return tableLines(
    [
      { title: "damaged file", align: "left" },
      { title: "bytes", align: "right" },
      { title: "lost LSNs", align: "right" },
      { title: "a repair", align: "left" },
    ],
    rows,
    terminal,
  );
}

function bytesText({ fromOffset, endOffset }: PlannedPlace): string {
  if (fromOffset === null || endOffset === null) return "-";
  return `${formatCount(fromOffset)} - ${formatCount(endOffset)}`;
}

function lostText(places: readonly PlannedPlace[]): string {
  let lost = 0;
  for (const { lostFirstLsn, lostLastLsn } of places) {
    if (lostFirstLsn !== null && lostLastLsn !== null) lost += lostLastLsn - lostFirstLsn + 1;
  }
  return lost === 0 ? "" : ` ${plural(lost, "record")} lost, named above.`;
}
