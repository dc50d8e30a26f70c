/**
 * `walnut stats`: what is in a log, in numbers, and a histogram of record sizes.
 */
import { inspectLog, readLog, type LogInspection } from "@walnut/wal";
import { bar } from "./bar-chart.ts";
import type { CommandContext } from "./command-context.ts";
import { damageText } from "./damage-text.ts";
import { EXIT_DAMAGE, EXIT_OK } from "./exit-code.ts";
import { encryptionOf, type KeyFlag } from "./key-flag.ts";
import { locateLogs, type LocatedLog } from "./log-locator.ts";
import { StatsCounter, type LogStats, type SizeBucket } from "./log-stats.ts";
import { formatBytes } from "./serve-text.ts";
import { formatCount, formatDuration, formatSecond, plural } from "./quantity-text.ts";
import type { Terminal } from "./terminal.ts";
import { definitionLines } from "./text-table.ts";

export interface StatsFlags extends KeyFlag {
  readonly json?: boolean;
}

interface CountedLog extends LogStats {
  readonly name: string;
  readonly directory: string;
  readonly segments: number;
  /** Sizes of the segment files. */
  readonly diskBytes: number;
  /** Caller bytes for each byte on disk. */
  readonly payloadPerDiskByte: number;
  /** From the first frame to the last. */
  readonly spanMs: number | undefined;
  readonly recordsPerSecond: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly damagedPlaces: number;
}

const MAX_BAR_WIDTH = 50;

export async function statsCommand(
  directory: string,
  flags: StatsFlags,
  context: CommandContext,
): Promise<number> {
  const { output, terminal } = context;
  const isJson = flags.json === true;
  const logs: CountedLog[] = [];
  for (const located of await locateLogs(directory)) {
    const log = await countOne(located, flags, context);
    if (!isJson) output.line(...(logs.length > 0 ? [""] : []), ...statsLines(log, terminal));
    logs.push(log);
    await output.flush();
  }
  if (isJson) output.json({ logs }, terminal.isTerminal);
  await output.flush();
  return logs.some(({ damagedPlaces }) => damagedPlaces > 0) ? EXIT_DAMAGE : EXIT_OK;
}

async function countOne(
  { name, directory }: LocatedLog,
  flags: StatsFlags,
  context: CommandContext,
): Promise<CountedLog> {
  const inspection = await inspectLog({ directory });
  const totalBytes = inspection.segments.reduce((total, { usedBytes }) => total + usedBytes, 0);
  const progress = context.progressBar("stats", flags.json === true);
  const counter = new StatsCounter();
  let doneBytes = 0;
  let damagedPlaces = 0;
  for await (const part of readLog({ directory, ...encryptionOf(flags) })) {
    if (part.kind === "records") {
      counter.add(part);
      doneBytes += part.lengthBytes;
      progress.report(doneBytes, Math.max(doneBytes, totalBytes));
    } else if (part.kind === "damage") {
      damagedPlaces++;
      progress.clear();
      context.note(`walnut: ${damageText(part.damage)}`);
    }
  }
  progress.clear();
  return { name, directory, damagedPlaces, ...withRates(counter.stats, inspection) };
}

function withRates(
  stats: LogStats,
  { segments }: LogInspection,
): LogStats &
  Pick<
    CountedLog,
    | "segments"
    | "diskBytes"
    | "payloadPerDiskByte"
    | "spanMs"
    | "recordsPerSecond"
    | "bytesPerSecond"
  > {
  const diskBytes = segments.reduce((total, { fileBytes }) => total + fileBytes, 0);
  const { firstTimeMs, lastTimeMs, records, payloadBytes } = stats;
  const spanMs =
    firstTimeMs === undefined || lastTimeMs === undefined
      ? undefined
      : Math.max(0, lastTimeMs - firstTimeMs);
  const perSecond = (value: number): number | undefined =>
    spanMs === undefined || spanMs === 0 ? undefined : (value / spanMs) * 1000;
  return {
    ...stats,
    segments: segments.length,
    diskBytes,
    payloadPerDiskByte: diskBytes === 0 ? 0 : payloadBytes / diskBytes,
    spanMs,
    recordsPerSecond: perSecond(records),
    bytesPerSecond: perSecond(payloadBytes),
  };
}

function statsLines(log: CountedLog, terminal: Terminal): string[] {
  const { records, payloadBytes, frames, recordsPerFrame, sizes, diskBytes } = log;
  const facts: (readonly [string, string])[] = [
    ["records", `${formatCount(records)}, ${formatBytes(payloadBytes)} of payload`],
    [
      "frames",
      `${formatCount(frames)}, ${recordsPerFrame.toFixed(1)} records each, ${formatBytes(log.frameBytes)}`,
    ],
    [
      "disk",
      `${formatBytes(diskBytes)} in ${plural(log.segments, "segment")}, ${log.payloadPerDiskByte.toFixed(2)} bytes of payload per byte`,
    ],
  ];
  const codecs = Object.entries(log.framesByCodec);
  if (codecs.some(([name]) => name !== "none")) {
    const text = codecs.map(([name, count]) => `${name} ${formatCount(count)}`).join(", ");
    facts.push(["codecs", `${text}; bodies shrink ${log.compressionRatio.toFixed(2)} times`]);
  }
  const kinds = Object.entries(log.recordsByKind);
  if (kinds.some(([kind]) => kind !== "0")) {
    facts.push([
      "kinds",
      kinds.map(([kind, count]) => `${kind}: ${formatCount(count)}`).join(", "),
    ]);
  }
  if (log.firstTimeMs !== undefined && log.lastTimeMs !== undefined) {
    const span = formatDuration(log.spanMs ?? 0);
    facts.push(["from", formatSecond(log.firstTimeMs)]);
    facts.push(["to", `${formatSecond(log.lastTimeMs)}, ${span} later`]);
  }
  if (log.recordsPerSecond !== undefined && log.bytesPerSecond !== undefined) {
    const bytes = formatBytes(Math.round(log.bytesPerSecond));
    facts.push(["rate", `${formatCount(log.recordsPerSecond)} records/s, ${bytes}/s on average`]);
  }
  if (records > 0) {
    const { min, median, mean, p99, max } = sizes;
    const words = Object.entries({ min, median, mean: Math.round(mean), p99, max });
    facts.push(["size", words.map(([word, bytes]) => `${word} ${formatBytes(bytes)}`).join(", ")]);
  }
  const lines = [terminal.paint("bold", log.directory), ...definitionLines(facts, terminal)];
  if (records > 0) lines.push("", ...histogramLines(sizes.buckets, records, terminal));
  return lines;
}

function histogramLines(
  buckets: readonly SizeBucket[],
  records: number,
  terminal: Terminal,
): string[] {
  const most = Math.max(...buckets.map((bucket) => bucket.records));
  const labels = buckets.map(({ fromBytes, toBytes }) =>
    toBytes === 1 ? "empty" : `${shortBytes(fromBytes)} - ${shortBytes(toBytes)}`,
  );
  const labelWidth = Math.max(...labels.map((label) => label.length));
  const countWidth = formatCount(most).length;
  const width = Math.min(MAX_BAR_WIDTH, terminal.columns - labelWidth - countWidth - 15);
  return buckets.map((bucket, index) => {
    const label = (labels[index] ?? "").padStart(labelWidth);
    const share = `${((bucket.records / records) * 100).toFixed(1)} %`.padStart(7);
    const picture = terminal.paint("cyan", bar(bucket.records, most, width, terminal));
    return `  ${label}  ${formatCount(bucket.records).padStart(countWidth)} ${share}  ${picture}`.trimEnd();
  });
}

/** Powers of two without a fraction: "512", "4 KiB". */
function shortBytes(bytes: number): string {
  return bytes < 1024 ? String(bytes) : formatBytes(bytes).replace(".0 ", " ");
}
