/**
 * Horizontal bars for numbers that are easier to see than to read. Pure.
 */
import type { Terminal } from "./terminal.ts";

/** Characters that divide the last cell of a bar. */
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of `value` where `max` fills the width; anything above nothing is seen. */
export function bar(value: number, max: number, width: number, terminal: Terminal): string {
  if (value <= 0 || max <= 0 || width <= 0) return "";
  const cells = (Math.min(value, max) / max) * width;
  const full = Math.floor(cells);
  const { bar: glyph } = terminal.glyphs;
  if (glyph === "#") return glyph.repeat(Math.max(1, Math.round(cells)));
  const rest = EIGHTHS[Math.floor((cells - full) * EIGHTHS.length)] ?? "";
  const text = glyph.repeat(full) + rest;
  return text === "" ? (EIGHTHS[1] ?? "") : text;
}
