/**
 * Damage as a table: file, bytes, records, reason. Pure.
 */
import { basename } from "node:path";
import type { Damage } from "@walnut/wal";
import { formatCount, formatLsns } from "./quantity-text.ts";
import type { Terminal } from "./terminal.ts";
import { tableLines } from "./text-table.ts";

export function damageLines(damage: readonly Damage[], terminal: Terminal): string[] {
  const rows = damage.map(({ path, offsetBytes, endOffsetBytes, firstLsn, lastLsn, reason }) => [
    basename(path),
    `${formatCount(offsetBytes)} - ${formatCount(endOffsetBytes)}`,
    formatLsns(firstLsn, lastLsn),
    reason,
  ]);
  const lines = tableLines(
    [
      { title: "damaged file", align: "left" },
      { title: "bytes", align: "right" },
      { title: "lost LSNs", align: "right" },
      { title: "what", align: "left" },
    ],
    rows,
    terminal,
  );
  return lines.map((line, index) => (index === 0 ? line : terminal.paint("red", line)));
}

/** One damaged place in one line. */
export function damageText({ path, offsetBytes, endOffsetBytes, ...rest }: Damage): string {
  const { firstLsn, lastLsn, reason, vouchedBy } = rest;
  const lsns =
    firstLsn === undefined && lastLsn === undefined ? "" : `, LSN ${formatLsns(firstLsn, lastLsn)}`;
  return `damage in ${path}, bytes ${offsetBytes} to ${endOffsetBytes}${lsns}: ${reason}; vouched for by ${vouchedBy}`;
}
