/**
 * Cursors as a table: where each stands, what it holds, since when. Pure.
 */
import type { LogInspection } from "@walnut/wal";
import { formatBytes } from "./serve-text.ts";
import { formatCount, formatDuration } from "./quantity-text.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines, type TableCell } from "./text-table.ts";

/** A heading and a row per cursor, or one line that says that there is none. */
export function cursorLines(
  { cursors, segments }: LogInspection,
  nowMs: number,
  terminal: Terminal,
): string[] {
  if (cursors.length === 0) return ["no cursor on disk: nothing is released"];
  const canRelease = segments.length > 1;
  const rows = cursors.map((cursor): TableCell[] => {
    const { name, ackedLsn, heldRecords, heldBytes, movedAtMs, isLowest } = cursor;
    const holds = isLowest && canRelease && heldRecords > 0;
    return [
      name,
      ackedLsn === undefined ? { text: "damaged", style: "red" } : formatCount(ackedLsn),
      formatCount(heldRecords),
      formatBytes(heldBytes),
      movedAtMs === undefined ? "-" : `${formatDuration(nowMs - movedAtMs)} ago`,
      holds ? { text: "holds the space", style: "yellow" } : "",
    ];
  });
  return tableLines(
    [
      { title: "cursor", align: "left" },
      { title: "acked", align: "right" },
      { title: "behind", align: "right" },
      { title: "holds", align: "right" },
      { title: "moved", align: "left" },
      { title: "", align: "left" },
    ],
    rows,
    terminal,
  );
}
