/**
 * `walnut raft convert`: copies a Raft log into a new directory, for the same or another backend.
 */
import { convertRaftLog, type ConvertReport } from "@walnut/raft-log";
import type { CommandContext } from "./command-context.ts";
import { EXIT_OK } from "./exit-code.ts";
import { formatCount, formatLsns, parseWhole } from "./quantity-text.ts";
import { ownerText } from "./raft-text.ts";
import { formatBytes } from "./serve-text.ts";

export interface RaftConvertFlags {
  /** Commander lets only backends through that there are. */
  readonly backend: "walnut" | "etcd" | "level";
  readonly group?: string;
  readonly json?: boolean;
}

export async function raftConvertCommand(
  { from, to }: { readonly from: string; readonly to: string },
  flags: RaftConvertFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const progress = context.progressBar("convert", flags.json === true);
  let report: ConvertReport;
  try {
    report = await convertRaftLog({
      from,
      to,
      backend: flags.backend,
      groupId: flags.group === undefined ? undefined : parseWhole(flags.group, "--group", 0),
      onProgress: ({ bytesDone, bytesTotal }) => progress.report(bytesDone, bytesTotal),
    });
  } finally {
    progress.clear();
  }
  if (flags.json === true) output.json(report, terminal.isTerminal);
  else output.line(...reportLines(report));
  await output.flush();
  return EXIT_OK;
}

function reportLines(report: ConvertReport): string[] {
  const { from, to, groups } = report;
  const lines = [
    `${from.directory} (${from.backend}) -> ${to.directory}  ${ownerText({ ...report, backend: to.backend })}`,
  ];
  for (const { groupId, firstIndex, lastIndex, snapshotIndex, hardState, dataBytes } of groups) {
    const entries =
      lastIndex < firstIndex ? "no entries" : `entries ${formatLsns(firstIndex, lastIndex)}`;
    const snapshot = snapshotIndex === 0 ? "" : `, snapshot ${formatCount(snapshotIndex)}`;
    lines.push(
      `  group ${groupId}: ${entries} (${formatBytes(dataBytes)}), term ${hardState.term}, commit ${formatCount(hardState.commit)}${snapshot}`,
    );
  }
  lines.push(
    "Compared entry by entry: the copy is the same. It is the same peer: never start both.",
  );
  const hasSnapshot = groups.some(({ snapshotIndex }) => snapshotIndex > 0);
  if (to.backend === "etcd" && hasSnapshot) {
    lines.push(
      "Etcd's keys are not in a Raft log: an etcd needs its snap/db beside this one (docs/raft-log.md).",
    );
  }
  return lines;
}
