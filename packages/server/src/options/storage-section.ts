/** Options of the section `[storage]`: where rows are kept. */
import { GIB, KIB, type RowsOf } from "./option-row.ts";

/** Where Parquet files live: in the data directory, or in a bucket with a bounded cache here. */
export type StorageBackend = "local" | "s3";

/** Where rows must be before the log lets go of them. */
export type LogRelease = "local" | "object";

/** Options of the section `[storage]`. */
export interface StorageSection {
  /**
   * Directory that holds everything: log, catalog, Parquet files, token. Made with mode 0700 when missing.
   * Default "./data".
   */
  readonly dataDirectory?: string | undefined;
  /**
   * Where Parquet files live. "local" (default): in the data directory. "s3": in a bucket of object storage;
   * they are written here first and uploaded in the background. See docs/storage.md.
   */
  readonly storageBackend?: StorageBackend | undefined;
  /**
   * When the log lets go of rows. "local" (default): when their Parquet file is durable here. "object": when
   * it is in the bucket too, so that log and bucket together hold every row; an outage then fills the log.
   */
  readonly releaseLog?: LogRelease | undefined;
  /**
   * Bytes of Parquet files that wait for their upload at which writes are refused with
   * SERVER_UPLOADS_BEHIND until uploads have caught up. Default 16 GiB. Range 64 KiB to 1 PiB.
   */
  readonly maxPendingUploadBytes?: number | undefined;
  /** Directory of the cache of files in object storage. Default: `cache` in the data directory. */
  readonly cacheDirectory?: string | undefined;
  /**
   * Bytes of files of object storage that are kept here for queries. One query cannot read more than this.
   * Default 10 GiB. Range 64 KiB to 1 PiB.
   */
  readonly cacheMaxBytes?: number | undefined;
}

const PIB = 1_024 * 1_024 * GIB;

export const STORAGE_SECTION: RowsOf<StorageSection> = {
  dataDirectory: {
    kind: "text",
    toml: "storage.data_dir",
    flag: "data-dir",
    default: "./data",
    summary: "directory of the log, the catalog, the Parquet files and the token",
  },
  storageBackend: {
    kind: "choice",
    toml: "storage.backend",
    flag: "storage-backend",
    choices: ["local", "s3"],
    default: "local",
    summary: "where Parquet files live",
  },
  releaseLog: {
    kind: "choice",
    toml: "storage.release_log",
    flag: "release-log",
    choices: ["local", "object"],
    default: "local",
    summary: "where rows must be before the log lets go of them",
  },
  maxPendingUploadBytes: {
    kind: "integer",
    toml: "storage.max_pending_upload_bytes",
    flag: "max-pending-upload-bytes",
    unit: "bytes",
    min: 64 * KIB,
    max: PIB,
    default: 16 * GIB,
    summary: "files waiting for their upload at which writes are refused",
  },
  cacheDirectory: {
    kind: "text",
    toml: "storage.cache_dir",
    flag: "cache-dir",
    defaultText: "`cache` in the data directory",
    summary: "directory of the cache of files in object storage",
  },
  cacheMaxBytes: {
    kind: "integer",
    toml: "storage.cache_max_bytes",
    flag: "cache-max-bytes",
    unit: "bytes",
    min: 64 * KIB,
    max: PIB,
    default: 10 * GIB,
    summary: "size of that cache; one query cannot read more",
  },
};
