/**
 * What the place that text is printed to can show: width, colour, characters beyond ASCII. Pure.
 */

export interface Terminal {
  /** False for a pipe or a file. */
  readonly isTerminal: boolean;
  readonly columns: number;
  readonly hasColour: boolean;
  readonly paint: (style: Style, text: string) => string;
  /** Characters of bars and marks. */
  readonly glyphs: Glyphs;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

export interface Glyphs {
  readonly used: string;
  readonly zeros: string;
  readonly free: string;
  readonly bar: string;
  readonly mark: string;
  readonly dots: string;
}

const UNICODE: Glyphs = { used: "█", zeros: "░", free: "·", bar: "█", mark: "▲", dots: "…" };
const ASCII: Glyphs = { used: "#", zeros: "-", free: ".", bar: "#", mark: "^", dots: "..." };

const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  green: 32,
  yellow: 33,
  cyan: 36,
};

const DEFAULT_COLUMNS = 80;
const MIN_COLUMNS = 40;

/** @param output - `isTTY` and `columns` as Node's streams have them */
export function terminalOf(
  output: { readonly isTTY?: boolean | undefined; readonly columns?: number | undefined },
  variables: Readonly<Record<string, string | undefined>>,
): Terminal {
  const isTerminal = output.isTTY === true;
  const isDumb = variables["TERM"] === "dumb";
  const hasColour = isTerminal && !isDumb && (variables["NO_COLOR"] ?? "") === "";
  const locale = variables["LC_ALL"] || variables["LC_CTYPE"] || variables["LANG"] || "";
  // Without a locale most terminals show UTF-8; one that says otherwise is believed.
  const isAscii = isDumb || (locale !== "" && !/utf-?8/i.test(locale));
  return {
    isTerminal,
    hasColour,
    columns: Math.max(MIN_COLUMNS, output.columns ?? columnsOf(variables) ?? DEFAULT_COLUMNS),
    paint: (style, text) =>
      hasColour && text !== "" ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text,
    glyphs: isAscii ? ASCII : UNICODE,
  };
}

/** The shell's idea of the width, where the output is no terminal. */
function columnsOf(variables: Readonly<Record<string, string | undefined>>): number | undefined {
  const columns = Number(variables["COLUMNS"] ?? "");
  return Number.isSafeInteger(columns) && columns > 0 ? columns : undefined;
}
