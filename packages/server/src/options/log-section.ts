/** Options of the section `[log]`: which lines the server writes about itself, and in which form. */
import type { RowsOf } from "./option-row.ts";

/** Least important lines that are written. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** `text` for people, `json` for machines (one object per line), `auto`: text on a terminal, JSON elsewhere. */
export type LogFormat = "auto" | "text" | "json";

/** Options of the section `[log]`. They are about the log lines of `walnut serve`; a `logger` decides for itself. */
export interface LogSection {
  /** Least important lines that are written; "debug" has a line for every request. Default "info". */
  readonly logLevel?: LogLevel | undefined;
  /** Form of the lines. Default "auto". */
  readonly logFormat?: LogFormat | undefined;
}

export const LOG_SECTION: RowsOf<LogSection> = {
  logLevel: {
    kind: "choice",
    toml: "log.level",
    flag: "log-level",
    choices: ["debug", "info", "warn", "error"],
    default: "info",
    summary: "least important lines written; debug has every request",
  },
  logFormat: {
    kind: "choice",
    toml: "log.format",
    flag: "log-format",
    choices: ["auto", "text", "json"],
    default: "auto",
    summary: "form of the lines; auto is text on a terminal, JSON elsewhere",
  },
};
