/**
 * `walnut verify`: checks every frame of every segment, the chain, the checkpoint and the cursors, and names all damage.
 */
import { verifyLog, type LogVerification } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { damageLines } from "./damage-text.ts";
import { EXIT_DAMAGE, EXIT_OK } from "./exit-code.ts";
import { encryptionOf, type KeyFlag } from "./key-flag.ts";
import { locateLogs, type LocatedLog } from "./log-locator.ts";
import { formatBytes } from "./serve-text.ts";
import { formatCount, formatDuration, formatLsns, plural } from "./quantity-text.ts";
import type { Terminal } from "./terminal.ts";
import { probeWriter, type WriterProbe } from "./writer-probe.ts";

export interface VerifyFlags extends KeyFlag {
  readonly json?: boolean;
}

interface VerifiedLog extends LogVerification {
  readonly name: string;
  readonly writer: WriterProbe;
  readonly durationMs: number;
}

export async function verifyCommand(
  directory: string,
  flags: VerifyFlags,
  context: CommandContext,
): Promise<number> {
  const { output } = context;
  const isJson = flags.json === true;
  const logs: VerifiedLog[] = [];
  for (const located of await locateLogs(directory)) {
    const log = await verifyOne(located, flags, context);
    if (!isJson) {
      if (logs.length > 0) output.line("");
      output.line(...verifiedLines(log, context.terminal));
      await output.flush();
    }
    logs.push(log);
  }
  const isDamaged = logs.some(({ damage }) => damage.length > 0);
  if (isJson) output.json({ ok: !isDamaged, logs }, context.terminal.isTerminal);
  await output.flush();
  return isDamaged ? EXIT_DAMAGE : EXIT_OK;
}

async function verifyOne(
  { name, directory }: LocatedLog,
  flags: VerifyFlags,
  context: CommandContext,
): Promise<VerifiedLog> {
  const { environment } = context;
  const startedMs = environment.monotonicMs();
  const progress = context.progressBar("verify", flags.json === true);
  // Before the walk: a writer that stops meanwhile was there while its last frame was being read.
  const writer = await probeWriter(directory);
  try {
    const verification = await verifyLog({
      directory,
      ...encryptionOf(flags),
      onProgress: ({ bytesDone, bytesTotal }) => progress.report(bytesDone, bytesTotal),
    });
    return { name, writer, durationMs: environment.monotonicMs() - startedMs, ...verification };
  } finally {
    progress.clear();
  }
}

function verifiedLines(log: VerifiedLog, terminal: Terminal): string[] {
  const { damage, gaps, segments, frames, records, verifiedBytes, durationMs } = log;
  const lines = [
    terminal.paint("bold", log.directory),
    `  ${plural(records, "record")} (LSN ${log.lastLsn < log.firstLsn ? "-" : formatLsns(log.firstLsn, log.lastLsn)}) in ${plural(frames, "frame")}, ` +
      `${plural(segments.length, "segment")}, ${plural(log.cursors, "cursor")}`,
    `  ${formatBytes(verifiedBytes)} read in ${formatDuration(durationMs)}`,
  ];
  if (log.encryptedFrames > 0) {
    const encrypted = plural(log.encryptedFrames, "frame");
    lines.push(`  ${encrypted} encrypted: whole, and not looked into (--key-file)`);
  }
  const unfinished = unfinishedText(log);
  if (unfinished !== undefined) lines.push(`  ${unfinished}`);
  for (const { firstLsn, lastLsn, path } of gaps) {
    const lost = `LSN ${formatLsns(firstLsn, lastLsn)}`;
    lines.push(
      terminal.paint("yellow", `  gap: ${lost} was lost to damage before and given up, ${path}`),
    );
  }
  if (damage.length === 0) {
    lines.push(terminal.paint("green", "  ok: nothing is damaged"));
    return lines;
  }
  lines.push("", ...damageLines(damage, terminal), "");
  lines.push(terminal.paint("red", `${plural(damage.length, "damaged place")}.`) + lostText(log));
  lines.push("Copy the directory before anything else;");
  lines.push('docs/operations.md, "Damage", says what to do.');
  return lines;
}

function lostText({ damage }: VerifiedLog): string {
  let lost = 0;
  let isOpen = false;
  for (const { firstLsn, lastLsn, kind } of damage) {
    if (firstLsn !== undefined && lastLsn !== undefined) lost += lastLsn - firstLsn + 1;
    else if (kind === "missing-segment" || kind === "missing-successor") isOpen = true;
  }
  if (isOpen) return ` At least ${plural(lost, "record")} cannot be read.`;
  return ` ${lost === 0 ? "No record is lost by it." : `${plural(lost, "record")} cannot be read.`}`;
}

/** The end of a log that is being written is not damage, and neither is what a crash left. */
function unfinishedText({ unfinished, writer }: VerifiedLog): string | undefined {
  if (unfinished === undefined) return undefined;
  const { offsetBytes, endOffsetBytes, firstLsn } = unfinished;
  const where = `${formatBytes(endOffsetBytes - offsetBytes)} from offset ${formatCount(offsetBytes)} (LSN ${formatCount(firstLsn)} on)`;
  switch (writer.state) {
    case "alive":
      return `still being written: ${where}`;
    case "none":
      return `an unfinished last write, never acknowledged: ${where}; the next open cuts it`;
    case "unknown":
      return `still being written, or left by a crash: ${where}`;
  }
}
