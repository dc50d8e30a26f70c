/**
 * `walnut inspect`: segments, positions, a map, and who holds space since when.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { inspectLog, type LogInspection } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { cursorLines } from "./cursor-table.ts";
import { damageLines } from "./damage-text.ts";
import { EXIT_DAMAGE, EXIT_OK } from "./exit-code.ts";
import { locateLogs, type LocatedLog } from "./log-locator.ts";
import { formatBytes } from "./serve-text.ts";
import { formatCount, formatDuration, formatLsns, formatSecond, plural } from "./quantity-text.ts";
import { segmentMapLegend, segmentMapLines } from "./segment-map.ts";
import type { Terminal } from "./terminal.ts";
import { definitionLines, tableLines, type TableColumn } from "./text-table.ts";
import { probeWriter, type WriterProbe } from "./writer-probe.ts";

export interface InspectFlags {
  readonly json?: boolean;
  readonly all?: boolean;
  readonly headers?: boolean;
}

interface InspectedLog extends LogInspection {
  readonly name: string;
  readonly writer: WriterProbe;
  /** Files that a retention has set aside. */
  readonly archived: { readonly files: number; readonly bytes: number };
  readonly quarantined: { readonly files: number; readonly bytes: number };
}

/** Segments shown in the table when there are many; `--all` shows every one. */
const MAX_TABLE_ROWS = 20;

export async function inspectCommand(
  directory: string,
  flags: InspectFlags,
  context: CommandContext,
): Promise<number> {
  const { output } = context;
  const logs: InspectedLog[] = [];
  for (const located of await locateLogs(directory)) logs.push(await inspectOne(located));
  if (flags.json === true) {
    output.json({ logs }, context.terminal.isTerminal);
  } else {
    for (const [index, log] of logs.entries()) {
      if (index > 0) output.line("");
      output.line(...logLines(log, flags, context));
    }
  }
  await output.flush();
  return logs.some(({ damage }) => damage.length > 0) ? EXIT_DAMAGE : EXIT_OK;
}

async function inspectOne({ name, directory }: LocatedLog): Promise<InspectedLog> {
  const writer = await probeWriter(directory);
  const inspection = await inspectLog({ directory });
  const { names } = inspection;
  const archived = names.filter((file) => file.endsWith(".wal.recovered"));
  return {
    name,
    writer,
    ...inspection,
    archived: await sizesOf(directory, archived),
    quarantined: await sizesOf(join(directory, "quarantine"), undefined),
  };
}

async function sizesOf(
  directory: string,
  names: readonly string[] | undefined,
): Promise<{ files: number; bytes: number }> {
  const { readdir } = await import("node:fs/promises");
  const files = names ?? (await readdir(directory).catch(() => []));
  let bytes = 0;
  for (const file of files) {
    bytes += await stat(join(directory, file)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return { files: files.length, bytes };
}

function logLines(log: InspectedLog, flags: InspectFlags, context: CommandContext): string[] {
  const { terminal, environment } = context;
  const nowMs = environment.nowMs();
  const lines = [terminal.paint("bold", log.directory), ...factLines(log, nowMs, terminal)];
  if (log.segments.length > 0) {
    lines.push("", ...segmentTable(log, flags, context));
    lines.push("", ...segmentMapLines(log, terminal, flags.all === true));
    lines.push(terminal.paint("dim", ` ${segmentMapLegend(terminal)}`));
  }
  lines.push("", ...cursorLines(log, nowMs, terminal));
  if (log.damage.length > 0) {
    lines.push("", ...damageLines(log.damage, terminal), "", `walnut verify checks all of it.`);
  }
  return lines;
}

function factLines(log: InspectedLog, nowMs: number, terminal: Terminal): string[] {
  const { segments, written, vouched, checkpoint } = log;
  const lastLsn = written?.lsn ?? log.firstLsn - 1;
  const fileBytes = segments.reduce((total, segment) => total + segment.fileBytes, 0);
  const records = lastLsn - log.firstLsn + 1;
  const behind = lastLsn - (vouched?.lsn ?? lastLsn);
  const facts: (readonly [string, string])[] = [
    [
      "records",
      records <= 0
        ? `none; the next one gets LSN ${formatCount(lastLsn + 1)}`
        : `${formatCount(records)} (LSN ${formatLsns(log.firstLsn, lastLsn)})`,
    ],
    ["files", `${plural(segments.length, "segment")}, ${formatBytes(fileBytes)}`],
  ];
  if (log.lastTimeMs !== undefined) {
    const age = formatDuration(nowMs - log.lastTimeMs);
    facts.push(["last write", `${formatSecond(log.lastTimeMs)}, ${age} ago`]);
  }
  if (vouched !== undefined) {
    const rest =
      behind === 0 ? "" : `; ${formatCount(behind)} behind it, which no frame vouches for yet`;
    facts.push(["durable", `up to LSN ${formatCount(vouched.lsn)} for certain${rest}`]);
  }
  facts.push(["writer", writerText(log.writer)]);
  if (checkpoint !== undefined && checkpoint.firstLsn > 1) {
    facts.push([
      "released",
      `everything before LSN ${formatCount(checkpoint.firstLsn)}, ${formatSecond(checkpoint.writtenAtMs)}`,
    ]);
  }
  if (log.leftovers.length > 0) {
    facts.push([
      "leftovers",
      `${plural(log.leftovers.length, "file")}; the next open removes them`,
    ]);
  }
  if (log.archived.files > 0) facts.push(["archived", filesText(log.archived)]);
  if (log.quarantined.files > 0) facts.push(["quarantine", filesText(log.quarantined)]);
  return definitionLines(facts, terminal);
}

function filesText({ files, bytes }: { readonly files: number; readonly bytes: number }): string {
  return `${plural(files, "file")}, ${formatBytes(bytes)}`;
}

/** Who writes, in words. */
export function writerText({ state, owner }: WriterProbe): string {
  switch (state) {
    case "alive":
      return owner ?? "a process";
    case "none":
      return owner === undefined ? "none" : `none (the last one was ${owner})`;
    case "unknown":
      return owner === undefined ? "not known" : `not known; the last one was ${owner}`;
  }
}

function segmentTable(log: InspectedLog, flags: InspectFlags, context: CommandContext): string[] {
  const columns: TableColumn[] = [
    { title: "segment", align: "right" },
    { title: "state", align: "left" },
    { title: "LSNs", align: "right" },
    { title: "used", align: "right" },
    { title: "file", align: "right" },
    { title: "created", align: "left" },
  ];
  if (flags.headers === true) {
    columns.push(
      { title: "salt", align: "left" },
      { title: "before", align: "right" },
      { title: "its end", align: "right" },
      { title: "its digest", align: "left" },
    );
  }
  const isShort = flags.all !== true && log.segments.length > MAX_TABLE_ROWS;
  const shown = isShort ? log.segments.slice(-MAX_TABLE_ROWS) : log.segments;
  const rows = shown.map((segment) => [
    String(segment.segmentId),
    segment.state,
    segment.lastLsn !== undefined && segment.lastLsn < segment.firstLsn
      ? `from ${formatCount(segment.firstLsn)}`
      : formatLsns(segment.firstLsn, segment.lastLsn),
    formatBytes(segment.usedBytes),
    formatBytes(segment.fileBytes),
    formatSecond(segment.createdAtMs),
    segment.salt,
    String(segment.previousSegmentId),
    formatCount(segment.previousEndOffset),
    segment.previousDigest,
  ]);
  const lines = tableLines(columns, rows, context.terminal);
  if (isShort) {
    const left = log.segments.length - shown.length;
    lines.splice(
      1,
      0,
      `${context.terminal.glyphs.dots} ${plural(left, "more segment")} before (--all shows them)`,
    );
  }
  return lines;
}
