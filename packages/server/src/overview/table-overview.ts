/**
 * Tables as the overview lists them: the busiest ones by name, the rest as one sum.
 *
 * A server may have thousands of tables; an answer that is asked for every second must not grow with them. Pure.
 */
import type { TableNumbers, TableOverview, TablesOverview } from "@walnut/console";
import type { TableStats } from "../store/store-stats.ts";
import { tableKey } from "../store/table-name.ts";
import type { TableCount } from "./table-counters.ts";

const NOTHING: TableNumbers = {
  rows: 0,
  bytes: 0,
  rowsInMemory: 0,
  bytesInMemory: 0,
  files: 0,
  rowsOnDisk: 0,
  bytesOnDisk: 0,
};

/** Joins what came in with what is stored, perhaps in several shards. A table may be in one of the two only. */
export function joinTables(
  counts: ReadonlyMap<string, TableCount>,
  stats: readonly TableStats[],
): readonly TableOverview[] {
  const counted = [...counts.values()].map((count) => ({ ...NOTHING, ...count }));
  const stored = stats.map(
    ({ database, measurement, rowsInMemory, bytesInMemory, files, rowsOnDisk, bytesOnDisk }) => {
      const numbers = { rowsInMemory, bytesInMemory, files, rowsOnDisk, bytesOnDisk };
      return { database, measurement, recentRows: 0, ...NOTHING, ...numbers };
    },
  );
  return sameTables([...counted, ...stored]);
}

/**
 * What several workers say of tables, as one. Of a table that is too quiet for the list of a worker, that worker's part
 * is in `others`; how many tables those are is then only known from below.
 */
export function mergeTables(reports: readonly TablesOverview[], maxTables: number): TablesOverview {
  const { tables, others } = busiestTables(
    sameTables(reports.flatMap((report) => report.tables)),
    maxTables,
  );
  const quiet = reports.map((report) => report.others);
  return {
    tables,
    others: {
      tables: others.tables + Math.max(0, ...quiet.map((part) => part.tables)),
      ...sumOf([others, ...quiet]),
    },
  };
}

/** Entries of the same table become one. */
function sameTables(tables: readonly TableOverview[]): readonly TableOverview[] {
  const merged = new Map<string, TableOverview>();
  for (const table of tables) {
    const key = tableKey(table);
    const other = merged.get(key);
    const recentRows = table.recentRows + (other?.recentRows ?? 0);
    merged.set(
      key,
      other === undefined ? table : { ...table, ...sumOf([table, other]), recentRows },
    );
  }
  return [...merged.values()];
}

/** The `maxTables` busiest tables (then the largest), and the sum of the others. */
export function busiestTables(tables: readonly TableOverview[], maxTables: number): TablesOverview {
  const ranked = tables.toSorted(
    (left, right) =>
      right.recentRows - left.recentRows ||
      right.rowsOnDisk + right.rowsInMemory - (left.rowsOnDisk + left.rowsInMemory) ||
      (tableKey(left) < tableKey(right) ? -1 : 1),
  );
  const others = ranked.slice(maxTables);
  return {
    tables: ranked.slice(0, maxTables),
    others: { tables: others.length, ...sumOf(others) },
  };
}

function sumOf(tables: readonly TableNumbers[]): TableNumbers {
  const sum: { -readonly [Key in keyof TableNumbers]: number } = { ...NOTHING };
  for (const table of tables) {
    sum.rows += table.rows;
    sum.bytes += table.bytes;
    sum.rowsInMemory += table.rowsInMemory;
    sum.bytesInMemory += table.bytesInMemory;
    sum.files += table.files;
    sum.rowsOnDisk += table.rowsOnDisk;
    sum.bytesOnDisk += table.bytesOnDisk;
  }
  return sum;
}
