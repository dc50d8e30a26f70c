/**
 * Public surface of `@walnut/server`: start a server, its options as values and as data, its errors.
 */
export type { AccessToken } from "./access-token.ts";
export {
  SERVER_ERROR_STATUS,
  ServerError,
  type ServerErrorCode,
  type ServerErrorDetails,
} from "./errors.ts";
export { decodeIngestBatch } from "./ingest/batch-codec.ts";
export type { Column, IngestBatch, TableBatch } from "./ingest/table-batch.ts";
export { WALNUT_VERSION } from "./package-version.ts";
export { openServer, type WalnutServer } from "./server.ts";
export {
  SERVER_OPTION_TABLE,
  type ServerOptionName,
  type ServerOptionSpec,
} from "./server-option-table.ts";
export {
  DEFAULT_SERVER_OPTIONS,
  type RecoveryProgress,
  type ResolvedServerOptions,
  type ServerDurability,
  type ServerLogger,
  type ServerOptions,
  type ServerRecoveryMode,
} from "./server-options.ts";
export type { RecoverySummary } from "./server-storage.ts";
