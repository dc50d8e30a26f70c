/** Options of the section `[query]`: what queries may cost. */
import { GIB, HOUR_MS, MIB, type RowsOf } from "./option-row.ts";

/** Options of the section `[query]`. */
export interface QuerySection {
  /** Longest time a query may run, in milliseconds. Default 30,000. Range 10 to 3,600,000. */
  readonly queryTimeoutMs?: number | undefined;
  /** Memory that all queries together may use, in bytes. Default 512 MiB. Range 64 MiB to 1 TiB. */
  readonly queryMemoryBytes?: number | undefined;
}

export const QUERY_SECTION: RowsOf<QuerySection> = {
  queryTimeoutMs: {
    kind: "integer",
    toml: "query.timeout_ms",
    flag: "query-timeout-ms",
    unit: "ms",
    min: 10,
    max: HOUR_MS,
    default: 30_000,
    summary: "longest run of a query",
  },
  queryMemoryBytes: {
    kind: "integer",
    toml: "query.memory_bytes",
    flag: "query-memory-bytes",
    unit: "bytes",
    min: 64 * MIB,
    max: 1_024 * GIB,
    default: 512 * MIB,
    summary: "memory of all queries together",
  },
};
