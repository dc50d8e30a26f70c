/**
 * `walnut dump` and `walnut tail`: records as text, JSON lines or raw bytes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { followLog, inspectLog, readLog, type ReadLogOptions } from "@walnut/wal";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { EXIT_DAMAGE, EXIT_OK, EXIT_USAGE } from "./exit-code.ts";
import { encryptionOf, type KeyFlag } from "./key-flag.ts";
import { locateLog } from "./log-locator.ts";
import { parseLsn, parseTime, parseWhole } from "./quantity-text.ts";
import { loadDecoder } from "./record-decoder.ts";
import { RecordPrinter, type RecordFormat } from "./record-printer.ts";

/** Flags as commander gives them. */
export interface PrintFlags extends KeyFlag {
  readonly format?: string;
  readonly json?: boolean;
  readonly filter?: string;
  readonly kind?: string;
  readonly decode?: string;
  readonly log?: string;
}

export interface DumpFlags extends PrintFlags {
  readonly from?: string;
  readonly fromTime?: string;
  readonly to?: string;
  readonly toTime?: string;
  readonly limit?: string;
}

export interface TailFlags extends PrintFlags {
  readonly follow?: boolean;
  readonly lines?: string;
}

const DEFAULT_TAIL_RECORDS = 10;
const MAX_KIND = 15;

export async function dumpCommand(
  directory: string,
  flags: DumpFlags,
  context: CommandContext,
): Promise<number> {
  const nowMs = context.environment.nowMs();
  const limit = flags.limit === undefined ? Infinity : parseWhole(flags.limit, "--limit", 0);
  const range: Range = {
    ...encryptionOf(flags),
    fromLsn: flags.from === undefined ? undefined : parseLsn(flags.from, "--from"),
    toLsn: flags.to === undefined ? undefined : parseLsn(flags.to, "--to"),
    fromMs:
      flags.fromTime === undefined ? undefined : parseTime(flags.fromTime, "--from-time", nowMs),
    toMs: flags.toTime === undefined ? undefined : parseTime(flags.toTime, "--to-time", nowMs),
  };
  const printer = await printerOf(flags, { ...range, limit }, context);
  const log = await locateLog(directory, flags.log);
  if (!printer.isDone) {
    for await (const part of readLog({ directory: log.directory, ...readable(range, flags) })) {
      await printer.print(part);
      if (printer.isDone) break;
    }
  }
  await context.output.flush();
  return printer.damagedPlaces > 0 ? EXIT_DAMAGE : EXIT_OK;
}

export async function tailCommand(
  directory: string,
  flags: TailFlags,
  context: CommandContext,
): Promise<number> {
  const count = flags.lines === undefined ? DEFAULT_TAIL_RECORDS : parseWhole(flags.lines, "-n", 0);
  const log = await locateLog(directory, flags.log);
  const { written, firstLsn } = await inspectLog({ directory: log.directory });
  const fromLsn = Math.max(firstLsn, (written?.lsn ?? firstLsn - 1) - count + 1);
  const printer = await printerOf(flags, { fromLsn, limit: Infinity }, context);
  const range = readable({ fromLsn, ...encryptionOf(flags) }, flags);
  const options = { directory: log.directory, ...range };
  if (flags.follow === true) {
    await follow(options, printer, context);
  } else {
    for await (const part of readLog(options)) {
      await printer.print(part);
      if (printer.isDone) break;
    }
  }
  await context.output.flush();
  return printer.damagedPlaces > 0 ? EXIT_DAMAGE : EXIT_OK;
}

/** Prints what comes until a signal, or until nobody reads any more. */
async function follow(
  options: ReadLogOptions,
  printer: RecordPrinter,
  context: CommandContext,
): Promise<void> {
  const { environment, output } = context;
  const stop = new AbortController();
  const unregister = environment.onStopSignal(() => stop.abort());
  const pause = async (delayMs: number): Promise<void> => {
    await output.flush();
    if (output.isGone) stop.abort();
    try {
      await sleep(delayMs, undefined, { signal: stop.signal });
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  };
  try {
    for await (const part of followLog({ ...options, pause, signal: stop.signal })) {
      await printer.print(part);
      if (printer.isDone) break;
    }
  } finally {
    unregister();
  }
}

type Range = Omit<ReadLogOptions, "directory">;

/** What has to be read for a range: records of a series log need those before them. */
function readable(range: Range, flags: PrintFlags): Range {
  return flags.decode === "series" ? { ...range, fromLsn: undefined, fromMs: undefined } : range;
}

async function printerOf(
  flags: PrintFlags,
  { fromLsn, fromMs, limit }: Range & { readonly limit: number },
  context: CommandContext,
): Promise<RecordPrinter> {
  const kind = flags.kind === undefined ? undefined : parseWhole(flags.kind, "--kind", 0);
  if (kind !== undefined && kind > MAX_KIND) {
    throw new CommandFailure(EXIT_USAGE, `--kind must be at most ${MAX_KIND}, found ${kind}`);
  }
  return new RecordPrinter(
    {
      format: formatOf(flags),
      filter: flags.filter === undefined ? undefined : Buffer.from(flags.filter, "utf8"),
      kind,
      limit,
      fromLsn,
      fromMs,
      decoder: flags.decode === undefined ? undefined : await loadDecoder(flags.decode),
    },
    context,
  );
}

function formatOf(flags: PrintFlags): RecordFormat {
  if (flags.json === true) return "jsonl";
  switch (flags.format) {
    case "jsonl":
    case "raw":
      return flags.format;
    default:
      return "text";
  }
}
