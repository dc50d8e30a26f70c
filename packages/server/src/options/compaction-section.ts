/** Options of the section `[compaction]`: how small Parquet files become larger ones. */
import { GIB, HOUR_MS, KIB, MIB, type RowsOf } from "./option-row.ts";

/** Options of the section `[compaction]`. */
export interface CompactionSection {
  /**
   * Whether small Parquet files are merged in the background. Without it a table that is flushed every 5 s gets 720
   * files an hour, and queries over long times slow down. Default true.
   */
  readonly compactionEnabled?: boolean | undefined;
  /**
   * Files of similar size in one hour that are merged; in an hour that is over, two are enough. More: rows are
   * rewritten less often, queries read more files. Default 8. Range 2 to 500.
   */
  readonly compactionMinFiles?: number | undefined;
  /**
   * Files are merged up to this size, in bytes. Larger: fewer files, more memory for a merge. Default 32 MiB. Range
   * 64 KiB to 1 GiB.
   */
  readonly compactionTargetFileBytes?: number | undefined;
  /**
   * Time between two looks for files to merge, in milliseconds. Default 30,000. Range 100 to 3,600,000.
   */
  readonly compactionIntervalMs?: number | undefined;
}

export const COMPACTION_SECTION: RowsOf<CompactionSection> = {
  compactionEnabled: {
    kind: "boolean",
    toml: "compaction.enabled",
    flag: "compaction",
    default: true,
    summary: "merge small Parquet files in the background",
  },
  compactionMinFiles: {
    kind: "integer",
    toml: "compaction.min_files",
    flag: "compaction-min-files",
    unit: "files",
    min: 2,
    max: 500,
    default: 8,
    summary: "files of similar size in an hour that are merged",
  },
  compactionTargetFileBytes: {
    kind: "integer",
    toml: "compaction.target_file_bytes",
    flag: "compaction-target-file-bytes",
    unit: "bytes",
    min: 64 * KIB,
    max: GIB,
    default: 32 * MIB,
    summary: "size up to which files are merged",
  },
  compactionIntervalMs: {
    kind: "integer",
    toml: "compaction.interval_ms",
    flag: "compaction-interval-ms",
    unit: "ms",
    min: 100,
    max: HOUR_MS,
    default: 30_000,
    summary: "time between two looks for files to merge",
  },
};
