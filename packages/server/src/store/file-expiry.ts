/**
 * Retention on one table: files go whose newest row is too old, whole files and nothing else.
 *
 * A file with one row that is young enough stays as it is. The table keeps its columns when its last file goes.
 */
import { filesOf } from "./catalog-state.ts";
import type { TableFiles } from "./table-files.ts";
import type { TableName } from "./table-name.ts";

/** What is too old, or was until it went. */
export interface ExpiredFiles {
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Removes files whose newest row is before `cutoffNs`, or only counts them. */
export async function expireFiles(
  tableFiles: TableFiles,
  name: TableName,
  { cutoffNs, isDryRun }: { readonly cutoffNs: bigint; readonly isDryRun: boolean },
): Promise<ExpiredFiles> {
  return await tableFiles.exclusive(name, async (current) => {
    const table = current();
    const expired = (table === undefined ? [] : filesOf(table)).filter(
      (file) => BigInt(file.maxTime) < cutoffNs,
    );
    if (expired.length > 0 && !isDryRun) {
      await tableFiles.exchange(name, { removed: expired.map((file) => file.path), added: [] });
    }
    return {
      files: expired.length,
      rows: expired.reduce((total, file) => total + file.rows, 0),
      bytes: expired.reduce((total, file) => total + file.bytes, 0),
    };
  });
}
