/** Options of the section `[limits]`: what clients may cost, in bytes, connections and time. */
import { GIB, HOUR_MS, KIB, MIB, type RowsOf } from "./option-row.ts";

/** Options of the section `[limits]`. */
export interface LimitsSection {
  /**
   * Bytes of rows in memory at which writes are refused with SERVER_OVERLOADED until a flush has caught up.
   * Default 512 MiB. Range 1 MiB to 64 GiB.
   */
  readonly maxMemoryBytes?: number | undefined;
  /**
   * Largest request body as sent, in bytes. More is answered 413. Default 64 MiB. Range 1 KiB to 1 GiB.
   */
  readonly maxBodyBytes?: number | undefined;
  /**
   * Largest request body after decompression, in bytes. More is answered 413. Default 64 MiB.
   * Range 1 KiB to 1 GiB.
   */
  readonly maxDecodedBodyBytes?: number | undefined;
  /**
   * Bytes of request bodies, as sent and decompressed, held at one time by all requests. Beyond it requests
   * are refused with SERVER_OVERLOADED. At least `maxBodyBytes + maxDecodedBodyBytes`. Default 256 MiB.
   * Range 2 KiB to 64 GiB.
   */
  readonly maxInFlightBytes?: number | undefined;
  /**
   * Longest time from the first byte of a request to its last, in milliseconds. Default 60,000.
   * Range 100 to 3,600,000.
   */
  readonly requestTimeoutMs?: number | undefined;
  /**
   * Longest time for the headers of a request, in milliseconds; at most `requestTimeoutMs`.
   * Default 10,000. Range 100 to 3,600,000.
   */
  readonly headersTimeoutMs?: number | undefined;
  /**
   * How long an idle connection is kept, in milliseconds. Default 65,000. Range 100 to 3,600,000.
   */
  readonly keepAliveTimeoutMs?: number | undefined;
  /** Largest request head, in bytes. More is answered 431. Default 16 KiB. Range 1 KiB to 1 MiB. */
  readonly maxHeaderBytes?: number | undefined;
  /**
   * Connections open at one time; further ones are closed at once. Log and files need descriptors as well.
   * Default 2,000. Range 1 to 1,000,000.
   */
  readonly maxConnections?: number | undefined;
  /** Of these, from one address. Default 1,000. Range 1 to 1,000,000. */
  readonly clientMaxConnections?: number | undefined;
  /** Reads and writes served at one time; more are answered 503. Default 2,000. Range 1 to 1,000,000. */
  readonly maxRequests?: number | undefined;
  /** Of these, from one client; more are answered 429. Default 1,000. Range 1 to 1,000,000. */
  readonly clientMaxRequests?: number | undefined;
  /**
   * Of `maxInFlightBytes`, by one client; more is answered 429. Default 0: half of them, or one request of the largest
   * kind where that is more. Range 0 to 64 GiB.
   */
  readonly clientMaxInFlightBytes?: number | undefined;
  /**
   * Bytes of bodies, as sent and decompressed, that one client may send per second; beyond it requests are answered 429 until
   * the rate is kept again. Default 0: no limit. Range 0 to 64 GiB.
   */
  readonly clientBytesPerSecond?: number | undefined;
  /**
   * Bytes of query answers held at one time, from when they are made until their clients have read them. Beyond it
   * queries are answered SERVER_OVERLOADED. Default 256 MiB. Range 1 MiB to 64 GiB.
   */
  readonly maxAnswerBytes?: number | undefined;
  /** Tables of all databases; a request that would make more is answered 400. Default 10,000. Range 1 to 1,000,000. */
  readonly maxTables?: number | undefined;
  /** Columns of one table, over all time; more are answered 400. Default 4,096. Range 1 to 100,000. */
  readonly maxTableColumns?: number | undefined;
}

export const LIMITS_SECTION: RowsOf<LimitsSection> = {
  maxMemoryBytes: {
    kind: "integer",
    toml: "limits.max_memory_bytes",
    flag: "max-memory-bytes",
    unit: "bytes",
    min: MIB,
    max: 64 * GIB,
    default: 512 * MIB,
    summary: "rows held in memory",
  },
  maxBodyBytes: {
    kind: "integer",
    toml: "limits.max_body_bytes",
    flag: "max-body-bytes",
    unit: "bytes",
    min: KIB,
    max: GIB,
    default: 64 * MIB,
    summary: "largest request body as sent",
  },
  maxDecodedBodyBytes: {
    kind: "integer",
    toml: "limits.max_decoded_body_bytes",
    flag: "max-decoded-body-bytes",
    unit: "bytes",
    min: KIB,
    max: GIB,
    default: 64 * MIB,
    summary: "largest request body after decompression",
  },
  maxInFlightBytes: {
    kind: "integer",
    toml: "limits.max_in_flight_bytes",
    flag: "max-in-flight-bytes",
    unit: "bytes",
    min: 2 * KIB,
    max: 64 * GIB,
    default: 256 * MIB,
    summary: "request bodies held at one time",
  },
  requestTimeoutMs: {
    kind: "integer",
    toml: "limits.request_timeout_ms",
    flag: "request-timeout-ms",
    unit: "ms",
    min: 100,
    max: HOUR_MS,
    default: 60_000,
    summary: "time to receive a request",
  },
  headersTimeoutMs: {
    kind: "integer",
    toml: "limits.headers_timeout_ms",
    flag: "headers-timeout-ms",
    unit: "ms",
    min: 100,
    max: HOUR_MS,
    default: 10_000,
    summary: "time to receive its headers",
  },
  keepAliveTimeoutMs: {
    kind: "integer",
    toml: "limits.keep_alive_timeout_ms",
    flag: "keep-alive-timeout-ms",
    unit: "ms",
    min: 100,
    max: HOUR_MS,
    default: 65_000,
    summary: "time an idle connection is kept",
  },
  maxHeaderBytes: {
    kind: "integer",
    toml: "limits.max_header_bytes",
    flag: "max-header-bytes",
    unit: "bytes",
    min: KIB,
    max: MIB,
    default: 16 * KIB,
    summary: "largest request head",
  },
  maxConnections: {
    kind: "integer",
    toml: "limits.max_connections",
    flag: "max-connections",
    unit: "connections",
    min: 1,
    max: 1_000_000,
    default: 2_000,
    summary: "connections open at one time",
  },
  clientMaxConnections: {
    kind: "integer",
    toml: "limits.client_max_connections",
    flag: "client-max-connections",
    unit: "connections",
    min: 1,
    max: 1_000_000,
    default: 1_000,
    summary: "of these, from one address",
  },
  maxRequests: {
    kind: "integer",
    toml: "limits.max_requests",
    flag: "max-requests",
    unit: "requests",
    min: 1,
    max: 1_000_000,
    default: 2_000,
    summary: "requests served at one time",
  },
  clientMaxRequests: {
    kind: "integer",
    toml: "limits.client_max_requests",
    flag: "client-max-requests",
    unit: "requests",
    min: 1,
    max: 1_000_000,
    default: 1_000,
    summary: "of these, from one client",
  },
  clientMaxInFlightBytes: {
    kind: "integer",
    toml: "limits.client_max_in_flight_bytes",
    flag: "client-max-in-flight-bytes",
    unit: "bytes",
    min: 0,
    max: 64 * GIB,
    default: 0,
    summary: "of these, by one client; 0: half, at least the largest request",
  },
  clientBytesPerSecond: {
    kind: "integer",
    toml: "limits.client_bytes_per_second",
    flag: "client-bytes-per-second",
    unit: "bytes",
    min: 0,
    max: 64 * GIB,
    default: 0,
    summary: "request bodies of one client per second; 0: no limit",
  },
  maxAnswerBytes: {
    kind: "integer",
    toml: "limits.max_answer_bytes",
    flag: "max-answer-bytes",
    unit: "bytes",
    min: MIB,
    max: 64 * GIB,
    default: 256 * MIB,
    summary: "query answers that wait for their clients",
  },
  maxTables: {
    kind: "integer",
    toml: "limits.max_tables",
    flag: "max-tables",
    unit: "tables",
    min: 1,
    max: 1_000_000,
    default: 10_000,
    summary: "tables of all databases",
  },
  maxTableColumns: {
    kind: "integer",
    toml: "limits.max_table_columns",
    flag: "max-table-columns",
    unit: "columns",
    min: 1,
    max: 100_000,
    default: 4_096,
    summary: "columns of one table, over all time",
  },
};
