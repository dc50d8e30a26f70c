/** Options of the table store, their defaults and limits. */
import { ServerError } from "../errors.ts";
import { MAX_WORKERS } from "../workers/shard.ts";
import { DEFAULT_SCHEMA_LIMITS } from "./schema-limits.ts";
import type { CatalogDurability } from "./wal-catalog-log.ts";

/** Options of `openTableStore`. */
export interface TableStoreOptions {
  /** Directory of the store; `catalog/worker-{shard}/` and `parquet/` are made inside it. */
  readonly directory: string;
  /** Number of the shard: several stores share one directory, each with its own catalog and files. Default 1. */
  readonly shard?: number | undefined;
  /** Numbers of the other shards in the directory. Default: none. */
  readonly otherShards?: readonly number[] | undefined;
  /** Rows at which a memtable is flushed. More: larger files, more memory. Default 50,000. */
  readonly flushRows?: number | undefined;
  /** Age of its oldest row at which a memtable is flushed, in ms. Default 5,000. */
  readonly flushAgeMs?: number | undefined;
  /** Tables of all databases; what would make more is refused. Default 10,000. */
  readonly maxTables?: number | undefined;
  /** Columns of one table; what would make more is refused. Default 4,096. */
  readonly maxTableColumns?: number | undefined;
  /** False for a store that is only read by others: its SQL engine is not started. Default true. */
  readonly answersQueries?: boolean | undefined;
  /** When a commit of the catalog counts as done. Default "fdatasync". */
  readonly catalogDurability?: CatalogDurability | undefined;
  /** Memory that queries may use together, in bytes. Default 512 MiB. */
  readonly queryMemoryBytes?: number | undefined;
  /** Time after which a query is stopped, waiting included, in ms. Default 30,000. */
  readonly queryTimeoutMs?: number | undefined;
  /** Rows of an answer; more is an error. Default 1,000,000. */
  readonly queryMaxRows?: number | undefined;
  /** Rough size of an answer in memory, in bytes; more is an error. Default 256 MiB. */
  readonly queryMaxResultBytes?: number | undefined;
  /** Queries that run at once; others wait. Each holds a thread of the process's pool. Default 2. */
  readonly concurrentQueries?: number | undefined;
  /** Time between two looks for small files to merge, in ms; 0: only when asked. Default 0. */
  readonly compactionIntervalMs?: number | undefined;
  /** Files of similar size in an hour that are merged. Default 8. */
  readonly compactionMinFiles?: number | undefined;
  /** Files are merged up to this size, in bytes. Default 32 MiB. */
  readonly compactionTargetFileBytes?: number | undefined;
  /**
   * Oldest LSN that the write-ahead log still has. Leftover files with older rows are reported and never
   * removed. Default 1.
   */
  readonly oldestLogLsn?: number | undefined;
  /**
   * Makes the write-ahead log durable up to an LSN, called before a flush of rows up to it is committed.
   * Needed where appends resolve before they are durable: otherwise a power loss could leave a catalog that
   * knows LSNs which the log gives out again. Default: nothing.
   */
  readonly makeLogDurable?: ((lsn: number) => Promise<void>) | undefined;
  /** Called with `releasableLsn` after each commit. Must not throw. */
  readonly onFlushed?: ((flushedLsn: number) => void) | undefined;
  /** Told of failures that no caller waits for: flushes, snapshots. Rows stay safe in log and memory. */
  readonly onBackgroundError: (error: unknown) => void;
}

/** Options with every value filled in. */
export type ResolvedTableStoreOptions = {
  readonly [Name in keyof TableStoreOptions]-?: Exclude<TableStoreOptions[Name], undefined>;
};

export const DEFAULT_TABLE_STORE_OPTIONS: Omit<
  ResolvedTableStoreOptions,
  "directory" | "onBackgroundError"
> = {
  shard: 1,
  otherShards: [],
  answersQueries: true,
  ...DEFAULT_SCHEMA_LIMITS,
  flushRows: 50_000,
  flushAgeMs: 5_000,
  catalogDurability: "fdatasync",
  queryMemoryBytes: 512 * 1024 * 1024, // 512 MiB
  queryTimeoutMs: 30_000,
  queryMaxRows: 1_000_000,
  queryMaxResultBytes: 256 * 1024 * 1024, // 256 MiB
  concurrentQueries: 2,
  compactionIntervalMs: 0,
  compactionMinFiles: 8,
  compactionTargetFileBytes: 32 * 1024 * 1024, // 32 MiB
  oldestLogLsn: 1,
  makeLogDurable: async () => undefined,
  onFlushed: () => undefined,
};

/** Smallest and largest value of each number. */
const RANGES = {
  shard: [1, MAX_WORKERS],
  flushRows: [1, 4_000_000],
  maxTables: [1, 1_000_000],
  maxTableColumns: [1, 100_000],
  flushAgeMs: [1, 86_400_000],
  queryMemoryBytes: [16 * 1024 * 1024, Number.MAX_SAFE_INTEGER],
  queryTimeoutMs: [1, 2 ** 31 - 1],
  queryMaxRows: [1, 100_000_000],
  queryMaxResultBytes: [1, Number.MAX_SAFE_INTEGER],
  concurrentQueries: [1, 64],
  compactionIntervalMs: [0, 86_400_000],
  compactionMinFiles: [2, 500],
  compactionTargetFileBytes: [64 * 1024, 1024 * 1024 * 1024],
  oldestLogLsn: [1, Number.MAX_SAFE_INTEGER],
} as const;

/**
 * Fills in defaults and checks ranges.
 *
 * @throws {ServerError} `SERVER_INVALID_OPTION`
 */
export function resolveTableStoreOptions(options: TableStoreOptions): ResolvedTableStoreOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name] of given) {
    if (name in DEFAULT_TABLE_STORE_OPTIONS || name === "directory" || name === "onBackgroundError")
      continue;
    throw new ServerError("SERVER_INVALID_OPTION", `unknown option "${name}" of the table store`);
  }
  // The entries are those of `options` without undefined values.
  const resolved = {
    ...DEFAULT_TABLE_STORE_OPTIONS,
    ...(Object.fromEntries(given) as unknown as TableStoreOptions),
  } as ResolvedTableStoreOptions;
  for (const [name, [min, max]] of Object.entries(RANGES)) {
    const value = resolved[name as keyof typeof RANGES];
    if (Number.isSafeInteger(value) && value >= min && value <= max) continue;
    throw new ServerError(
      "SERVER_INVALID_OPTION",
      `option ${name} is ${String(value)}, expected an integer from ${min} to ${max}`,
    );
  }
  return Object.freeze(resolved);
}
