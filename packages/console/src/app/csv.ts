/** Rows as CSV (RFC 4180): every program that reads tables reads this. Pure. */

/** A value of an answer, as JSON has it. */
export type Cell =
  | null
  | boolean
  | number
  | string
  | readonly Cell[]
  | { readonly [name: string]: Cell };

/** Header and rows; nested values as JSON, NULL as nothing. */
export function toCsv(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const lines = [columns, ...rows].map((row) => row.map((cell) => quoted(textOf(cell))).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

/** A value as text: as it is, or as JSON when it has parts. */
export function textOf(cell: Cell): string {
  if (cell === null) return "";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
