/**
 * A log line for people: time, level, what happened, and the facts as `name=value`. One event is one line whatever it
 * holds: control characters are escaped, so that nothing a client sends can forge a line or move a cursor. Pure.
 */
import type { LogLevel } from "../options/log-section.ts";
import type { LogFields } from "../server-options.ts";

const LEVEL_COLOURS: Readonly<Record<LogLevel, number>> = {
  debug: 2,
  info: 32,
  warn: 33,
  error: 31,
};
const LEVEL_WIDTH = 5;
const DIM = 2;
const PLAIN_VALUE = /^[^\s"=]+$/;

/** One event. */
export interface LogEvent {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: LogFields;
}

/** The line, without a newline at its end. */
export function textLine(event: LogEvent, hasColour: boolean): string {
  function paint(colour: number, text: string): string {
    return hasColour && text !== "" ? `\u001b[${colour}m${text}\u001b[0m` : text;
  }
  const time = new Date(event.timeMs).toISOString().replace("T", " ");
  const level = event.level.toUpperCase().padEnd(LEVEL_WIDTH);
  const fields = Object.entries(event.fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${paint(DIM, `${name}=`)}${valueText(String(value))}`);
  return [
    paint(DIM, time),
    paint(LEVEL_COLOURS[event.level], level),
    [escapeControls(event.text), ...fields].join("  "),
  ].join(" ");
}

function valueText(value: string): string {
  return escapeControls(PLAIN_VALUE.test(value) ? value : JSON.stringify(value));
}

/** Text with what a terminal would obey, or would take for a new line, written out. */
function escapeControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (character) =>
    character === "\n"
      ? String.raw`\n`
      : `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}
