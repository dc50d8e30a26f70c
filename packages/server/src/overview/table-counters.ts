/**
 * What has come in for each table since the start: rows, bytes, and how busy the table is now.
 *
 * Counted per request and table, never per row. How busy a table is, is a count that fades: half of it is gone
 * after ten seconds, so that "the busiest tables" needs no history. Knows nothing of stores and requests.
 */
import { tableKey, type TableName } from "../store/table-name.ts";

/** What came in for one table. */
export interface TableCount extends TableName {
  readonly rows: number;
  /** The table's share of the bodies after decompression: bytes of a body are shared out by rows. */
  readonly bytes: number;
  /** Rows of late, older ones counting less: good for comparing tables, not for showing. */
  readonly recentRows: number;
}

/** The part of a table in one request. */
export type TableRows = TableName & { readonly rowCount: number };

const HALF_LIFE_MS = 10_000;

interface MutableCount extends TableName {
  rows: number;
  bytes: number;
  recentRows: number;
  countedAtMs: number;
}

/** Counts by table. */
export class TableCounters {
  readonly #monotonicMs: () => number;
  readonly #counts = new Map<string, MutableCount>();

  /** @param monotonicMs - milliseconds of a clock that never goes back */
  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Adds one accepted request. */
  count(tables: readonly TableRows[], bodyBytes: number): void {
    const rowsOfAll = tables.reduce((sum, { rowCount }) => sum + rowCount, 0);
    if (rowsOfAll === 0) return;
    const nowMs = this.#monotonicMs();
    for (const table of tables) {
      const count = this.#countOf(table, nowMs);
      count.recentRows = faded(count, nowMs) + table.rowCount;
      count.countedAtMs = nowMs;
      count.rows += table.rowCount;
      count.bytes += (bodyBytes * table.rowCount) / rowsOfAll;
    }
  }

  /** Counts by {@link tableKey}, as of now. */
  snapshot(): ReadonlyMap<string, TableCount> {
    const nowMs = this.#monotonicMs();
    return new Map(
      [...this.#counts].map(([key, count]) => [
        key,
        {
          database: count.database,
          measurement: count.measurement,
          rows: count.rows,
          bytes: Math.round(count.bytes),
          recentRows: faded(count, nowMs),
        },
      ]),
    );
  }

  #countOf(table: TableName, nowMs: number): MutableCount {
    const key = tableKey(table);
    let count = this.#counts.get(key);
    if (count === undefined) {
      const { database, measurement } = table;
      count = { database, measurement, rows: 0, bytes: 0, recentRows: 0, countedAtMs: nowMs };
      this.#counts.set(key, count);
    }
    return count;
  }
}

function faded(count: MutableCount, nowMs: number): number {
  return count.recentRows * 2 ** ((count.countedAtMs - nowMs) / HALF_LIFE_MS);
}
