/**
 * Tables for people: columns aligned, fitted to the width of the terminal. Pure.
 */
import type { Style, Terminal } from "./terminal.ts";

export interface TableColumn {
  readonly title: string;
  readonly align: "left" | "right";
}

/** A cell, with a style for all of it. */
export type TableCell = string | { readonly text: string; readonly style: Style };

const GAP = "  ";

/** A last column of text is wrapped into no less than this. */
const MIN_WRAPPED_WIDTH = 20;
/** A first column is narrowed to no less than this. */
const MIN_FIRST_WIDTH = 8;

/**
 * Lines of a table: a heading, then the rows. Cells hold one line each and no control characters.
 *
 * On a narrow terminal a last column of text goes on below itself, and a first cell that leaves no room for the others stands on a line
 * of its own. Only what is too wide even so is cut.
 */
export function tableLines(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
  terminal: Terminal,
): string[] {
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => textOf(row[index] ?? "").length)),
  );
  const table = { columns, widths: fittedWidths(columns, widths, terminal), terminal };
  const heading = columns.map(({ title }) => title);
  const lines = rowLines(table, heading, false).map((line) => terminal.paint("dim", line));
  for (const row of rows) lines.push(...rowLines(table, row, true));
  return lines;
}

/** The widths, with a first column of text so much narrower that the others have room. */
function fittedWidths(
  columns: readonly TableColumn[],
  widths: readonly number[],
  terminal: Terminal,
): readonly number[] {
  const [first = 0, ...others] = widths;
  const last = others.pop();
  if (!terminal.isTerminal || last === undefined || columns[0]?.align !== "left") return widths;
  const isWrapped = columns.at(-1)?.align === "left";
  const least = isWrapped ? Math.min(last, MIN_WRAPPED_WIDTH) : last;
  const rest = others.reduce((sum, width) => sum + GAP.length + width, GAP.length + least);
  const room = Math.max(MIN_FIRST_WIDTH, columns[0].title.length, terminal.columns - rest);
  return [Math.min(first, room), ...others, last];
}

/** Names with their meaning; long ones go on in the next line, below themselves. */
export function definitionLines(
  definitions: readonly (readonly [name: string, text: string])[],
  terminal: Terminal,
): string[] {
  const nameWidth = Math.max(...definitions.map(([name]) => name.length));
  const indent = nameWidth + 4;
  return definitions.flatMap(([name, text]) => {
    const lines = terminal.isTerminal ? wrap(text, terminal.columns - indent) : [text];
    return lines.map((line, index) => {
      const head = index === 0 ? `  ${name.padEnd(nameWidth)}  ` : " ".repeat(indent);
      return head + line;
    });
  });
}

/** Text in lines of at most `width` characters, broken at spaces where there are any. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** The text, or as much of it as fits, with dots for the rest. */
export function fit(text: string, width: number, terminal: Terminal): string {
  if (text.length <= width) return text;
  const { dots } = terminal.glyphs;
  const mark = width <= dots.length ? "" : dots;
  // Not in the middle of a character that takes two code units.
  return text.slice(0, width - mark.length).replace(/[\ud800-\udbff]$/, "") + mark;
}

interface Table {
  readonly columns: readonly TableColumn[];
  readonly widths: readonly number[];
  readonly terminal: Terminal;
}

function rowLines(table: Table, cells: readonly TableCell[], isStyled: boolean): string[] {
  const { columns, widths, terminal } = table;
  const paint = (cell: TableCell, text: string): string =>
    isStyled && typeof cell !== "string" ? terminal.paint(cell.style, text) : text;
  const [first = ""] = cells;
  if (textOf(first).length > (widths[0] ?? 0)) {
    const alone = paint(first, fit(textOf(first), terminal.columns, terminal));
    return [alone, ...rowLines(table, ["", ...cells.slice(1)], isStyled)];
  }
  let line = "";
  let used = 0;
  for (const [index, column] of columns.entries()) {
    const cell = cells[index] ?? "";
    const gap = index === 0 ? "" : GAP;
    const text = textOf(cell);
    const width = widths[index] ?? 0;
    const room = terminal.isTerminal ? terminal.columns - used - gap.length : width;
    if (room <= 0) break;
    if (column.align === "left" && index === columns.length - 1) {
      const wrapped = room < Math.min(width, MIN_WRAPPED_WIDTH) ? [text] : wrap(text, room);
      const indent = " ".repeat(used + gap.length);
      return wrapped.map((part, at) =>
        ((at === 0 ? line + gap : indent) + paint(cell, fit(part, room, terminal))).trimEnd(),
      );
    }
    const padded = column.align === "right" ? text.padStart(width) : text.padEnd(width);
    const fitted = fit(padded, room, terminal);
    used += gap.length + fitted.length;
    line += gap + paint(cell, fitted);
  }
  return [line.trimEnd()];
}

function textOf(cell: TableCell): string {
  return typeof cell === "string" ? cell : cell.text;
}
