/**
 * `walnut bench`: a short benchmark of the engine on this machine and disk, beside what the disk can do without a log.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bar } from "./bar-chart.ts";
import { BENCH_CASES, runBenchCase, type BenchResult } from "./bench-trials.ts";
import type { CommandContext } from "./command-context.ts";
import { EXIT_OK } from "./exit-code.ts";
import { inScratchDirectory } from "./scratch-directory.ts";
import { formatCount, formatMicros, parsePositive } from "./quantity-text.ts";
import { runSyncTrials, SYNC_METHODS, type SyncTrial } from "./sync-trials.ts";
import { tableLines, wrap } from "./text-table.ts";
import type { Terminal } from "./terminal.ts";

export interface BenchFlags {
  readonly seconds?: string;
  readonly json?: boolean;
}

const DEFAULT_SECONDS = "1";
/** Bytes that one record of 256 bytes takes on its own: header, head, padding. */
const SMALL_FRAME_BYTES = 312;
const LARGE_WRITE_BYTES = 1024 * 1024; // 1 MiB
const BAR_WIDTH = 24;

/** What the disk does without a log. */
interface Floor {
  readonly small: SyncTrial;
  readonly smallBlocking: SyncTrial;
  readonly large: SyncTrial;
}

export async function benchCommand(
  directory: string | undefined,
  flags: BenchFlags,
  context: CommandContext,
): Promise<number> {
  const seconds = parsePositive(flags.seconds ?? DEFAULT_SECONDS, "--seconds");
  const parent = directory ?? tmpdir();
  const isJson = flags.json === true;
  const { output, terminal } = context;
  await inScratchDirectory(parent, context.environment, async (scratch, volume) => {
    const progress = context.progressBar("bench", isJson);
    const total = BENCH_CASES.length + 1;
    const results: BenchResult[] = [];
    let floor: Floor;
    try {
      progress.report(0, total, "the disk alone");
      floor = await measureFloor(scratch, seconds / 3);
      for (const benchCase of BENCH_CASES) {
        progress.report(results.length + 1, total, benchCase.name);
        results.push(await runBenchCase(join(scratch, "log"), benchCase, seconds));
      }
    } finally {
      progress.clear();
    }
    if (isJson) output.json({ directory: parent, volume, floor, results }, terminal.isTerminal);
    else output.line(`${parent} (${volume.fileSystem})`, ...benchLines(floor, results, terminal));
    await output.flush();
  });
  return EXIT_OK;
}

async function measureFloor(directory: string, seconds: number): Promise<Floor> {
  const trial = async (name: string, sizeBytes: number): Promise<SyncTrial> => {
    const methods = SYNC_METHODS.filter((candidate) => candidate.name === name);
    const [found] = await runSyncTrials(directory, methods, sizeBytes, seconds);
    if (found === undefined) throw new RangeError(`no method ${name}`);
    return found;
  };
  return {
    small: await trial("zero-filled, fdatasync", SMALL_FRAME_BYTES),
    smallBlocking: await trial("zero-filled, fdatasync, blocking", SMALL_FRAME_BYTES),
    large: await trial("append, fdatasync", LARGE_WRITE_BYTES),
  };
}

function benchLines(floor: Floor, results: readonly BenchResult[], terminal: Terminal): string[] {
  const { small, smallBlocking, large } = floor;
  const largeRate = (LARGE_WRITE_BYTES / large.medianUs) * 1e6;
  const most = Math.max(...results.map(({ recordsPerSecond }) => recordsPerSecond));
  const rows = results.map((result) => [
    result.benchCase.name,
    formatCount(result.recordsPerSecond),
    (result.bytesPerSecond / 1e6).toFixed(1),
    formatMicros(result.medianUs),
    formatMicros(result.p99Us),
    result.recordsPerSync === 0 ? "-" : formatCount(result.recordsPerSync),
    { text: bar(result.recordsPerSecond, most, BAR_WIDTH, terminal), style: "cyan" as const },
  ]);
  const columns = [
    { title: "256-byte records", align: "left" },
    { title: "records/s", align: "right" },
    { title: "MB/s", align: "right" },
    { title: "median", align: "right" },
    { title: "p99", align: "right" },
    { title: "per sync", align: "right" },
    { title: "", align: "left" },
  ] as const;
  const one = results.find(({ benchCase }) => benchCase.writers === 1);
  const ratio = one === undefined ? 0 : one.medianUs / small.medianUs;
  return [
    ...wrap(
      `The disk alone: write and fdatasync of ${SMALL_FRAME_BYTES} bytes takes ${formatMicros(small.medianUs)} ` +
        `(${formatMicros(smallBlocking.medianUs)} on the main thread); 1 MiB with fdatasync after each: ` +
        `${formatCount(largeRate / 1e6)} MB/s.`,
      terminal.columns,
    ),
    "",
    ...tableLines(columns, rows, terminal),
    "",
    `One writer that waits for the device takes ${ratio.toFixed(2)} times the disk alone.`,
  ];
}
