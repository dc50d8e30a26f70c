/**
 * `walnut raft verify`: checks every record and every snapshot of a Raft log, and names all damage.
 */
import { openRaftSource, type RaftDamage, type RaftSource } from "@walnut/raft-log";
import type { CommandContext } from "./command-context.ts";
import { EXIT_DAMAGE, EXIT_OK } from "./exit-code.ts";
import { formatDuration, plural } from "./quantity-text.ts";
import { groupLines, groupSummaries, ownerText, raftDamageLines, tornText } from "./raft-text.ts";
import { formatBytes } from "./serve-text.ts";
import type { Terminal } from "./terminal.ts";

export interface RaftVerifyFlags {
  readonly json?: boolean;
}

interface Verified {
  readonly source: RaftSource;
  /** What a crash left at the end; no damage. */
  readonly torn: RaftDamage | undefined;
  readonly damage: readonly RaftDamage[];
  readonly durationMs: number;
}

export async function raftVerifyCommand(
  directory: string,
  flags: RaftVerifyFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal, environment } = context;
  const startedMs = environment.monotonicMs();
  const progress = context.progressBar("verify", flags.json === true);
  let source: RaftSource;
  try {
    source = await openRaftSource({
      directory,
      onProgress: ({ bytesDone, bytesTotal }) => progress.report(bytesDone, bytesTotal),
    });
  } finally {
    progress.clear();
  }
  try {
    const torn = source.damage.find(({ kind }) => kind === "torn");
    const damage = source.damage.filter((place) => place !== torn);
    const durationMs = environment.monotonicMs() - startedMs;
    const verified = { source, torn, damage, durationMs };
    if (flags.json === true) output.json(jsonOf(verified), terminal.isTerminal);
    else output.line(...verifiedLines(verified, terminal));
    await output.flush();
    return damage.length === 0 ? EXIT_OK : EXIT_DAMAGE;
  } finally {
    await source.close();
  }
}

function jsonOf({ source, torn, damage, durationMs }: Verified): unknown {
  const { backend, directory, clusterId, peerId, records, bytes } = source;
  const groups = groupSummaries(source);
  const unfinished = torn ?? null;
  return {
    ok: damage.length === 0,
    backend,
    directory,
    clusterId,
    peerId,
    groups,
    records,
    bytes,
    unfinished,
    damage,
    durationMs,
  };
}

function verifiedLines(
  { source, torn, damage, durationMs }: Verified,
  terminal: Terminal,
): string[] {
  const { directory, records, bytes } = source;
  // A store of keys has no records that could be counted.
  const counts = bytes === 0 ? "" : `${plural(records, "record")}, ${formatBytes(bytes)} `;
  const lines = [
    `${terminal.paint("bold", directory)}  ${ownerText(source)}`,
    `  ${counts}read in ${formatDuration(durationMs)}`,
    "",
    ...groupLines(groupSummaries(source), terminal),
    "",
  ];
  if (torn !== undefined) {
    lines.push(
      `  ${tornText(torn)}:`,
      "  still being written, or left by a crash; the next start of the node cuts it",
      "",
    );
  }
  if (damage.length === 0) return [...lines, terminal.paint("green", "  ok: nothing is damaged")];
  return [
    ...lines,
    ...raftDamageLines(damage, directory, terminal),
    "",
    terminal.paint("red", `${plural(damage.length, "damaged place")}.`),
    "Restore the directory from a copy, or remove this node from its cluster and add it anew, with an empty directory.",
  ];
}
