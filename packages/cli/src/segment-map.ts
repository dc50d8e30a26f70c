/**
 * A picture of a log: one bar per segment, and below it who stands where. Pure.
 */
import type { InspectedSegment, LogInspection } from "@walnut/wal";
import { formatBytes } from "./serve-text.ts";
import { formatCount } from "./quantity-text.ts";
import type { Terminal } from "./terminal.ts";

const MAX_BAR_WIDTH = 100;
/** Segments shown at either end when there are too many. */
const SHOWN_AT_START = 3;
const SHOWN_AT_END = 12;

/** A place that is marked below a bar. */
interface Mark {
  readonly label: string;
  readonly column: number;
}

/** @param showAll - every segment, however many there are */
export function segmentMapLines(
  inspection: LogInspection,
  terminal: Terminal,
  showAll: boolean,
): string[] {
  const { segments } = inspection;
  if (segments.length === 0) return [];
  const scaleBytes = Math.max(...segments.map(({ fileBytes }) => fileBytes));
  const idWidth = String(segments.at(-1)?.segmentId ?? 0).length;
  const sizeWidth = Math.max(...segments.map(({ usedBytes }) => formatBytes(usedBytes).length));
  const width = Math.min(MAX_BAR_WIDTH, terminal.columns - idWidth - sizeWidth - 4);
  const lines: string[] = [];
  let skipped: InspectedSegment[] = [];
  const endSkip = (): void => {
    if (skipped.length > 0) lines.push(skipLine(skipped, idWidth, terminal));
    skipped = [];
  };
  for (const [index, segment] of segments.entries()) {
    const marks = marksIn(inspection, segment, width, scaleBytes);
    const isShown =
      showAll ||
      marks.length > 0 ||
      index < SHOWN_AT_START ||
      index >= segments.length - SHOWN_AT_END;
    if (!isShown) {
      skipped.push(segment);
      continue;
    }
    endSkip();
    const id = String(segment.segmentId).padStart(idWidth);
    const size = formatBytes(segment.usedBytes).padStart(sizeWidth);
    lines.push(` ${id} ${barOf(segment, width, scaleBytes, terminal)} ${size}`);
    lines.push(...markLines(marks, width, idWidth + 2, terminal));
  }
  endSkip();
  return lines;
}

/** Explains the characters of the map. */
export function segmentMapLegend(terminal: Terminal): string {
  const { used, zeros, free } = terminal.glyphs;
  return `${used} used  ${zeros} zeros written ahead  ${free} free`;
}

function barOf(
  segment: InspectedSegment,
  width: number,
  scaleBytes: number,
  terminal: Terminal,
): string {
  const { used, zeros, free } = terminal.glyphs;
  // At least one character of what is there at all.
  const cells = (bytes: number): number =>
    bytes === 0 ? 0 : Math.max(1, Math.round((bytes / scaleBytes) * width));
  const usedCells = Math.min(width, cells(segment.usedBytes));
  const zeroCells = Math.min(width - usedCells, cells(segment.zeroBytes));
  const freeCells = width - usedCells - zeroCells;
  const style = segment.state === "last" ? "green" : "cyan";
  return (
    terminal.paint(style, used.repeat(usedCells)) +
    terminal.paint("dim", zeros.repeat(zeroCells) + free.repeat(freeCells))
  );
}

/** Cursors stand by the share of records before them: close enough for a picture. */
function marksIn(
  inspection: LogInspection,
  segment: InspectedSegment,
  width: number,
  scaleBytes: number,
): Mark[] {
  const columnAt = (bytes: number): number =>
    Math.min(width - 1, Math.max(0, Math.round((bytes / scaleBytes) * width)));
  const marks: Mark[] = [];
  const { vouched, cursors } = inspection;
  if (vouched?.segmentId === segment.segmentId) {
    marks.push({ label: "durable", column: columnAt(vouched.offsetBytes) });
  }
  const isLast = segment.segmentId === inspection.segments.at(-1)?.segmentId;
  const lastLsn = segment.lastLsn ?? segment.firstLsn - 1;
  const records = lastLsn - segment.firstLsn + 1;
  for (const { name, ackedLsn } of cursors) {
    if (ackedLsn === undefined) continue;
    // A cursor stands before the first record that its owner still needs.
    const before = ackedLsn - segment.firstLsn + 1;
    const isHere = before >= 0 && (before < records || (isLast && before >= records));
    const isBeforeAll =
      segment.segmentId === inspection.segments[0]?.segmentId && ackedLsn < segment.firstLsn;
    if (!isHere && !isBeforeAll) continue;
    const share = records === 0 ? 0 : Math.min(1, Math.max(0, before / records));
    marks.push({ label: name, column: columnAt(share * segment.usedBytes) });
  }
  return marks.toSorted((a, b) => a.column - b.column);
}

/** Labels below a bar; those that would overlap go to further lines. */
function markLines(
  marks: readonly Mark[],
  width: number,
  indent: number,
  terminal: Terminal,
): string[] {
  const lines: string[] = [];
  for (const { label, column } of marks) {
    const text = `${terminal.glyphs.mark} ${label}`;
    const mirrored = `${label} ${terminal.glyphs.mark}`;
    const fitsRight = column + text.length <= width;
    const start = fitsRight ? column : Math.max(0, column + 1 - mirrored.length);
    const shown = fitsRight ? text : mirrored;
    const at = lines.findIndex((line) => line.length + 2 <= start || line.length === 0);
    if (at < 0) lines.push(" ".repeat(start) + shown);
    else lines[at] = (lines[at] ?? "").padEnd(start) + shown;
  }
  return lines.map((line) => " ".repeat(indent) + terminal.paint("yellow", line));
}

function skipLine(
  skipped: readonly InspectedSegment[],
  idWidth: number,
  terminal: Terminal,
): string {
  const bytes = skipped.reduce((total, { usedBytes }) => total + usedBytes, 0);
  const what = `${formatCount(skipped.length)} more segments, ${formatBytes(bytes)} (--all shows them)`;
  return ` ${terminal.glyphs.dots.padStart(idWidth)} ${terminal.paint("dim", what)}`;
}
