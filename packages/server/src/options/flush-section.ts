/** Options of the section `[flush]`: when rows go from memory to Parquet. */
import { HOUR_MS, type RowsOf } from "./option-row.ts";

/** Options of the section `[flush]`. */
export interface FlushSection {
  /**
   * Rows of one table that start a flush to Parquet. Larger: fewer, larger files, more memory and longer
   * recovery. Default 50,000. Range 1 to 4,000,000.
   */
  readonly flushRows?: number | undefined;
  /**
   * Longest time a row stays in memory only, in milliseconds. Default 5,000. Range 10 to 3,600,000.
   */
  readonly flushAgeMs?: number | undefined;
}

export const FLUSH_SECTION: RowsOf<FlushSection> = {
  flushRows: {
    kind: "integer",
    toml: "flush.rows",
    flag: "flush-rows",
    unit: "rows",
    min: 1,
    max: 4_000_000,
    default: 50_000,
    summary: "rows of a table that start a flush",
  },
  flushAgeMs: {
    kind: "integer",
    toml: "flush.age_ms",
    flag: "flush-age-ms",
    unit: "ms",
    min: 10,
    max: HOUR_MS,
    default: 5_000,
    summary: "longest time a row is in memory only",
  },
};
