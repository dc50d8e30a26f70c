/** The floor that saves are measured against, and small statistics: what this package's benchmark needs of the engine's. */
import * as fs from "node:fs";
import * as path from "node:path";

const ZEROS_BYTES = 16 * 1024 * 1024;
const WRITE_BYTES = 312; // A frame with one 256-byte record.

/** Microseconds of one small write and its fdatasync through the thread pool, in a file of zeros. */
export async function measureFloor(directory: string, seconds: number): Promise<readonly number[]> {
  const file = path.join(directory, "floor");
  const handle = await fs.promises.open(file, "w");
  await handle.write(Buffer.alloc(ZEROS_BYTES), 0, ZEROS_BYTES, 0);
  await handle.sync();
  const bytes = Buffer.alloc(WRITE_BYTES, 7);
  const micros: number[] = [];
  const untilMs = performance.now() + seconds * 1000;
  for (let at = 0; performance.now() < untilMs; at += WRITE_BYTES) {
    const startMs = performance.now();
    await writeAndSync(handle.fd, bytes, at % (ZEROS_BYTES - WRITE_BYTES));
    micros.push((performance.now() - startMs) * 1000);
  }
  await handle.close();
  fs.rmSync(file);
  return micros;
}

function writeAndSync(fd: number, bytes: Uint8Array, offset: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, 0, bytes.byteLength, offset, (writeError) => {
      if (writeError !== null) return reject(writeError);
      fs.fdatasync(fd, (syncError) => (syncError === null ? resolve() : reject(syncError)));
    });
  });
}

export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0;
}

/** 1234567 -> "1,234,567". */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Rows of text with columns aligned; the first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widthOf = (column: number): number =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const widths = (rows[0] ?? []).map((_, column) => widthOf(column));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  "),
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return lines.join("\n");
}
