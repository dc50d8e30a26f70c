/**
 * The log of the server: readable lines on a terminal, JSON lines elsewhere, both with level, time and fields.
 *
 * JSON is written by pino, which is loaded only then. Lines are handed over one by one and at once: what was logged
 * before a crash is out. It neither knows tokens nor looks for them: no caller ever hands one in, which a test checks.
 */
import type { LogFormat, LogLevel } from "../options/log-section.ts";
import type { LogFields, ServerLogger } from "../server-options.ts";
import { textLine } from "./text-line.ts";

/** Where lines go. */
export interface LogDestination {
  write(text: string): unknown;
}

/** What a log needs. */
export interface ServerLogOptions {
  readonly level: LogLevel;
  readonly format: Exclude<LogFormat, "auto">;
  readonly destination: LogDestination;
  /** Whether text lines are coloured. */
  readonly hasColour: boolean;
  /** Wall clock in milliseconds. */
  readonly nowMs: () => number;
  /** In every JSON line: the process, the worker. */
  readonly base?: LogFields;
}

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const NO_FIELDS: LogFields = {};

type LineWriter = (level: LogLevel, text: string, fields: LogFields) => void;

/** Opens the log. Levels below the wanted one cost nothing: `debug` is not there unless it is wanted. */
export async function openServerLog(options: ServerLogOptions): Promise<ServerLogger> {
  const write = options.format === "json" ? await jsonWriter(options) : textWriter(options);
  const lowest = LEVELS.indexOf(options.level);
  function at(level: LogLevel): (text: string, fields?: LogFields) => void {
    if (LEVELS.indexOf(level) < lowest) return () => undefined;
    return (text, fields = NO_FIELDS) => write(level, text, fields);
  }
  const logger = { info: at("info"), warn: at("warn"), error: at("error") };
  return options.level === "debug" ? { ...logger, debug: at("debug") } : logger;
}

/** The form of the lines: people look at terminals, programs read everything else. */
export function logFormatFor(
  format: LogFormat,
  place: { readonly isTerminal: boolean },
): Exclude<LogFormat, "auto"> {
  if (format !== "auto") return format;
  return place.isTerminal ? "text" : "json";
}

function textWriter({ destination, hasColour, nowMs }: ServerLogOptions): LineWriter {
  return (level, text, fields) => {
    destination.write(`${textLine({ timeMs: nowMs(), level, text, fields }, hasColour)}\n`);
  };
}

async function jsonWriter({ destination, base, nowMs }: ServerLogOptions): Promise<LineWriter> {
  const { pino } = await import("pino");
  const log = pino(
    {
      level: "debug", // Lines below the wanted level do not get here.
      base: base ?? null,
      messageKey: "message",
      timestamp: () => `,"time":"${new Date(nowMs()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => void destination.write(line) },
  );
  return (level, text, fields) => log[level](fields, text);
}
