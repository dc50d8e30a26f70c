/**
 * The options of the server as one interface: the sections of `options/`, plus what only a program can hand in.
 *
 * `server-option-table.ts` has the same options as data, `resolve-server-options.ts` fills in and checks them.
 * Everything else sees {@link ResolvedServerOptions}.
 */
import type { AuthSection } from "./options/auth-section.ts";
import type { CompactionSection } from "./options/compaction-section.ts";
import type { FlushSection } from "./options/flush-section.ts";
import type { ForwardSection } from "./options/forward-section.ts";
import type { IdempotencySection } from "./options/idempotency-section.ts";
import type { LimitsSection } from "./options/limits-section.ts";
import type { LogSection } from "./options/log-section.ts";
import type { QuerySection } from "./options/query-section.ts";
import type { RetentionSection } from "./options/retention-section.ts";
import type { S3Section } from "./options/s3-section.ts";
import type { ServerSection } from "./options/server-section.ts";
import type { StorageSection } from "./options/storage-section.ts";
import type { WalSection } from "./options/wal-section.ts";

/** Progress of start-up: first the log is scanned, then its records are put back into memory. */
export interface RecoveryProgress {
  readonly phase: "scan" | "replay";
  /** Segments that this step is done with, and all that it has to read. */
  readonly segmentsDone: number;
  readonly segmentsTotal: number;
  /** Bytes of the log on disk, of this step. */
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** Put back into memory. */
  readonly records: number;
  readonly rows: number;
}

/** Facts beside the text of a log line. Units are part of the names; never a token. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where the server writes its log lines. Neither text nor fields ever hold a token. */
export interface ServerLogger {
  /** For looking into a problem: every request. Left out: such lines are not wanted, and not made. */
  debug?(text: string, fields?: LogFields): void;
  info(text: string, fields?: LogFields): void;
  warn(text: string, fields?: LogFields): void;
  error(text: string, fields?: LogFields): void;
}

/** What a program hands in and no configuration can say. */
export interface ServerHooks {
  /** Receives log lines. Default: nothing is logged. */
  readonly logger?: ServerLogger | undefined;
  /** Called as start-up advances, up to a hundred times a second. Default: nobody is told. */
  readonly onRecoveryProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

/** Every option that a configuration can set. How to add one: `server-option-table.ts`. */
export interface ServerSettings
  extends
    ServerSection,
    WalSection,
    FlushSection,
    CompactionSection,
    RetentionSection,
    StorageSection,
    S3Section,
    AuthSection,
    LimitsSection,
    IdempotencySection,
    QuerySection,
    LogSection,
    ForwardSection {}

/** Options of {@link openServer}. Every field may be left out. */
export interface ServerOptions extends ServerSettings, ServerHooks {}

/** Options without a default: left out, they stay `undefined`. */
type OpenOptions = Pick<
  ServerOptions,
  | "token"
  | "walDirectory"
  | "tlsCert"
  | "tlsKey"
  | "tlsClientCa"
  | "forwardListen"
  | "forwardListenToken"
  | "onRecoveryProgress"
  | "cacheDirectory"
  | "s3Bucket"
  | "s3Prefix"
  | "s3Region"
  | "s3Endpoint"
  | "s3ForcePathStyle"
  | "s3AccessKeyId"
  | "s3SecretAccessKey"
  | "s3SessionToken"
>;
type Filled<T> = { readonly [Key in keyof T]-?: Exclude<T[Key], undefined> };
type Present<T> = { readonly [Key in keyof T]-?: T[Key] };

/** {@link ServerOptions} with every default filled in and every value checked. Frozen. */
export type ResolvedServerOptions = Filled<Omit<ServerOptions, keyof OpenOptions>> &
  Present<OpenOptions>;

/** The type of `DEFAULT_SERVER_OPTIONS`: every option that has a default. */
export type DefaultServerOptions = Filled<Omit<ServerSettings, keyof OpenOptions>>;
