/**
 * `walnut fsync-test`: which way of syncing is fastest on this disk, and what that means for the options of a log.
 */
import { bar } from "./bar-chart.ts";
import type { CommandContext } from "./command-context.ts";
import { EXIT_OK } from "./exit-code.ts";
import { inScratchDirectory, type Volume } from "./scratch-directory.ts";
import { formatBytes } from "./serve-text.ts";
import { formatCount, formatMicros, parsePositive } from "./quantity-text.ts";
import {
  methodOfWalnut,
  runSyncTrials,
  SYNC_METHODS,
  SYNC_SIZES,
  type SyncTrial,
} from "./sync-trials.ts";
import type { Terminal } from "./terminal.ts";
import { wrap } from "./text-table.ts";

export interface FsyncTestFlags {
  readonly seconds?: string;
  readonly json?: boolean;
}

/** What follows from the measurement. */
export interface SyncAdvice {
  /** Median of a small synced append, the way Walnut does it. */
  readonly smallSyncUs: number;
  readonly appendsPerSecondOfOneWriter: number;
  /** `syncIntervalMs` at which syncing takes a tenth of the disk's time. */
  readonly syncIntervalMs: number;
  /** A sync is so slow that a single writer will feel it. */
  readonly isSlow: boolean;
}

const DEFAULT_SECONDS = "0.3";
const SLOW_SYNC_US = 3000;
const MIN_INTERVAL_MS = 10;
const MAX_BAR_WIDTH = 40;

export async function fsyncTestCommand(
  directory: string,
  flags: FsyncTestFlags,
  context: CommandContext,
): Promise<number> {
  const seconds = parsePositive(flags.seconds ?? DEFAULT_SECONDS, "--seconds");
  const isJson = flags.json === true;
  const { output, terminal } = context;
  await inScratchDirectory(directory, context.environment, async (scratch, volume) => {
    if (!isJson) output.line(...headLines(directory, volume, terminal));
    await output.flush();
    const trials: SyncTrial[] = [];
    const progress = context.progressBar("fsync-test", isJson);
    const total = SYNC_SIZES.length * SYNC_METHODS.length;
    for (const sizeBytes of SYNC_SIZES) {
      progress.report(trials.length, total, formatBytes(sizeBytes));
      const ofSize = await runSyncTrials(scratch, SYNC_METHODS, sizeBytes, seconds);
      trials.push(...ofSize);
      progress.clear();
      if (!isJson) output.line(...sizeLines(ofSize, terminal));
      await output.flush();
    }
    const advice = adviceFor(trials);
    if (isJson) output.json({ directory, volume, trials, advice }, terminal.isTerminal);
    else output.line(...adviceLines(advice, terminal));
    await output.flush();
  });
  return EXIT_OK;
}

/** What the trials mean for a log. */
export function adviceFor(trials: readonly SyncTrial[]): SyncAdvice {
  const small = Math.min(...SYNC_SIZES);
  const walnut = methodOfWalnut(small);
  const trial = trials.find(({ method, sizeBytes }) => method === walnut && sizeBytes === small);
  const smallSyncUs = trial?.medianUs ?? 0;
  const tenfoldMs = (Math.max(smallSyncUs, trial?.meanUs ?? 0) * 10) / 1000;
  return {
    smallSyncUs,
    appendsPerSecondOfOneWriter: smallSyncUs === 0 ? 0 : 1e6 / smallSyncUs,
    syncIntervalMs: Math.max(MIN_INTERVAL_MS, Math.ceil(tenfoldMs / 10) * 10),
    isSlow: smallSyncUs > SLOW_SYNC_US,
  };
}

function headLines(directory: string, volume: Volume, terminal: Terminal): string[] {
  const lines = [
    terminal.paint("bold", `${directory} (${volume.fileSystem})`),
    "Time until a write is on the device, one write at a time; shorter is better.",
  ];
  if (volume.isVolatile) {
    lines.push(
      terminal.paint(
        "yellow",
        `${volume.fileSystem} is memory: nothing here survives a power loss.`,
      ),
    );
  }
  return lines;
}

function sizeLines(trials: readonly SyncTrial[], terminal: Terminal): string[] {
  const sizeBytes = trials[0]?.sizeBytes ?? 0;
  const usable = trials.filter(({ method }) => !method.isBlocking);
  const best = Math.min(...usable.map(({ medianUs }) => medianUs));
  const slowest = Math.max(...trials.map(({ medianUs }) => medianUs));
  const walnut = methodOfWalnut(sizeBytes);
  const nameWidth = Math.max(...SYNC_METHODS.map(({ name }) => name.length));
  const noteWidth = " fastest, Walnut".length;
  const width = Math.min(MAX_BAR_WIDTH, terminal.columns - nameWidth - 23 - noteWidth);
  const heading = `${"".padEnd(nameWidth + 2)}${"median".padStart(9)} ${"p99".padStart(9)}`;
  const lines = ["", terminal.paint("bold", formatBytes(sizeBytes))];
  lines.push(terminal.paint("dim", heading));
  for (const { method, medianUs, p99Us } of trials) {
    const isBest = medianUs === best && !method.isBlocking;
    const notes = [
      ...(isBest ? [terminal.paint("green", "fastest")] : []),
      ...(method === walnut ? ["Walnut"] : []),
    ].join(", ");
    const style = method.isBlocking ? "dim" : isBest ? "green" : "cyan";
    const picture = terminal.paint(style, bar(medianUs, slowest, width, terminal));
    const numbers = `${formatMicros(medianUs).padStart(9)} ${formatMicros(p99Us).padStart(9)}`;
    lines.push(`  ${method.name.padEnd(nameWidth)}${numbers}  ${picture} ${notes}`.trimEnd());
  }
  return lines;
}

function adviceLines(advice: SyncAdvice, terminal: Terminal): string[] {
  const { smallSyncUs, appendsPerSecondOfOneWriter, syncIntervalMs, isSlow } = advice;
  const fact =
    `A small append is durable after ${formatMicros(smallSyncUs)}: one writer that waits for each makes ` +
    `${formatCount(appendsPerSecondOfOneWriter)} a second; many writers share a sync and make more (walnut bench).`;
  const slow = isSlow ? "This is a slow disk for synced writes. " : "";
  const wish =
    `${slow}Where losing the last moments in a power loss is acceptable, durability "interval" with ` +
    `syncIntervalMs ${syncIntervalMs} (a series log: forceWalPeriodMs ${syncIntervalMs}) spends at most a tenth of the disk's time on syncs.`;
  return ["", ...wrap(fact, terminal.columns), ...wrap(wish, terminal.columns)];
}
