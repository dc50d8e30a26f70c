/**
 * `walnut raft repair`: says what a repair of etcd's files would cut off; with `--apply` keeps a copy and does it.
 */
import { planRaftRepair, repairRaftLog, type RaftRepairReport } from "@walnut/raft-log";
import type { CommandContext } from "./command-context.ts";
import { EXIT_DAMAGE, EXIT_OK } from "./exit-code.ts";
import { formatCount, plural } from "./quantity-text.ts";
import { raftDamageLines, tornText } from "./raft-text.ts";
import { shellQuote } from "./shell-quote.ts";
import type { Terminal } from "./terminal.ts";

export interface RaftRepairFlags {
  readonly apply?: boolean;
  readonly json?: boolean;
}

export async function raftRepairCommand(
  directory: string,
  flags: RaftRepairFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const progress = context.progressBar("read", flags.json === true);
  const options = {
    directory,
    onProgress: ({ bytesDone, bytesTotal }: { bytesDone: number; bytesTotal: number }) =>
      progress.report(bytesDone, bytesTotal),
  };
  let report: RaftRepairReport;
  try {
    report =
      flags.apply === true
        ? await repairRaftLog(options)
        : { ...(await planRaftRepair(options)), brokenPath: undefined };
  } finally {
    progress.clear();
  }
  const isMended = report.torn === undefined || report.brokenPath !== undefined;
  const isWhole = isMended && report.damage.length === 0;
  if (flags.json === true) {
    output.json(
      { ok: isWhole, isApplied: report.brokenPath !== undefined, ...report },
      terminal.isTerminal,
    );
  } else {
    output.line(...repairedLines(directory, report, terminal));
  }
  await output.flush();
  return isWhole ? EXIT_OK : EXIT_DAMAGE;
}

function repairedLines(asked: string, report: RaftRepairReport, terminal: Terminal): string[] {
  const { directory, torn, damage, brokenPath, lastIndex } = report;
  const lines = [terminal.paint("bold", directory)];
  if (damage.length > 0) {
    return [
      ...lines,
      "",
      ...raftDamageLines(damage, directory, terminal),
      "",
      terminal.paint(
        "red",
        `${plural(damage.length, "damaged place")} that no repair mends; nothing was changed.`,
      ),
      "Restore the directory from a copy, or remove this node from its cluster and add it anew, with an empty directory.",
    ];
  }
  if (torn === undefined) return [...lines, terminal.paint("green", "  ok: nothing to repair")];
  if (brokenPath !== undefined) {
    return [
      ...lines,
      terminal.paint("green", `Cut off ${tornText(torn)}.`),
      `The log ends with entry ${formatCount(lastIndex)}. The file as it was: ${brokenPath}`,
    ];
  }
  return [
    ...lines,
    `  ${tornText(torn)}`,
    `  A repair cuts it off. The log then ends with entry ${formatCount(lastIndex)}.`,
    "Nothing was changed. To keep a copy of the file and cut it:",
    `  walnut raft repair ${shellQuote(asked)} --apply`,
  ];
}
