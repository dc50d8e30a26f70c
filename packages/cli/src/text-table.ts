/**
 * Tables for people: columns aligned, cut to the width of the terminal. Pure.
 */
import type { Style, Terminal } from "./terminal.ts";

export interface TableColumn {
  readonly title: string;
  readonly align: "left" | "right";
}

/** A cell, with a style for all of it. */
export type TableCell = string | { readonly text: string; readonly style: Style };

const GAP = "  ";

/** Lines of a table: a heading, then the rows. Cells hold one line each and no control characters. */
export function tableLines(
  columns: readonly TableColumn[],
  rows: readonly (readonly TableCell[])[],
  terminal: Terminal,
): string[] {
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...rows.map((row) => textOf(row[index] ?? "").length)),
  );
  const heading = columns.map(({ title }) => title);
  const lines = [terminal.paint("dim", lineOf(columns, widths, heading, terminal, false))];
  for (const row of rows) lines.push(lineOf(columns, widths, row, terminal, true));
  return lines;
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

function lineOf(
  columns: readonly TableColumn[],
  widths: readonly number[],
  cells: readonly TableCell[],
  terminal: Terminal,
  isStyled: boolean,
): string {
  let line = "";
  let used = 0;
  for (const [index, column] of columns.entries()) {
    const cell = cells[index] ?? "";
    const width = widths[index] ?? 0;
    const gap = index === 0 ? "" : GAP;
    const isLast = index === columns.length - 1;
    const text = textOf(cell);
    const padded =
      column.align === "right" ? text.padStart(width) : isLast ? text : text.padEnd(width);
    const room = terminal.isTerminal ? terminal.columns - used - gap.length : padded.length;
    if (room <= 0) break;
    const fitted = fit(padded, room, terminal);
    used += gap.length + fitted.length;
    line +=
      gap + (isStyled && typeof cell !== "string" ? terminal.paint(cell.style, fitted) : fitted);
  }
  return line.trimEnd();
}

function textOf(cell: TableCell): string {
  return typeof cell === "string" ? cell : cell.text;
}
