/**
 * `walnut backup`: a copy of a log that can be restored, made beside whoever writes it.
 */
import { backupLog, type BackupReport } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { locateLog, locateLogs } from "./log-locator.ts";
import { formatLsns, plural } from "./quantity-text.ts";
import { formatBytes } from "./serve-text.ts";
import { shellQuote } from "./shell-quote.ts";

export interface BackupFlags {
  readonly log?: string;
  readonly json?: boolean;
}

export async function backupCommand(
  directory: string,
  target: string,
  flags: BackupFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const log = await theLog(directory, flags);
  const progress = context.progressBar("backup", flags.json === true);
  let report: BackupReport;
  try {
    report = await backupLog({
      directory: log,
      target,
      onProgress: ({ bytes, bytesTotal }) => progress.report(bytes, bytesTotal),
    });
  } finally {
    progress.clear();
  }
  if (flags.json === true) {
    output.json({ log, ...report }, terminal.isTerminal);
  } else {
    output.line(...reportLines(report));
  }
  await output.flush();
  return EXIT_OK;
}

/** One backup is one log: with several, the person says which. */
async function theLog(directory: string, { log }: BackupFlags): Promise<string> {
  const logs = await locateLogs(directory);
  if (log === undefined && logs.length > 1) {
    const names = logs.map(({ name }) => `--log ${name}`).join(" or ");
    throw new CommandFailure(
      EXIT_USAGE,
      `${directory} holds ${plural(logs.length, "log")}: choose one with ${names}; a server as a whole is backed up when it is stopped`,
    );
  }
  return (await locateLog(directory, log)).directory;
}

function reportLines({
  directory,
  segments,
  linkedBytes,
  copiedBytes,
  firstLsn,
  lastLsn,
}: BackupReport): string[] {
  const lsns = lastLsn < firstLsn ? "no records" : `LSN ${formatLsns(firstLsn, lastLsn)}`;
  const linked = linkedBytes > 0 ? `, ${formatBytes(linkedBytes)} linked` : "";
  return [
    `${directory}: ${lsns} in ${plural(segments, "segment")}, ${formatBytes(copiedBytes)} copied${linked}`,
    linkedBytes > 0
      ? "Linked files are the same bytes on the same disk: copy the backup to another one."
      : `Check it with: walnut verify ${shellQuote(directory)}`,
  ];
}
