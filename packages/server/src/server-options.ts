/**
 * The options of the server: names, meaning, units, defaults and ranges.
 *
 * `resolve-server-options.ts` fills in and checks them; `server-option-table.ts` carries the same facts as
 * data, for the command line and the documentation. Everything else sees {@link ResolvedServerOptions}.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

/** When a write is acknowledged; the levels of the log, see docs/durability.md. */
export type ServerDurability = "fsync" | "fdatasync" | "interval" | "async" | "memory" | "off";

/** What recovery does with damage: `default` cuts a torn tail and stops at damage, `strict` stops at any. */
export type ServerRecoveryMode = "default" | "strict";

/** Progress of start-up: first the log is scanned, then its records are put back into memory. */
export interface RecoveryProgress {
  readonly phase: "scan" | "replay";
  readonly segments: number;
  readonly records: number;
  readonly rows: number;
  readonly bytes: number;
}

/** Where the server writes its few log lines. Lines never hold a token. */
export interface ServerLogger {
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** Options of {@link openServer}. Every field may be left out. */
export interface ServerOptions {
  /**
   * TCP port to listen on; 0 lets the system choose one. Default 8000. Range 0 to 65,535.
   */
  readonly port?: number | undefined;
  /**
   * Address to listen on. The default, "127.0.0.1", is reachable from this machine only; "0.0.0.0" or "::"
   * opens the server to the network, where the token is the only guard.
   */
  readonly host?: string | undefined;
  /**
   * Directory that holds everything: log, catalog, Parquet files, token. Made with mode 0700 when missing.
   * Default "./data".
   */
  readonly dataDirectory?: string | undefined;
  /**
   * The secret that clients send. Left out: one is made on the first run and kept in `DIRECTORY/token`.
   * 1 to 1,024 printable ASCII characters without spaces.
   */
  readonly token?: string | undefined;
  /**
   * When a write is answered. "fdatasync" (default) and "fsync": after the data is on the device.
   * "interval" and "async": after the operating system has it. "memory" and "off": at once.
   */
  readonly durability?: ServerDurability | undefined;
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
  /** What start-up does with a damaged log. Default "default". */
  readonly recovery?: ServerRecoveryMode | undefined;
  /**
   * Rows of one table that start a flush to Parquet. Larger: fewer, larger files, more memory and longer
   * recovery. Default 50,000. Range 1 to 4,000,000.
   */
  readonly flushRows?: number | undefined;
  /**
   * Longest time a row stays in memory only, in milliseconds. Default 5,000. Range 10 to 3,600,000.
   */
  readonly flushAgeMs?: number | undefined;
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
  /** Longest time a query may run, in milliseconds. Default 30,000. Range 10 to 3,600,000. */
  readonly queryTimeoutMs?: number | undefined;
  /** Memory that all queries together may use, in bytes. Default 512 MiB. Range 64 MiB to 1 TiB. */
  readonly queryMemoryBytes?: number | undefined;
  /**
   * Longest time a stop waits for requests in flight, in milliseconds; their connections are cut after it.
   * Default 30,000. Range 0 to 3,600,000.
   */
  readonly shutdownTimeoutMs?: number | undefined;
  /** Whether `/metrics` answers without a token. Default true. */
  readonly publicMetrics?: boolean | undefined;
  /** Receives log lines. Default: nothing is logged. */
  readonly logger?: ServerLogger | undefined;
  /** Called as start-up advances, up to a hundred times a second. Default: nobody is told. */
  readonly onRecoveryProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

/** Options without a default: left out, they stay `undefined`. */
type OpenOptions = Pick<ServerOptions, "token" | "onRecoveryProgress">;
type Filled<T> = { readonly [Key in keyof T]-?: Exclude<T[Key], undefined> };
type Present<T> = { readonly [Key in keyof T]-?: T[Key] };

/** {@link ServerOptions} with every default filled in and every value checked. Frozen. */
export type ResolvedServerOptions = Filled<Omit<ServerOptions, keyof OpenOptions>> &
  Present<OpenOptions>;

/** Defaults of every option that has one. */
export const DEFAULT_SERVER_OPTIONS: Filled<Omit<ServerOptions, keyof OpenOptions | "logger">> =
  Object.freeze({
    port: 8000,
    host: "127.0.0.1",
    dataDirectory: "./data",
    durability: "fdatasync",
    segmentSizeBytes: 64 * MIB,
    segmentMaxAgeMs: 3_600_000, // 1 hour
    syncIntervalMs: 100,
    recovery: "default",
    flushRows: 50_000,
    flushAgeMs: 5_000,
    maxMemoryBytes: 512 * MIB,
    maxBodyBytes: 64 * MIB,
    maxDecodedBodyBytes: 64 * MIB,
    maxInFlightBytes: 256 * MIB,
    requestTimeoutMs: 60_000,
    headersTimeoutMs: 10_000,
    keepAliveTimeoutMs: 65_000,
    maxHeaderBytes: 16 * KIB,
    maxConnections: 2_000,
    queryTimeoutMs: 30_000,
    queryMemoryBytes: 512 * MIB,
    shutdownTimeoutMs: 30_000,
    publicMetrics: true,
  });
