/** Figures of a benchmark as text, and what is in the middle of many. */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US");
export const rate = (bytesPerSecond: number): string => `${count(bytesPerSecond / 1e6)} MB/s`;
export const median = (values: readonly number[]): number => percentile(values, 50);

export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}

export function table(rows: readonly (readonly string[])[]): string {
  const columns =
    rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const pad = (cell: string, column: number): string =>
    column === 0 ? cell.padEnd(columns[0] ?? 0) : cell.padStart(columns[column] ?? 0);
  return rows.map((row) => row.map(pad).join("  ")).join("\n");
}
