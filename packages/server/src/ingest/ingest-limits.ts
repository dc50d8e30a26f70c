/**
 * Limits of one ingest request, whatever its wire format: each has a unit and a default.
 *
 * A limit that a client can respect by sending smaller requests answers `SERVER_TOO_LARGE`. A limit that one
 * line or one item breaks by itself answers `SERVER_INVALID_LINE` or `SERVER_INVALID_MESSAGEPACK`, because
 * splitting the request would not help.
 */

/** What one request may hold. All counts are inclusive: exactly the limit is accepted. */
export interface IngestLimits {
  /** Rows of one request, over all tables. Default 1,048,576. `SERVER_TOO_LARGE`. */
  readonly maxRows: number;
  /** Tables (measurements) of one request. Default 1,024. `SERVER_TOO_LARGE`. */
  readonly maxTables: number;
  /** Tag and field columns of one table within one request. Default 2,048. `SERVER_TOO_LARGE`. */
  readonly maxColumnsPerTable: number;
  /**
   * Bytes of the decoded batch: an upper bound of its record in the log, so it must not exceed the largest
   * record of the log. A sparse table costs rows × columns. Default 64 MiB. `SERVER_TOO_LARGE`.
   */
  readonly maxBatchBytes: number;
  /** Bytes of one line of line protocol, without its newline. Default 4 MiB. `SERVER_INVALID_LINE`. */
  readonly maxLineBytes: number;
  /** Tags of one line or row. Default 256. Invalid line or item. */
  readonly maxTagsPerRow: number;
  /** Fields of one line or row. Default 1,024. Invalid line or item. */
  readonly maxFieldsPerRow: number;
  /** UTF-8 bytes of a measurement, tag key or field key. Default 256. Invalid line or item. */
  readonly maxNameBytes: number;
  /** UTF-8 bytes of a tag value or string field. Default 1 MiB. Invalid line or item. */
  readonly maxStringBytes: number;
  /** Levels of nesting of a MessagePack body. Default 16. `SERVER_INVALID_MESSAGEPACK`. */
  readonly maxDepth: number;
}

/** The limits of a server that configures none. */
export const DEFAULT_INGEST_LIMITS: IngestLimits = Object.freeze({
  maxRows: 1_048_576,
  maxTables: 1_024,
  maxColumnsPerTable: 2_048,
  maxBatchBytes: 64 * 1024 * 1024, // 64 MiB
  maxLineBytes: 4 * 1024 * 1024, // 4 MiB
  maxTagsPerRow: 256,
  maxFieldsPerRow: 1_024,
  maxNameBytes: 256,
  maxStringBytes: 1024 * 1024, // 1 MiB
  maxDepth: 16,
});
