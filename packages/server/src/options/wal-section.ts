/** Options of the section `[wal]`: the write-ahead log, when it answers and how it is cut into segments. */
import { GIB, HOUR_MS, KIB, MIB, type RowsOf } from "./option-row.ts";

/** When a write is acknowledged; the levels of the log, see docs/durability.md. */
export type ServerDurability = "fsync" | "fdatasync" | "interval" | "async" | "memory" | "off";

/** What recovery does with damage: `default` cuts a torn tail and stops at damage, `strict` stops at any. */
export type ServerRecoveryMode = "default" | "strict";

/** Options of the section `[wal]`. */
export interface WalSection {
  /**
   * False means level "off", whatever `durability` says: nothing is written to the log. Default true.
   */
  readonly walEnabled?: boolean | undefined;
  /**
   * When a write is answered. "fdatasync" (default) and "fsync": after the data is on the device.
   * "interval" and "async": after the operating system has it. "memory" and "off": at once.
   */
  readonly durability?: ServerDurability | undefined;
  /**
   * Directory of the log, to have it on a disk of its own. Made when missing; `DATA_DIR/wal` then links to it. A log
   * that is in another place stops the start. Default: in the data directory.
   */
  readonly walDirectory?: string | undefined;
  /**
   * Size at which a log segment is sealed, in bytes. Larger: fewer files. Smaller: space is released sooner.
   * Default 64 MiB. Range 64 KiB to 1 GiB.
   */
  readonly segmentSizeBytes?: number | undefined;
  /**
   * Age at which a log segment with records in it is sealed, in milliseconds. Default 1 hour.
   * Range 1 second to 7 days.
   */
  readonly segmentMaxAgeMs?: number | undefined;
  /**
   * Level "interval" only: longest time an acknowledged write may wait for its sync, in milliseconds.
   * Default 100. Range 1 to 60,000.
   */
  readonly syncIntervalMs?: number | undefined;
  /**
   * Size of a log on disk at which writes are refused until a part of it has been released; 0: only the disk
   * is the limit. At least twice `segmentSizeBytes`; one log for each worker. Default 0. Range 0 to 1 PiB.
   */
  readonly maxLogBytes?: number | undefined;
  /**
   * What becomes of segments whose rows are in Parquet. "archive": they stay beside the log as `*.wal.recovered`.
   * Default "delete".
   */
  readonly releasedSegments?: "delete" | "archive" | undefined;
  /** Archived segments begun longer ago are removed, in milliseconds; 0 keeps them. Default 7 days. */
  readonly archiveMaxAgeMs?: number | undefined;
  /** What start-up does with a damaged log. Default "default". */
  readonly recovery?: ServerRecoveryMode | undefined;
}

export const WAL_SECTION: RowsOf<WalSection> = {
  walEnabled: {
    kind: "boolean",
    toml: "wal.enabled",
    flag: "wal-enabled",
    spellings: [{ variable: "WAL_ENABLED" }],
    default: true,
    summary: "keep a log; false is level off",
  },
  durability: {
    kind: "choice",
    toml: "wal.sync_mode",
    flag: "durability",
    spellings: [{ variable: "WAL_SYNC_MODE" }],
    choices: ["fsync", "fdatasync", "interval", "async", "memory", "off"],
    default: "fdatasync",
    summary: "when a write is answered",
  },
  walDirectory: {
    kind: "text",
    toml: "wal.dir",
    flag: "wal-dir",
    spellings: [{ variable: "WAL_DIR" }],
    defaultText: "DATA_DIR/wal",
    summary: "directory of the log",
  },
  segmentSizeBytes: {
    kind: "integer",
    toml: "wal.segment_size_bytes",
    flag: "segment-size-bytes",
    spellings: [{ toml: "wal.max_size_mb", variable: "WAL_MAX_SIZE_MB", scale: MIB }],
    unit: "bytes",
    min: 64 * KIB,
    max: GIB,
    default: 64 * MIB,
    summary: "size of a log segment",
  },
  segmentMaxAgeMs: {
    kind: "integer",
    toml: "wal.segment_max_age_ms",
    flag: "segment-max-age-ms",
    spellings: [{ toml: "wal.max_age_seconds", variable: "WAL_MAX_AGE_SECONDS", scale: 1_000 }],
    unit: "ms",
    min: 1_000,
    max: 168 * HOUR_MS,
    default: HOUR_MS,
    summary: "age of a log segment",
  },
  syncIntervalMs: {
    kind: "integer",
    toml: "wal.sync_interval_ms",
    flag: "sync-interval-ms",
    unit: "ms",
    min: 1,
    max: 60_000,
    default: 100,
    summary: "level interval: time between syncs",
  },
  maxLogBytes: {
    kind: "integer",
    toml: "wal.max_bytes",
    flag: "max-log-bytes",
    unit: "bytes",
    min: 0,
    max: 1_024 * 1_024 * GIB,
    default: 0,
    summary: "size of a log at which writes are refused; 0: none",
  },
  releasedSegments: {
    kind: "choice",
    toml: "wal.released",
    flag: "released-segments",
    choices: ["delete", "archive"],
    default: "delete",
    summary: "what becomes of segments whose rows are in Parquet",
  },
  archiveMaxAgeMs: {
    kind: "integer",
    toml: "wal.archive_max_age_ms",
    flag: "archive-max-age-ms",
    unit: "ms",
    min: 0,
    max: 365 * 24 * HOUR_MS,
    default: 7 * 24 * HOUR_MS,
    summary: "age at which archived segments are removed; 0: never",
  },
  recovery: {
    kind: "choice",
    toml: "wal.recovery",
    flag: "recovery",
    choices: ["default", "strict"],
    default: "default",
    summary: "what start-up does with a damaged log",
  },
};
