/**
 * `walnut restore`: makes a log of a backup, all of it or up to an LSN or a time.
 */
import { restoreWal, type RecoverUntil, type WalPositions } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { encryptionOf, type KeyFlag } from "./key-flag.ts";
import { formatCount, formatLsns, formatTime, parseTime, parseWhole } from "./quantity-text.ts";

export interface RestoreFlags extends KeyFlag {
  readonly untilLsn?: string;
  readonly untilTime?: string;
  readonly json?: boolean;
}

export async function restoreCommand(
  backup: string,
  directory: string,
  flags: RestoreFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal, note } = context;
  const until = untilOf(flags, context.environment.nowMs());
  const isJson = flags.json === true;
  const copying = context.progressBar("restore", isJson);
  const checking = context.progressBar("verify", isJson);
  let positions: WalPositions;
  try {
    positions = await restoreWal({
      backup,
      directory,
      until,
      onProgress: ({ bytes, bytesTotal }) => copying.report(bytes, bytesTotal),
      open: {
        ...encryptionOf(flags),
        onRecoveryProgress: ({ bytesDone, bytesTotal }) => {
          copying.clear();
          checking.report(bytesDone, bytesTotal);
        },
      },
    });
  } finally {
    copying.clear();
    checking.clear();
  }
  const { firstLsn, appendedLsn: lastLsn } = positions;
  for (const line of surprises(until, firstLsn, lastLsn)) note(`walnut: ${line}`);
  if (isJson) {
    output.json({ directory, firstLsn, lastLsn }, terminal.isTerminal);
  } else {
    const lsns = lastLsn < firstLsn ? "no records" : `LSN ${formatLsns(firstLsn, lastLsn)}`;
    output.line(
      `${directory}: ${lsns}, every frame verified; the next record gets ${formatCount(lastLsn + 1)}`,
    );
  }
  await output.flush();
  return EXIT_OK;
}

function untilOf({ untilLsn, untilTime }: RestoreFlags, nowMs: number): RecoverUntil | undefined {
  if (untilLsn !== undefined && untilTime !== undefined) {
    throw new CommandFailure(EXIT_USAGE, "--until-lsn and --until-time: choose one");
  }
  if (untilLsn !== undefined) return { lsn: parseWhole(untilLsn, "--until-lsn", 0) };
  if (untilTime !== undefined) return { timeMs: parseTime(untilTime, "--until-time", nowMs) };
  return undefined;
}

/** What is not wrong, and perhaps not what was meant. */
function surprises(until: RecoverUntil | undefined, firstLsn: number, lastLsn: number): string[] {
  if (until === undefined) return [];
  if (lastLsn < firstLsn) {
    const where = "lsn" in until ? `LSN ${formatCount(until.lsn)}` : formatTime(until.timeMs);
    return [`the backup begins behind ${where}: the restored log holds no records`];
  }
  if ("lsn" in until && until.lsn > lastLsn) {
    return [`the backup ends with LSN ${formatCount(lastLsn)}: all of it was restored`];
  }
  return [];
}
